/**
 * VGG-16 with batch normalisation (Simonyan and Zisserman 2014) for 32 x 32 images: stacks of
 * 3 x 3 convolutions, halved by max pooling, and three linear layers with dropout.
 */

import {
  BatchNorm2d,
  Conv2d,
  Dropout,
  Flatten,
  Linear,
  MaxPool2d,
  ReLU,
} from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { type ClassifierEntry, type ClassifierOptions, reducedSize } from "./classifier.ts";

/** Output channels of the convolutions between two max pools. */
const STAGES = [[64, 64], [128, 128], [256, 256, 256], [512, 512, 512], [512, 512, 512]];

class Vgg extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor({ inChannels, numClasses, imageSize }: ClassifierOptions) {
    super();
    const rows = reducedSize("vgg16", imageSize, 2 ** STAGES.length);
    const layers: Module[] = [];
    let channels = inChannels;
    for (const stage of STAGES) {
      for (const width of stage) {
        layers.push(new Conv2d(channels, width, 3, { padding: 1 }));
        layers.push(new BatchNorm2d(width), new ReLU());
        channels = width;
      }
      layers.push(new MaxPool2d(2));
    }
    this.features = new Sequential(...layers);
    this.classifier = new Sequential(
      new Linear(channels * rows * rows, 4096),
      new ReLU(),
      new Dropout(0.5),
      new Linear(4096, 4096),
      new ReLU(),
      new Dropout(0.5),
      new Linear(4096, numClasses),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const features = new Flatten().apply(this.features.apply(x, pass), pass);
    return this.classifier.apply(features, pass);
  }
}

export const vgg16: ClassifierEntry = {
  name: "vgg16",
  summary: "VGG-16 with batch normalisation, 2014",
  featureLayer: "features",
  create: (options) => new Vgg(options),
};
