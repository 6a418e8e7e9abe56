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
import { convNormRelu, flattenImages, roundChannels } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, reducedSize } from "./classifier.ts";

/** Channels of the stages. */
const CHANNELS = [64, 128, 256, 512, 512];

/** Convolutions in each stage of VGG-16. */
export const VGG16 = [2, 2, 3, 3, 3];

/** The stages: convolutions with batch normalisation, a max pool after each stage. */
export function vggFeatures(inChannels: number, convolutions: readonly number[], width = 1) {
  const layers: Module[] = [];
  let from = inChannels;
  for (const [stage, channels] of CHANNELS.entries()) {
    const to = roundChannels(channels, width);
    for (let i = 0; i < convolutions[stage]; i++) {
      layers.push(...convNormRelu(from, to, 3, { bias: true }));
      from = to;
    }
    layers.push(new MaxPool2d(2));
  }
  return new Sequential(...layers);
}

class Vgg extends Module {
  readonly features: Sequential;
  readonly classifier: Sequential;

  constructor(
    name: string,
    { inChannels, numClasses, imageSize, width = 1 }: ClassifierOptions,
    convolutions: readonly number[],
  ) {
    super();
    const rows = reducedSize(name, imageSize, 2 ** CHANNELS.length);
    const [channels, hidden] = [512, 4096].map((count) => roundChannels(count, width));
    this.features = vggFeatures(inChannels, convolutions, width);
    this.classifier = new Sequential(
      new Linear(channels * rows * rows, hidden),
      new ReLU(),
      new Dropout(0.5),
      new Linear(hidden, hidden),
      new ReLU(),
      new Dropout(0.5),
      new Linear(hidden, numClasses),
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
    widths: "any",
    create: (options) => new Vgg(name, options, convolutions),
  };
}

export const vgg11 = entry(11, [1, 1, 2, 2, 2]);
export const vgg13 = entry(13, [2, 2, 2, 2, 2]);
export const vgg16 = entry(16, VGG16);
export const vgg19 = entry(19, [2, 2, 4, 4, 4]);
