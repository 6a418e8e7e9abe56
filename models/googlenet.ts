/**
 * GoogLeNet (Szegedy et al. 2014) with batch normalisation, for 32 x 32 images. An inception block
 * looks at its input through four branches and joins their channels:
 *
 *     b1   1 x 1
 *     b2   1 x 1, 3 x 3
 *     b3   1 x 1, 3 x 3, 3 x 3      in place of 5 x 5
 *     b4   3 x 3 max pool, 1 x 1
 *
 *     32 x 32   192          prelayer
 *     16 x 16   256, 480     a3, b3
 *      8 x 8    512 to 832   a4 to e4
 *      4 x 4    832, 1024    a5, b5
 *      1 x 1    K            average, dropout, linear
 */

import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Dropout2d,
  Linear,
  MaxPool2d,
  ReLU,
} from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten } from "../engine/tensor/movement.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { Branches, chain, convNormRelu, roundChannels } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number, kernelSize: number) =>
  convNormRelu(inChannels, outChannels, kernelSize, { bias: true });

/**
 * The authors give the first 3 x 3 convolution of b3 its channel count as the normalisation's
 * epsilon. It is kept: their weights and numbers have it in them.
 */
const convLargeEpsilon = (inChannels: number, outChannels: number) => [
  new Conv2d(inChannels, outChannels, 3, { padding: 1 }),
  new BatchNorm2d(outChannels, outChannels),
  new ReLU(),
];

/** Channels that come in; of b1; of b2's two convolutions; of b3's, the last for both; of b4. */
export type InceptionWidths = readonly [
  number,
  number,
  readonly [number, number],
  readonly [number, number],
  number,
];

/** The paper's table of inception blocks. */
export const INCEPTIONS = {
  a3: [192, 64, [96, 128], [16, 32], 32],
  b3: [256, 128, [128, 192], [32, 96], 64],
  a4: [480, 192, [96, 208], [16, 48], 64],
  b4: [512, 160, [112, 224], [24, 64], 64],
  c4: [512, 128, [128, 256], [24, 64], 64],
  d4: [512, 112, [144, 288], [32, 64], 64],
  e4: [528, 256, [160, 320], [32, 128], 128],
  a5: [832, 256, [160, 320], [32, 128], 128],
  b5: [832, 384, [192, 384], [48, 128], 128],
} as const satisfies Record<string, InceptionWidths>;

const outChannelsOf = ([, c1, c2, c3, c4]: InceptionWidths) => c1 + c2[1] + c3[1] + c4;

function inception([inChannels, c1, c2, c3, c4]: InceptionWidths): Branches {
  return new Branches({
    b1: new Sequential(...conv(inChannels, c1, 1)),
    b2: new Sequential(...conv(inChannels, c2[0], 1), ...conv(c2[0], c2[1], 3)),
    b3: new Sequential(
      ...conv(inChannels, c3[0], 1),
      ...convLargeEpsilon(c3[0], c3[1]),
      ...conv(c3[1], c3[1], 3),
    ),
    b4: new Sequential(
      new MaxPool2d(3, { stride: 1, padding: 1 }),
      ...conv(inChannels, c4, 1),
    ),
  });
}

class GoogLeNet extends Module {
  readonly prelayer: Sequential;
  readonly a3: Branches;
  readonly b3: Branches;
  readonly maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  readonly a4: Branches;
  readonly b4: Branches;
  readonly c4: Branches;
  readonly d4: Branches;
  readonly e4: Branches;
  readonly a5: Branches;
  readonly b5: Branches;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly dropout = new Dropout2d(0.4);
  readonly linear: Linear;

  constructor({ inChannels, numClasses, width = 1 }: ClassifierOptions) {
    super();
    const c = (channels: number) => roundChannels(channels, width);
    this.prelayer = new Sequential(
      ...convNormRelu(inChannels, c(64), 3),
      ...convNormRelu(c(64), c(64), 3),
      ...convNormRelu(c(64), c(192), 3),
    );
    let channels = c(192);
    const next = ([, c1, c2, c3, c4]: InceptionWidths) => {
      const widths: InceptionWidths = [
        channels,
        c(c1),
        [c(c2[0]), c(c2[1])],
        [c(c3[0]), c(c3[1])],
        c(c4),
      ];
      channels = outChannelsOf(widths);
      return inception(widths);
    };
    this.a3 = next(INCEPTIONS.a3);
    this.b3 = next(INCEPTIONS.b3);
    this.a4 = next(INCEPTIONS.a4);
    this.b4 = next(INCEPTIONS.b4);
    this.c4 = next(INCEPTIONS.c4);
    this.d4 = next(INCEPTIONS.d4);
    this.e4 = next(INCEPTIONS.e4);
    this.a5 = next(INCEPTIONS.a5);
    this.b5 = next(INCEPTIONS.b5);
    this.linear = new Linear(channels, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const size16 = chain(x, pass, this.prelayer, this.maxpool, this.a3, this.b3);
    const blocks8 = [this.a4, this.b4, this.c4, this.d4, this.e4];
    const size8 = chain(size16, pass, this.maxpool, ...blocks8);
    const features = chain(size8, pass, this.maxpool, this.a5, this.b5);
    return this.linear.apply(flatten(chain(features, pass, this.avgpool, this.dropout)), pass);
  }
}

export const googlenet: ClassifierEntry = {
  name: "googlenet",
  summary: "GoogLeNet with batch normalisation, 2014",
  featureLayer: "b5",
  widths: "any",
  create: (options) => new GoogLeNet(options),
};
