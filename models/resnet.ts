/**
 * ResNet (He, Zhang, Ren, Sun 2015) for 32 x 32 images: a 3 x 3 stem, four stages of residual
 * blocks, a global average pool and a linear head. A block is relu(F(x) + x).
 *
 *                                    18   34   50   101
 *     32 x 32   64     conv1          1    1    1    1
 *     32 x 32   64 e   conv2_x        2    3    3    3
 *     16 x 16   128 e  conv3_x        2    4    4    4
 *      8 x 8    256 e  conv4_x        2    6    6    23
 *      4 x 4    512 e  conv5_x        2    3    3    3
 *
 * e, the expansion, is 1 for the basic block of 18 and 34 layers, 4 for the bottleneck.
 */

import { AdaptiveAvgPool2d, Linear } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { add, relu } from "../engine/tensor/pointwise.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNorm, convNormRelu, repeat, roundChannels, shortcut } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

interface BlockKind {
  /** Output channels of the block by the width of its 3 x 3 convolution. */
  readonly expansion: number;
  readonly residual: (inChannels: number, width: number, stride: number) => Module[];
}

const BASIC: BlockKind = {
  expansion: 1,
  residual: (inChannels, width, stride) => [
    ...convNormRelu(inChannels, width, 3, { stride }),
    ...convNorm(width, width, 3),
  ],
};

const BOTTLENECK: BlockKind = {
  expansion: 4,
  residual: (inChannels, width, stride) => [
    ...convNormRelu(inChannels, width, 1),
    ...convNormRelu(width, width, 3, { stride }),
    ...convNorm(width, 4 * width, 1),
  ],
};

class ResidualBlock extends Module {
  readonly residual_function: Sequential;
  readonly shortcut: Sequential;

  constructor(kind: BlockKind, inChannels: number, width: number, stride: number) {
    super();
    this.residual_function = new Sequential(...kind.residual(inChannels, width, stride));
    this.shortcut = shortcut(inChannels, kind.expansion * width, stride);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return relu(add(this.residual_function.apply(x, pass), this.shortcut.apply(x, pass)));
  }
}

class ResNet extends Module {
  readonly conv1: Sequential;
  readonly conv2_x: Sequential;
  readonly conv3_x: Sequential;
  readonly conv4_x: Sequential;
  readonly conv5_x: Sequential;
  readonly avg_pool = new AdaptiveAvgPool2d(1);
  readonly fc: Linear;

  constructor(
    { inChannels, numClasses, width = 1 }: ClassifierOptions,
    kind: BlockKind,
    blocks: readonly number[],
  ) {
    super();
    const e = kind.expansion;
    const [c1, c2, c3, c4] = [64, 128, 256, 512].map((channels) => roundChannels(channels, width));
    const stage = (inChannels: number, width: number, count: number, stride: number) =>
      repeat(
        count,
        (i) =>
          i === 0
            ? new ResidualBlock(kind, inChannels, width, stride)
            : new ResidualBlock(kind, e * width, width, 1),
      );
    this.conv1 = new Sequential(...convNormRelu(inChannels, c1, 3));
    this.conv2_x = stage(c1, c1, blocks[0], 1);
    this.conv3_x = stage(c1 * e, c2, blocks[1], 2);
    this.conv4_x = stage(c2 * e, c3, blocks[2], 2);
    this.conv5_x = stage(c3 * e, c4, blocks[3], 2);
    this.fc = new Linear(c4 * e, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const stages = [this.conv1, this.conv2_x, this.conv3_x, this.conv4_x, this.conv5_x];
    return this.fc.apply(flatten(chain(x, pass, ...stages, this.avg_pool)), pass);
  }
}

function entry(layers: number, kind: BlockKind, blocks: readonly number[]): ClassifierEntry {
  return {
    name: `resnet${layers}`,
    summary: `ResNet-${layers}, 2015`,
    featureLayer: "conv5_x",
    widths: "any",
    create: (options) => new ResNet(options, kind, blocks),
  };
}

export const resnet18 = entry(18, BASIC, [2, 2, 2, 2]);
export const resnet34 = entry(34, BASIC, [3, 4, 6, 3]);
export const resnet50 = entry(50, BOTTLENECK, [3, 4, 6, 3]);
export const resnet101 = entry(101, BOTTLENECK, [3, 4, 23, 3]);
