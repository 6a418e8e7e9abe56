/**
 * VGG with batch normalisation (Simonyan, Zisserman 2014) for 32 x 32 images: stacks of 3 x 3
 * convolutions, halved by max pooling, and three linear layers with dropout.
 *
 *                     11   13   16   19
 *     32 x 32   64     1    2    2    2
 *     16 x 16   128    1    2    2    2
 *      8 x 8    256    2    2    3    4
 *      4 x 4    512    2    2    3    4
 *      2 x 2    512    2    2    3    4
 *      1 x 1    4096, 4096, K
 */

import { Dropout, Linear, MaxPool2d, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { convNormRelu, flattenImages } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, reducedSize } from "./classifier.ts";

const WIDTHS = [64, 128, 256, 512, 512];

class Vgg extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor(
    name: string,
    { inChannels, numClasses, imageSize }: ClassifierOptions,
    convolutions: readonly number[],
  ) {
    super();
    const rows = reducedSize(name, imageSize, 2 ** WIDTHS.length);
    const layers: Module[] = [];
    let channels = inChannels;
    for (const [stage, width] of WIDTHS.entries()) {
      for (let i = 0; i < convolutions[stage]; i++) {
        layers.push(...convNormRelu(channels, width, 3, { bias: true }));
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
    const features = flattenImages(this.features.apply(x, pass));
    return this.classifier.apply(features, pass);
  }
}

function entry(layers: number, convolutions: readonly number[]): ClassifierEntry {
  const name = `vgg${layers}`;
  return {
    name,
    summary: `VGG-${layers} with batch normalisation, 2014`,
    featureLayer: "features",
    create: (options) => new Vgg(name, options, convolutions),
  };
}

export const vgg11 = entry(11, [1, 1, 2, 2, 2]);
export const vgg13 = entry(13, [2, 2, 2, 2, 2]);
export const vgg16 = entry(16, [2, 2, 3, 3, 3]);
export const vgg19 = entry(19, [2, 2, 4, 4, 4]);
