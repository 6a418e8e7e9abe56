/**
 * Inception-v3 (Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015) for 32 x 32 images: a stem without
 * pooling, then blocks whose branches factor large convolutions into stacks of small ones.
 *
 *     32 x 32   32, 32, 64, 80      Conv2d_1a to Conv2d_3b
 *     30 x 30   192                 Conv2d_4a, not padded
 *     30 x 30   256, 288, 288       Mixed_5b to 5d   1 x 1; 5 x 5; two 3 x 3; pool
 *     14 x 14   768                 Mixed_6a         3 x 3 with stride 2; pool
 *     14 x 14   768                 Mixed_6b to 6e   1 x 1; 7 x 1 and 1 x 7, once and twice; pool
 *      6 x 6    1280                Mixed_7a         3 x 3 with stride 2; pool
 *      6 x 6    2048                Mixed_7b, 7c     1 x 3 beside 3 x 1
 *      1 x 1    K                   average, dropout, linear
 */

import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  type Conv2dOptions,
  Dropout2d,
  Linear,
  MaxPool2d,
} from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { concat, flatten } from "../engine/tensor/movement.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { Branches, chain, convNormRelu, roundChannels, sequence } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, requireSize } from "./classifier.ts";

/** Channels by their number in the paper, at the width that is asked for. */
type Channels = (inPaper: number) => number;

type Kernel = 1 | 3 | 5 | readonly [number, number];

/** Convolution, normalisation, ReLU; padded to keep the image's size unless told otherwise. */
function conv(inChannels: number, outChannels: number, kernel: Kernel, options?: Conv2dOptions) {
  const [conv, bn, relu] = convNormRelu(inChannels, outChannels, kernel, options);
  return sequence({ conv, bn, relu });
}

const SMALLER = { stride: 2, padding: 0 } as const;

const averaged = () => new AvgPool2d(3, { stride: 1, padding: 1 });

function mixed5(c: Channels, inChannels: number, poolChannels: number): Branches {
  return new Branches({
    branch1x1: conv(inChannels, c(64), 1),
    branch5x5: new Sequential(conv(inChannels, c(48), 1), conv(c(48), c(64), 5)),
    branch3x3: new Sequential(
      conv(inChannels, c(64), 1),
      conv(c(64), c(96), 3),
      conv(c(96), c(96), 3),
    ),
    branchpool: new Sequential(averaged(), conv(inChannels, poolChannels, 3)),
  });
}

function mixed6a(c: Channels, inChannels: number): Branches {
  return new Branches({
    branch3x3: conv(inChannels, c(384), 3, SMALLER),
    branch3x3stack: new Sequential(
      conv(inChannels, c(64), 1),
      conv(c(64), c(96), 3),
      conv(c(96), c(96), 3, SMALLER),
    ),
    branchpool: new MaxPool2d(3, { stride: 2 }),
  });
}

function mixed6(c: Channels, inChannels: number, stacked: number): Branches {
  return new Branches({
    branch1x1: conv(inChannels, c(192), 1),
    branch7x7: new Sequential(
      conv(inChannels, stacked, 1),
      conv(stacked, stacked, [7, 1]),
      conv(stacked, c(192), [1, 7]),
    ),
    branch7x7stack: new Sequential(
      conv(inChannels, stacked, 1),
      conv(stacked, stacked, [7, 1]),
      conv(stacked, stacked, [1, 7]),
      conv(stacked, stacked, [7, 1]),
      conv(stacked, c(192), [1, 7]),
    ),
    branch_pool: new Sequential(averaged(), conv(inChannels, c(192), 1)),
  });
}

function mixed7a(c: Channels, inChannels: number): Branches {
  return new Branches({
    branch3x3: new Sequential(conv(inChannels, c(192), 1), conv(c(192), c(320), 3, SMALLER)),
    branch7x7: new Sequential(
      conv(inChannels, c(192), 1),
      conv(c(192), c(192), [1, 7]),
      conv(c(192), c(192), [7, 1]),
      conv(c(192), c(192), 3, SMALLER),
    ),
    branchpool: new AvgPool2d(3, { stride: 2 }),
  });
}

class Mixed7 extends Module {
  readonly branch1x1: Sequential;
  readonly branch3x3_1: Sequential;
  readonly branch3x3_2a: Sequential;
  readonly branch3x3_2b: Sequential;
  readonly branch3x3stack_1: Sequential;
  readonly branch3x3stack_2: Sequential;
  readonly branch3x3stack_3a: Sequential;
  readonly branch3x3stack_3b: Sequential;
  readonly branch_pool: Sequential;

