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
import { flattenImages } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, reducedSize } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number, stride = 1) => [
  new Conv2d(inChannels, outChannels, 3, { stride, padding: 1 }),
  new ReLU(),
];

class AlexNet extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor({ inChannels, numClasses, imageSize }: ClassifierOptions) {
    super();
    const rows = reducedSize("alexnet", imageSize, 16);
    this.features = new Sequential(
      ...conv(inChannels, 64, 2),
      new MaxPool2d(2),
      ...conv(64, 192),
      new MaxPool2d(2),
      ...conv(192, 384),
      ...conv(384, 256),
      ...conv(256, 256),
      new MaxPool2d(2),
    );
    this.classifier = new Sequential(
      new Dropout(0.5),
      new Linear(256 * rows * rows, 4096),
      new ReLU(),
      new Dropout(0.5),
      new Linear(4096, 4096),
      new ReLU(),
      new Linear(4096, numClasses),
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
  create: (options) => new AlexNet(options),
};
