/**
 * LeNet (LeCun, Bottou, Bengio, Haffner 1998) as Caffe and PyTorch's example have it: two 5 x 5
 * convolutions without padding, max pools, ReLU. Two sizes, by the units of its hidden layer: 500 is
 * theirs, and CDEP's on coloured digits; 256 is CDEP's on decoys (Rieger and others 2020). Names are
 * those of their state dicts.
 *
 *     28 x 28   C -> 20     conv1, ReLU
 *     12 x 12               max pool
 *      8 x 8    20 -> 50    conv2, ReLU
 *      4 x 4                max pool, the layer `features`
 *      1 x 1    800 -> 500  fc1, ReLU
 *               500 -> K    fc2
 */

import { Conv2d, Linear, MaxPool2d, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass } from "../engine/nn/module.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, requireSize } from "./classifier.ts";

/** What a 5 x 5 convolution without padding and a pool leave of an extent. */
const stage = (extent: number) => Math.floor((extent - 4) / 2);

class LeNet extends Module {
  readonly conv1: Conv2d;
  readonly relu1 = new ReLU();
  readonly pool1 = new MaxPool2d(2);
  readonly conv2: Conv2d;
  readonly relu2 = new ReLU();
  readonly features = new MaxPool2d(2);
  readonly fc1: Linear;
  readonly relu3 = new ReLU();
  readonly fc2: Linear;

  constructor({ inChannels, numClasses, imageSize }: ClassifierOptions, units: number) {
    super();
    requireSize(`lenet${units}`, imageSize, 16);
    const rows = stage(stage(imageSize));
    this.conv1 = new Conv2d(inChannels, 20, 5);
    this.conv2 = new Conv2d(20, 50, 5);
    this.fc1 = new Linear(50 * rows * rows, units);
    this.fc2 = new Linear(units, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const { conv1, relu1, pool1, conv2, relu2, features, fc1, relu3, fc2 } = this;
    return chain(x, pass, conv1, relu1, pool1, conv2, relu2, features, fc1, relu3, fc2);
  }
}

const lenet = (units: number, of: string): ClassifierEntry => ({
  name: `lenet${units}`,
  summary: `LeNet, 1998, with ${units} hidden units: CDEP's on ${of}`,
  featureLayer: "features",
  create: (options) => new LeNet(options, units),
});

export const lenet500 = lenet(500, "coloured digits");
export const lenet256 = lenet(256, "decoys");
