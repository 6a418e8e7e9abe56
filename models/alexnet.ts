/**
 * AlexNet (Krizhevsky, Sutskever, Hinton 2012) for 32 x 32 images, as the Model Doctor authors
 * train it: five 3 x 3 convolutions, three max pools, three linear layers with dropout.
 *
 *     16 x 16   64                with stride 2, then max pool
 *      8 x 8    192               then max pool
 *      4 x 4    384, 256, 256     then max pool
 *      2 x 2    4096, 4096, K
 */

import { Conv2d, Dropout, Linear, MaxPool2d, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { flattenImages, roundChannels } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, reducedSize } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number, stride = 1) => [
  new Conv2d(inChannels, outChannels, 3, { stride, padding: 1 }),
  new ReLU(),
];

class AlexNet extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor({ inChannels, numClasses, imageSize, width = 1 }: ClassifierOptions) {
    super();
    const [c1, c2, c3, c4, hidden] = [64, 192, 384, 256, 4096]
      .map((channels) => roundChannels(channels, width));
    const rows = reducedSize("alexnet", imageSize, 16);
    this.features = new Sequential(
      ...conv(inChannels, c1, 2),
      new MaxPool2d(2),
      ...conv(c1, c2),
      new MaxPool2d(2),
      ...conv(c2, c3),
      ...conv(c3, c4),
      ...conv(c4, c4),
      new MaxPool2d(2),
    );
    this.classifier = new Sequential(
      new Dropout(0.5),
      new Linear(c4 * rows * rows, hidden),
      new ReLU(),
      new Dropout(0.5),
      new Linear(hidden, hidden),
      new ReLU(),
      new Linear(hidden, numClasses),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const features = flattenImages(this.features.apply(x, pass));
    return this.classifier.apply(features, pass);
  }
}

export const alexnet: ClassifierEntry = {
  name: "alexnet",
  summary: "AlexNet, 2012",
  featureLayer: "features",
  widths: "any",
  create: (options) => new AlexNet(options),
};
