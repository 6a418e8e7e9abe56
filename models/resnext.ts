/**
 * ResNeXt-50 32x4d (Xie, Girshick, Dollar, Tu, He 2016) for 32 x 32 images: ResNet-50 whose
 * bottlenecks are 32 parallel transforms, written as convolutions in 32 groups. Here the first
 * 1 x 1 convolution is grouped as well.
 *
 *     32 x 32   64             conv1, a 3 x 3 stem
 *     32 x 32   128 -> 256     conv2, 3 blocks
 *     16 x 16   256 -> 512     conv3, 4 blocks
 *      8 x 8    512 -> 1024    conv4, 6 blocks
 *      4 x 4    1024 -> 2048   conv5, 3 blocks
 *      1 x 1    2048 -> K      average, linear
 */

import { AdaptiveAvgPool2d, Linear } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { add, relu } from "../engine/tensor/pointwise.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNorm, convNormRelu, repeat, roundChannels, shortcut } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

/** Parallel transforms in a block. */
const CARDINALITY = 32;

class ResNextBlock extends Module {
  readonly split_transforms: Sequential;
  readonly shortcut: Sequential;

  constructor(inChannels: number, width: number, stride: number) {
    super();
    const groups = CARDINALITY;
    this.split_transforms = new Sequential(
      ...convNormRelu(inChannels, width, 1, { groups }),
      ...convNormRelu(width, width, 3, { groups, stride }),
      ...convNorm(width, 2 * width, 1),
    );
    this.shortcut = shortcut(inChannels, 2 * width, stride);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return relu(add(this.split_transforms.apply(x, pass), this.shortcut.apply(x, pass)));
  }
}

/** Blocks whose grouped convolutions are `width` channels wide. */
function stage(inChannels: number, width: number, blocks: number, stride: number): Sequential {
  return repeat(
    blocks,
    (i) =>
      i === 0 ? new ResNextBlock(inChannels, width, stride) : new ResNextBlock(2 * width, width, 1),
  );
}

class ResNext extends Module {
  readonly conv1: Sequential;
  readonly conv2: Sequential;
  readonly conv3: Sequential;
  readonly conv4: Sequential;
  readonly conv5: Sequential;
  readonly avg = new AdaptiveAvgPool2d(1);
  readonly fc: Linear;

  constructor({ inChannels, numClasses, width = 1 }: ClassifierOptions) {
    super();
    const scaled = (channels: number) => roundChannels(channels, width, CARDINALITY);
    const [c1, c2, c3, c4, c5] = [64, 128, 256, 512, 1024].map(scaled);
    this.conv1 = new Sequential(...convNormRelu(inChannels, c1, 3));
    this.conv2 = stage(c1, c2, 3, 1);
    this.conv3 = stage(2 * c2, c3, 4, 2);
    this.conv4 = stage(2 * c3, c4, 6, 2);
    this.conv5 = stage(2 * c4, c5, 3, 2);
    this.fc = new Linear(2 * c5, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const stages = [this.conv1, this.conv2, this.conv3, this.conv4, this.conv5];
    return this.fc.apply(flatten(chain(x, pass, ...stages, this.avg)), pass);
  }
}

export const resnext50: ClassifierEntry = {
  name: "resnext50",
  summary: "ResNeXt-50 32x4d, 2016",
  featureLayer: "conv5",
  widths: "any",
  create: (options) => new ResNext(options),
};
