/**
 * SqueezeNet with simple bypass and batch normalisation (Iandola, Han, Moskewicz, Ashraf, Dally,
 * Keutzer 2016) for 32 x 32 images. A fire module squeezes its input by 1 x 1 convolutions and
 * expands it by 1 x 1 and 3 x 3 ones side by side. The classifier is a convolution.
 *
 *     32 x 32   96          stem, max pool
 *     16 x 16   128 to 256  fire2, fire3 + its input, fire4, max pool
 *      8 x 8    256 to 512  fire5 + its input, fire6, fire7 + its input, fire8, max pool
 *      4 x 4    512         fire9
 *      4 x 4    K           conv10, average
 */

import { AdaptiveAvgPool2d, Conv2d, MaxPool2d } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { concat, flatten } from "../engine/tensor/movement.ts";
import { add } from "../engine/tensor/pointwise.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNormRelu } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, requireSize } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number, kernelSize: number) =>
  new Sequential(...convNormRelu(inChannels, outChannels, kernelSize, { bias: true }));

class Fire extends Module {
  readonly squeeze: Sequential;
  readonly expand_1x1: Sequential;
  readonly expand_3x3: Sequential;

  constructor(inChannels: number, outChannels: number, squeezed: number) {
    super();
    this.squeeze = conv(inChannels, squeezed, 1);
    this.expand_1x1 = conv(squeezed, outChannels / 2, 1);
    this.expand_3x3 = conv(squeezed, outChannels / 2, 3);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const squeezed = this.squeeze.apply(x, pass);
    const sides = [this.expand_1x1, this.expand_3x3];
    return concat(sides.map((side) => side.apply(squeezed, pass)), 3);
  }
}

class SqueezeNet extends Module {
  readonly stem: Sequential;
  readonly fire2 = new Fire(96, 128, 16);
  readonly fire3 = new Fire(128, 128, 16);
  readonly fire4 = new Fire(128, 256, 32);
  readonly fire5 = new Fire(256, 256, 32);
  readonly fire6 = new Fire(256, 384, 48);
  readonly fire7 = new Fire(384, 384, 48);
  readonly fire8 = new Fire(384, 512, 64);
  readonly fire9 = new Fire(512, 512, 64);
  readonly conv10: Conv2d;
  readonly avg = new AdaptiveAvgPool2d(1);
  readonly maxpool = new MaxPool2d(2);

  constructor({ inChannels, numClasses, imageSize }: ClassifierOptions) {
    super();
    requireSize("squeezenet", imageSize, 8);
    this.stem = new Sequential(
      ...convNormRelu(inChannels, 96, 3, { bias: true }),
      new MaxPool2d(2),
    );
    this.conv10 = new Conv2d(512, numClasses, 1);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const bypass = (value: Tensor, fire: Fire) => add(fire.apply(value, pass), value);
    const fire2 = chain(x, pass, this.stem, this.fire2);
    const pool4 = chain(bypass(fire2, this.fire3), pass, this.fire4, this.maxpool);
    const fire6 = this.fire6.apply(bypass(pool4, this.fire5), pass);
    const pool8 = chain(bypass(fire6, this.fire7), pass, this.fire8, this.maxpool);
    return flatten(chain(pool8, pass, this.fire9, this.conv10, this.avg));
  }
}

export const squeezenet: ClassifierEntry = {
  name: "squeezenet",
  summary: "SqueezeNet with bypass, 2016",
  featureLayer: "fire9",
  create: (options) => new SqueezeNet(options),
};
