/**
 * torchvision's MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov, Chen 2018), for ImageNet: inverted
 * residuals, each a 1 x 1 expansion t times as wide, a depthwise 3 x 3 convolution and a linear
 * 1 x 1 projection, with the input added where the shape stays. The classifier is a linear layer.
 *
 *     features   t   channels   blocks   stride
 *     0          -   32         -        2        3 x 3
 *     1          1   16         1        1        (no expansion)
 *     2, 3       6   24         2        2
 *     4 to 6     6   32         3        2
 *     7 to 10    6   64         4        2
 *     11 to 13   6   96         3        1
 *     14 to 16   6   160        3        2
 *     17         6   320        1        1
 *     18         -   1280       -        1        1 x 1, then average, dropout, linear
 */

import { Dropout, Linear, ReLU6 } from "../../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../../engine/nn/module.ts";
import { globalAvgPool } from "../../engine/tensor/pool.ts";
import { add } from "../../engine/tensor/pointwise.ts";
import type { Tensor } from "../../engine/tensor/tensor.ts";
import { convNorm } from "../blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "../classifier.ts";

/** Expansion, channels, blocks, stride of the first. */
const STAGES = [
  [1, 16, 1, 1],
  [6, 24, 2, 2],
  [6, 32, 3, 2],
  [6, 64, 4, 2],
  [6, 96, 3, 1],
  [6, 160, 3, 2],
  [6, 320, 1, 1],
];
const LAST = 1280;

const convNormRelu6 = (...args: Parameters<typeof convNorm>) =>
  new Sequential(...convNorm(...args), new ReLU6());

class InvertedResidual extends Module {
  readonly conv: Sequential;
  private readonly keepsShape: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, t: number) {
    super();
    const hidden = t * inChannels;
    this.keepsShape = stride === 1 && inChannels === outChannels;
    this.conv = new Sequential(
      ...(t === 1 ? [] : [convNormRelu6(inChannels, hidden, 1)]),
      convNormRelu6(hidden, hidden, 3, { stride, groups: hidden }),
      ...convNorm(hidden, outChannels, 1),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const residual = this.conv.apply(x, pass);
    return this.keepsShape ? add(x, residual) : residual;
  }
}

class MobileNetV2 extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor({ inChannels, numClasses }: ClassifierOptions) {
    super();
    let channels = 32;
    const layers: Module[] = [convNormRelu6(inChannels, channels, 3, { stride: 2 })];
    for (const [t, wide, blocks, stride] of STAGES) {
      for (let i = 0; i < blocks; i++) {
        layers.push(new InvertedResidual(channels, wide, i === 0 ? stride : 1, t));
        channels = wide;
      }
    }
    this.features = new Sequential(...layers, convNormRelu6(channels, LAST, 1));
    this.classifier = new Sequential(new Dropout(0.2), new Linear(LAST, numClasses));
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.classifier.apply(globalAvgPool(this.features.apply(x, pass)), pass);
  }
}

export const torchvisionMobilenetV2: ClassifierEntry = {
  name: "torchvision_mobilenet_v2",
  summary: "torchvision's MobileNetV2 for ImageNet, 2018",
  featureLayer: "features",
  imageSize: 224,
  create: (options) => new MobileNetV2(options),
};
