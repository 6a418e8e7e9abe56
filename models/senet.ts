/**
 * SENet (Hu, Shen, Albanie, Sun, Wu 2017) for 32 x 32 images: ResNet's basic blocks, the channels
 * of each weighed by a gate that sees their averages over space (squeeze and excitation).
 *
 *                               18   34
 *     32 x 32   64     pre       1    1
 *     32 x 32   64     stage1    2    3
 *     16 x 16   128    stage2    2    4
 *      8 x 8    256    stage3    2    6
 *      4 x 4    512    stage4    2    3
 *      1 x 1    K      average, linear
 */

import { AdaptiveAvgPool2d, Linear, ReLU, Sigmoid } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten, reshape } from "../engine/tensor/movement.ts";
import { add, mul, relu } from "../engine/tensor/pointwise.ts";
import { globalAvgPool } from "../engine/tensor/pool.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNormRelu, repeat, roundChannels, shortcut } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

/** By how much the gate's hidden layer is narrower than the block. */
const REDUCTION = 16;

class SqueezeExcitationBlock extends Module {
  readonly residual: Sequential;
  readonly shortcut: Sequential;
  readonly squeeze = new AdaptiveAvgPool2d(1);
  readonly excitation: Sequential;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.residual = new Sequential(
      ...convNormRelu(inChannels, outChannels, 3, { stride, bias: true }),
      ...convNormRelu(outChannels, outChannels, 3, { bias: true }),
    );
    this.shortcut = shortcut(inChannels, outChannels, stride, true);
    this.excitation = new Sequential(
      new Linear(outChannels, outChannels / REDUCTION),
      new ReLU(),
      new Linear(outChannels / REDUCTION, outChannels),
      new Sigmoid(),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const shortcut = this.shortcut.apply(x, pass);
    const residual = this.residual.apply(x, pass);
    const squeezed = this.squeeze.apply(residual, pass);
    const gate = reshape(this.excitation.apply(flatten(squeezed), pass), squeezed.shape);
    return relu(add(mul(residual, gate), shortcut));
  }
}

function stage(inChannels: number, outChannels: number, blocks: number, stride: number) {
  return repeat(
    blocks,
    (i) =>
      i === 0
        ? new SqueezeExcitationBlock(inChannels, outChannels, stride)
        : new SqueezeExcitationBlock(outChannels, outChannels, 1),
  );
}

class SeNet extends Module {
  readonly pre: Sequential;
  readonly stage1: Sequential;
  readonly stage2: Sequential;
  readonly stage3: Sequential;
  readonly stage4: Sequential;
  readonly linear: Linear;

  constructor(
    { inChannels, numClasses, width = 1 }: ClassifierOptions,
    blocks: readonly number[],
  ) {
    super();
    const scaled = (channels: number) => roundChannels(channels, width, REDUCTION);
    const [c1, c2, c3, c4] = [64, 128, 256, 512].map(scaled);
    this.pre = new Sequential(...convNormRelu(inChannels, c1, 3, { bias: true }));
    this.stage1 = stage(c1, c1, blocks[0], 1);
    this.stage2 = stage(c1, c2, blocks[1], 2);
    this.stage3 = stage(c2, c3, blocks[2], 2);
    this.stage4 = stage(c3, c4, blocks[3], 2);
    this.linear = new Linear(c4, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const stages = [this.pre, this.stage1, this.stage2, this.stage3, this.stage4];
    return this.linear.apply(globalAvgPool(chain(x, pass, ...stages)), pass);
  }
}

function entry(layers: number, blocks: readonly number[]): ClassifierEntry {
  return {
    name: `senet${layers}`,
    summary: `SENet-${layers}, ResNet with squeeze and excitation, 2017`,
    featureLayer: "stage4",
    widths: "any",
    create: (options) => new SeNet(options, blocks),
  };
}

export const senet18 = entry(18, [2, 2, 2, 2]);
export const senet34 = entry(34, [3, 4, 6, 3]);