  constructor(c: Channels, inChannels: number) {
    super();
    this.branch1x1 = conv(inChannels, c(320), 1);
    this.branch3x3_1 = conv(inChannels, c(384), 1);
    this.branch3x3_2a = conv(c(384), c(384), [1, 3]);
    this.branch3x3_2b = conv(c(384), c(384), [3, 1]);
    this.branch3x3stack_1 = conv(inChannels, c(448), 1);
    this.branch3x3stack_2 = conv(c(448), c(384), 3);
    this.branch3x3stack_3a = conv(c(384), c(384), [1, 3]);
    this.branch3x3stack_3b = conv(c(384), c(384), [3, 1]);
    this.branch_pool = new Sequential(averaged(), conv(inChannels, c(192), 1));
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const single = this.branch1x1.apply(x, pass);
    const wide = this.branch3x3_1.apply(x, pass);
    const both = [this.branch3x3_2a, this.branch3x3_2b].map((side) => side.apply(wide, pass));
    const deep = chain(x, pass, this.branch3x3stack_1, this.branch3x3stack_2);
    const stacked = [this.branch3x3stack_3a, this.branch3x3stack_3b]
      .map((side) => side.apply(deep, pass));
    return concat([single, ...both, ...stacked, this.branch_pool.apply(x, pass)], 3);
  }
}

class InceptionV3 extends Module {
  readonly Conv2d_1a_3x3: Sequential;
  readonly Conv2d_2a_3x3: Sequential;
  readonly Conv2d_2b_3x3: Sequential;
  readonly Conv2d_3b_1x1: Sequential;
  readonly Conv2d_4a_3x3: Sequential;
  readonly Mixed_5b: Branches;
  readonly Mixed_5c: Branches;
  readonly Mixed_5d: Branches;
  readonly Mixed_6a: Branches;
  readonly Mixed_6b: Branches;
  readonly Mixed_6c: Branches;
  readonly Mixed_6d: Branches;
  readonly Mixed_6e: Branches;
  readonly Mixed_7a: Branches;
  readonly Mixed_7b: Mixed7;
  readonly Mixed_7c: Mixed7;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly dropout = new Dropout2d(0.5);
  readonly linear: Linear;

  constructor({ inChannels, numClasses, imageSize, width = 1 }: ClassifierOptions) {
    super();
    requireSize("inceptionv3", imageSize, 9);
    const c: Channels = (inPaper) => roundChannels(inPaper, width);
    this.Conv2d_1a_3x3 = conv(inChannels, c(32), 3);
    this.Conv2d_2a_3x3 = conv(c(32), c(32), 3);
    this.Conv2d_2b_3x3 = conv(c(32), c(64), 3);
    this.Conv2d_3b_1x1 = conv(c(64), c(80), 1);
    this.Conv2d_4a_3x3 = conv(c(80), c(192), 3, { padding: 0 });
    // What the blocks give: their branches' channels side by side.
    const by5 = (pool: number) => 2 * c(64) + c(96) + c(pool);
    const by6a = c(384) + c(96) + by5(64);
    const by6 = 4 * c(192);
    const by7a = c(320) + c(192) + by6;
    const by7 = c(320) + 4 * c(384) + c(192);
    this.Mixed_5b = mixed5(c, c(192), c(32));
    this.Mixed_5c = mixed5(c, by5(32), c(64));
    this.Mixed_5d = mixed5(c, by5(64), c(64));
    this.Mixed_6a = mixed6a(c, by5(64));
    this.Mixed_6b = mixed6(c, by6a, c(128));
    this.Mixed_6c = mixed6(c, by6, c(160));
    this.Mixed_6d = mixed6(c, by6, c(160));
    this.Mixed_6e = mixed6(c, by6, c(192));
    this.Mixed_7a = mixed7a(c, by6);
    this.Mixed_7b = new Mixed7(c, by7a);
    this.Mixed_7c = new Mixed7(c, by7);
    this.linear = new Linear(by7, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    // Every module before the head, in the order in which it is declared.
    const modules = this.children().map(([, module]) => module).slice(0, -1);
    return this.linear.apply(flatten(chain(x, pass, ...modules)), pass);
  }
}

export const inceptionv3: ClassifierEntry = {
  name: "inceptionv3",
  summary: "Inception-v3, 2015",
  featureLayer: "Mixed_7c",
  widths: "any",
  create: (options) => new InceptionV3(options),
};
