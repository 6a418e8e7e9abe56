/**
 * The default network, our own: three 3 x 3 convolutions with batch normalisation and a linear
 * head on the last map. Small enough to train on a CPU in minutes, deep enough that the constraint
 * at its earlier layers runs through convolutions. The head sees where things are, so it learns in
 * fewer epochs than one behind a global average, and a space-wise constraint has a hold on it.
 *
 *     32 x 32   3 -> 32    conv, norm, ReLU, max pool
 *     16 x 16   32 -> 64   conv, norm, ReLU, max pool
 *      8 x 8    64 -> 128  conv, norm, ReLU, max pool
 *      4 x 4    2048 -> K  linear
 */

import { Linear, MaxPool2d } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { convNormRelu, roundChannels } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, reducedSize } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number) => convNormRelu(inChannels, outChannels, 3);

class Small extends Module {
  readonly features: Sequential;
  readonly fc: Linear;

  constructor({ inChannels, numClasses, imageSize, width = 1 }: ClassifierOptions) {
    super();
    const [c1, c2, c3] = [32, 64, 128].map((channels) => roundChannels(channels, width));
    const rows = reducedSize("small", imageSize, 8);
    this.features = new Sequential(
      ...conv(inChannels, c1),
      new MaxPool2d(2),
      ...conv(c1, c2),
      new MaxPool2d(2),
      ...conv(c2, c3),
      new MaxPool2d(2),
    );
    this.fc = new Linear(c3 * rows * rows, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.fc.apply(this.features.apply(x, pass), pass);
  }
}

export const small: ClassifierEntry = {
  name: "small",
  summary: "three convolutions, for CPUs and first runs",
  featureLayer: "features",
  widths: "any",
  create: (options) => new Small(options),
};
