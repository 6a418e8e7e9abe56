/**
 * MobileNetV2 (Sandler, Howard, Zhu, Zhmoginov, Chen 2018) for 32 x 32 images: inverted residuals,
 * each a 1 x 1 expansion t times as wide, a depthwise 3 x 3 convolution and a linear 1 x 1
 * projection, with the input added where the shape stays. The classifier is a convolution.
 *
 *                t   channels   blocks   stride
 *     pre        -   32         -        1       (1 x 1, padded by a pixel: 34 x 34)
 *     stage1     1   16         1        1
 *     stage2     6   24         2        2
 *     stage3     6   32         3        2
 *     stage4     6   64         4        2
 *     stage5     6   96         3        1
 *     stage6     6   160        3        1
 *     stage7     6   320        1        1
 *     conv1      -   1280       -        1       then average and conv2, to K classes
 */

import { BatchNorm2d, Conv2d, type Conv2dOptions, ReLU6 } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { add } from "../engine/tensor/pointwise.ts";
import { adaptiveAvgPool2d } from "../engine/tensor/pool.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNorm, repeat, roundChannels } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number, kernel: number, options?: Conv2dOptions) =>
  convNorm(inChannels, outChannels, kernel, { bias: true, ...options });

class InvertedResidual extends Module {
  readonly residual: Sequential;
  private readonly keepsShape: boolean;

  constructor(inChannels: number, outChannels: number, stride: number, t: number) {
    super();
    const hidden = t * inChannels;
    this.keepsShape = stride === 1 && inChannels === outChannels;
    this.residual = new Sequential(
      ...conv(inChannels, hidden, 1),
      new ReLU6(),
      ...conv(hidden, hidden, 3, { stride, groups: hidden }),
      new ReLU6(),
      ...conv(hidden, outChannels, 1),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const residual = this.residual.apply(x, pass);
    return this.keepsShape ? add(residual, x) : residual;
  }
}

function stage(blocks: number, inChannels: number, outChannels: number, stride: number, t: number) {
  return repeat(
    blocks,
    (i) =>
      i === 0
        ? new InvertedResidual(inChannels, outChannels, stride, t)
        : new InvertedResidual(outChannels, outChannels, 1, t),
  );
}

class MobileNetV2 extends Module {
  readonly pre: Sequential;
  readonly stage1: InvertedResidual;
  readonly stage2: Sequential;
  readonly stage3: Sequential;
  readonly stage4: Sequential;
  readonly stage5: Sequential;
  readonly stage6: Sequential;
  readonly stage7: InvertedResidual;
  readonly conv1: Sequential;
  readonly conv2: Conv2d;

  constructor({ inChannels, numClasses, width = 1 }: ClassifierOptions) {
    super();
    const c = (channels: number) => roundChannels(channels, width);
    const last = roundChannels(1280, Math.max(1, width));
    this.pre = new Sequential(
      new Conv2d(inChannels, c(32), 1, { padding: 1 }),
      new BatchNorm2d(c(32)),
      new ReLU6(),
    );
    this.stage1 = new InvertedResidual(c(32), c(16), 1, 1);
    this.stage2 = stage(2, c(16), c(24), 2, 6);
    this.stage3 = stage(3, c(24), c(32), 2, 6);
    this.stage4 = stage(4, c(32), c(64), 2, 6);
    this.stage5 = stage(3, c(64), c(96), 1, 6);
    this.stage6 = stage(3, c(96), c(160), 1, 6);
    this.stage7 = new InvertedResidual(c(160), c(320), 1, 6);
    this.conv1 = new Sequential(...conv(c(320), last, 1), new ReLU6());
    this.conv2 = new Conv2d(last, numClasses, 1);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const early = chain(x, pass, this.pre, this.stage1, this.stage2, this.stage3, this.stage4);
    const features = chain(early, pass, this.stage5, this.stage6, this.stage7, this.conv1);
    return flatten(this.conv2.apply(adaptiveAvgPool2d(features, 1), pass));
  }
}

export const mobilenetv2: ClassifierEntry = {
  name: "mobilenetv2",
  summary: "MobileNetV2, 2018",
  featureLayer: "conv1",
  widths: "any",
  create: (options) => new MobileNetV2(options),
};
