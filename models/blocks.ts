/** What many of the classifiers are built of. */

import { BatchNorm2d, Conv2d, type Conv2dOptions, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { pair } from "../engine/tensor/conv.ts";
import { concat, flatten, permute } from "../engine/tensor/movement.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";

/**
 * A convolution that keeps the image's size (divided by the stride), then batch normalisation.
 * The convolution has no bias of its own unless it is asked for: the normalisation has one.
 */
export function convNorm(
  inChannels: number,
  outChannels: number,
  kernelSize: number | readonly [number, number],
  options: Conv2dOptions = {},
): Module[] {
  const [height, width] = pair(kernelSize);
  const same = { padding: [height >> 1, width >> 1] as const, bias: false };
  return [
    new Conv2d(inChannels, outChannels, kernelSize, { ...same, ...options }),
    new BatchNorm2d(outChannels),
  ];
}

/** The same with ReLU behind it. */
export function convNormRelu(...args: Parameters<typeof convNorm>): Module[] {
  return [...convNorm(...args), new ReLU()];
}

/** The identity of a residual block, projected by a 1 x 1 convolution where its shape changes. */
export function shortcut(
  inChannels: number,
  outChannels: number,
  stride: number,
  bias = false,
): Sequential {
  const changes = stride !== 1 || inChannels !== outChannels;
  return new Sequential(
    ...(changes ? convNorm(inChannels, outChannels, 1, { stride, bias }) : []),
  );
}

/** `count` blocks in a row, made from their index. */
export function repeat(count: number, make: (index: number) => Module): Sequential {
  return new Sequential(...Array.from({ length: count }, (_, i) => make(i)));
}

/** Modules one after the other, under names of their own. */
export function sequence(parts: Readonly<Record<string, Module>>): Sequential {
  return Object.assign(new Sequential(), parts);
}

/** Applies modules one after the other. */
export function chain(x: Tensor, pass: Pass, ...modules: readonly Module[]): Tensor {
  return modules.reduce((value, module) => module.apply(value, pass), x);
}

/** [N, H, W, C] to [N, CHW]: features in PyTorch's order, so that its linear weights fit. */
export function flattenImages(x: Tensor): Tensor {
  return flatten(permute(x, [0, 3, 1, 2]));
}

/** Branches that see the same image; their channels are joined in the order of the branches. */
export class Branches extends Module {
  constructor(branches: Readonly<Record<string, Module>>) {
    super();
    Object.assign(this, branches);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return concat(this.children().map(([, branch]) => branch.apply(x, pass)), 3);
  }
}

/** `channels` scaled and rounded to a multiple of `of`, never down by more than a tenth. */
export function roundChannels(channels: number, scale = 1, of = 8): number {
  const wanted = channels * scale;
  const rounded = Math.max(of, Math.floor(wanted / of + 0.5) * of);
  return rounded < 0.9 * wanted ? rounded + of : rounded;
}
