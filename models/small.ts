/**
 * The default network, our own: three 3 x 3 convolutions with batch normalisation, a global
 * average pool and a linear head. Small enough to train on a CPU in minutes, deep enough that the
 * constraint at its earlier layers runs through convolutions.
 *
 *     32 x 32   3 -> 32    conv, norm, ReLU, max pool
 *     16 x 16   32 -> 64   conv, norm, ReLU, max pool
 *      8 x 8    64 -> 128  conv, norm, ReLU
 *      1 x 1    128 -> K   average, linear
 */

import { BatchNorm2d, Conv2d, Linear, MaxPool2d, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { globalAvgPool } from "../engine/tensor/pool.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number) => [
  new Conv2d(inChannels, outChannels, 3, { padding: 1, bias: false }),
  new BatchNorm2d(outChannels),
  new ReLU(),
];

class Small extends Module {
  readonly features: Sequential;
  readonly fc: Linear;

  constructor({ inChannels, numClasses }: ClassifierOptions) {
    super();
    this.features = new Sequential(
      ...conv(inChannels, 32),
      new MaxPool2d(2),
      ...conv(32, 64),
      new MaxPool2d(2),
      ...conv(64, 128),
    );
    this.fc = new Linear(128, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.fc.apply(globalAvgPool(this.features.apply(x, pass)), pass);
  }
}

export const small: ClassifierEntry = {
  name: "small",
  summary: "three convolutions, for CPUs and first runs",
  featureLayer: "features",
  create: (options) => new Small(options),
};
