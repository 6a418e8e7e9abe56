/**
 * ShuffleNetV2 (Ma, Zhang, Zheng, Sun 2018) for 32 x 32 images. A unit works on one half of the
 * channels and passes the other on; then the halves are shuffled into each other. The first unit
 * of a stage sees all channels in both halves, and halves the image.
 *
 *     units              x0.5   x1     x1.5   x2
 *     32 x 32   pre   -  24     24     24     24
 *     16 x 16 stage2  4  48     116    176    244
 *      8 x 8  stage3  8  96     232    352    488
 *      4 x 4  stage4  4  192    464    704    976
 *      4 x 4  conv5   -  1024   1024   1024   2048
 *      1 x 1  average, linear
 */

import { Linear } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { concat, reshape, slice } from "../engine/tensor/movement.ts";
import { globalAvgPool } from "../engine/tensor/pool.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNorm, convNormRelu, repeat } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

/** Channels of stage2, stage3, stage4 and conv5 by width. */
const CHANNELS: Readonly<Record<number, readonly number[]>> = {
  0.5: [48, 96, 192, 1024],
  1: [116, 232, 464, 1024],
  1.5: [176, 352, 704, 1024],
  2: [244, 488, 976, 2048],
};

const pointwise = (inChannels: number, outChannels: number) =>
  convNormRelu(inChannels, outChannels, 1, { bias: true });

const depthwise = (channels: number, stride: number) =>
  convNorm(channels, channels, 3, { stride, groups: channels, bias: true });

/** a[0], b[0], a[1], b[1], ... along the channels: the shuffle of two groups. */
function interleave(a: Tensor, b: Tensor): Tensor {
  const pairs = concat([a, b].map((half) => reshape(half, [...half.shape, 1])), a.rank);
  return reshape(pairs, [...a.shape.slice(0, -1), -1]);
}

class ShuffleUnit extends Module {
  readonly residual: Sequential;
  readonly shortcut: Sequential;
  private readonly halves: boolean;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.halves = stride === 1 && inChannels === outChannels;
    const [from, to] = [this.halves ? inChannels / 2 : inChannels, outChannels / 2];
    this.residual = new Sequential(
      ...pointwise(from, from),
      ...depthwise(from, stride),
      ...pointwise(from, to),
    );
    this.shortcut = new Sequential(
      ...(this.halves ? [] : [...depthwise(from, stride), ...pointwise(from, to)]),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const half = x.shape[3] / 2;
    const [passed, worked] = this.halves ? [slice(x, 3, 0, half), slice(x, 3, half)] : [x, x];
    return interleave(this.shortcut.apply(passed, pass), this.residual.apply(worked, pass));
  }
}

function stage(inChannels: number, outChannels: number, units: number): Sequential {
  return repeat(
    units,
    (i) =>
      i === 0
        ? new ShuffleUnit(inChannels, outChannels, 2)
        : new ShuffleUnit(outChannels, outChannels, 1),
  );
}

class ShuffleNetV2 extends Module {
  readonly pre: Sequential;
  readonly stage2: Sequential;
  readonly stage3: Sequential;
  readonly stage4: Sequential;
  readonly conv5: Sequential;
  readonly fc: Linear;

  constructor({ inChannels, numClasses, width = 1 }: ClassifierOptions) {
    super();
    const [c2, c3, c4, c5] = CHANNELS[width];
    this.pre = new Sequential(...convNorm(inChannels, 24, 3, { bias: true }));
    this.stage2 = stage(24, c2, 4);
    this.stage3 = stage(c2, c3, 8);
    this.stage4 = stage(c3, c4, 4);
    this.conv5 = new Sequential(...pointwise(c4, c5));
    this.fc = new Linear(c5, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const stages = [this.pre, this.stage2, this.stage3, this.stage4, this.conv5];
    return this.fc.apply(globalAvgPool(chain(x, pass, ...stages)), pass);
  }
}

export const shufflenetv2: ClassifierEntry = {
  name: "shufflenetv2",
  summary: "ShuffleNetV2, 2018",
  featureLayer: "conv5",
  widths: [0.5, 1.5, 2],
  create: (options) => new ShuffleNetV2(options),
};
