/**
 * SimpleNet v1 (Hasanpour, Rouhani, Fayyaz, Sabokrou 2016): thirteen plain convolutions, halved by
 * max pooling, whole channels dropped after each pool, a global max pool and a linear head.
 *
 *     32 x 32   64, 128, 128, 128
 *     16 x 16   128, 128, 256
 *      8 x 8    256, 256
 *      4 x 4    512
 *      2 x 2    2048, 256              1 x 1 convolutions
 *      1 x 1    256, K
 */

import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Dropout2d,
  Linear,
  MaxPool2d,
  ReLU,
} from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { maxPool2d } from "../engine/tensor/pool.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { roundChannels } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, requireSize } from "./classifier.ts";

/** Output channels and kernel size of the convolutions between two max pools. */
const STAGES = [
  { channels: [64, 128, 128, 128], kernel: 3 },
  { channels: [128, 128, 256], kernel: 3 },
  { channels: [256, 256], kernel: 3 },
  { channels: [512], kernel: 3 },
  { channels: [2048, 256], kernel: 1 },
  { channels: [256], kernel: 3 },
];

class SimpleNet extends Module {
  readonly features: Sequential;
  readonly classifier: Linear;
  readonly drp = new Dropout(0.1);

  constructor({ inChannels, numClasses, imageSize, width = 1 }: ClassifierOptions) {
    super();
    requireSize("simplenetv1", imageSize, 2 ** (STAGES.length - 1));
    const layers: Module[] = [];
    let last = inChannels;
    for (const { channels, kernel } of STAGES) {
      if (layers.length > 0) layers.push(new MaxPool2d(2), new Dropout2d(0.1));
      for (const next of channels.map((count) => roundChannels(count, width))) {
        layers.push(
          new Conv2d(last, next, kernel, { padding: kernel >> 1 }),
          new BatchNorm2d(next, 1e-5, 0.05),
          new ReLU(),
        );
        last = next;
      }
    }
    this.features = new Sequential(...layers);
    this.classifier = new Linear(last, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const features = this.features.apply(x, pass);
    const [, height, width] = features.shape;
    const largest = this.drp.apply(maxPool2d(features, [height, width]), pass);
    return this.classifier.apply(flatten(largest), pass);
  }
}

export const simplenetv1: ClassifierEntry = {
  name: "simplenetv1",
  summary: "SimpleNet v1, thirteen plain convolutions, 2016",
  featureLayer: "features",
  widths: "any",
  create: (options) => new SimpleNet(options),
};
