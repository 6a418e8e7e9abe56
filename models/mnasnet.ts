/**
 * MnasNet-A without squeeze and excitation (Tan, Chen, Pang, Vasudevan, Sandler, Howard, Le 2018):
 * inverted residuals found by search, some with 5 x 5 depthwise convolutions. The strides are
 * those for ImageNet, so 32 x 32 images end as one pixel.
 *
 *     features   t   channels   blocks   stride   kernel
 *     0          -   32         -        2        3
 *     1          -   16         1        1        3        depthwise, then 1 x 1
 *     2 to 4     3   24         3        2        3
 *     5 to 7     3   40         3        2        5
 *     8 to 10    6   80         3        2        5
 *     11, 12     6   96         2        1        3
 *     13 to 16   6   192        4        2        5
 *     17         6   320        1        1        3
 *     18, 19     -   1280       -        1        1        then average, dropout, linear
 */

import { AdaptiveAvgPool2d, Dropout, Linear, ReLU6 } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { add } from "../engine/tensor/pointwise.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { convNorm, roundChannels } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

/** Expansion, channels, blocks, stride of the first, kernel of the depthwise convolution. */
const STAGES = [
  [3, 24, 3, 2, 3],
  [3, 40, 3, 2, 5],
  [6, 80, 3, 2, 5],
  [6, 96, 2, 1, 3],
  [6, 192, 4, 2, 5],
  [6, 320, 1, 1, 3],
];

const convNormRelu6 = (...args: Parameters<typeof convNorm>) => [...convNorm(...args), new ReLU6()];

class InvertedResidual extends Module {
  readonly conv: Sequential;
  private readonly keepsShape: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, t: number, kernel: number) {
    super();
    const hidden = t * inChannels;
    this.keepsShape = stride === 1 && inChannels === outChannels;
    this.conv = new Sequential(
      ...convNormRelu6(inChannels, hidden, 1),
      ...convNormRelu6(hidden, hidden, kernel, { stride, groups: hidden }),
      ...convNorm(hidden, outChannels, 1),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const residual = this.conv.apply(x, pass);
    return this.keepsShape ? add(x, residual) : residual;
  }
}

class MnasNet extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor({ inChannels, numClasses, width = 1 }: ClassifierOptions) {
    super();
    const c = (channels: number) => roundChannels(channels, width);
    const last = roundChannels(1280, Math.max(1, width));
    const layers: Module[] = [
      new Sequential(...convNormRelu6(inChannels, c(32), 3, { stride: 2 })),
      new Sequential(
        ...convNormRelu6(c(32), c(32), 3, { groups: c(32) }),
        ...convNorm(c(32), c(16), 1),
      ),
    ];
    let channels = c(16);
    for (const [t, wide, blocks, stride, kernel] of STAGES) {
      for (let i = 0; i < blocks; i++) {
        layers.push(new InvertedResidual(channels, c(wide), i === 0 ? stride : 1, t, kernel));
        channels = c(wide);
      }
    }
    layers.push(new Sequential(...convNormRelu6(channels, last, 1)), new AdaptiveAvgPool2d(1));
    this.features = new Sequential(...layers);
    this.classifier = new Sequential(new Dropout(0.5), new Linear(last, numClasses));
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.classifier.apply(flatten(this.features.apply(x, pass)), pass);
  }
}

export const mnasnet: ClassifierEntry = {
  name: "mnasnet",
  summary: "MnasNet, 2018",
  featureLayer: "features.18",
  widths: "any",
  create: (options) => new MnasNet(options),
};
