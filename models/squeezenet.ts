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
import { chain, convNormRelu, roundChannels } from "./blocks.ts";
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
  readonly fire2: Fire;
  readonly fire3: Fire;
  readonly fire4: Fire;
  readonly fire5: Fire;
  readonly fire6: Fire;
  readonly fire7: Fire;
  readonly fire8: Fire;
  readonly fire9: Fire;
  readonly conv10: Conv2d;
  readonly avg = new AdaptiveAvgPool2d(1);
  readonly maxpool = new MaxPool2d(2);

  constructor({ inChannels, numClasses, imageSize, width = 1 }: ClassifierOptions) {
    super();
    requireSize("squeezenet", imageSize, 8);
    const stem = roundChannels(96, width);
    // Half of a fire module's channels are 1 x 1, half 3 x 3.
    const [c1, c2, c3, c4] = [128, 256, 384, 512]
      .map((channels) => roundChannels(channels, width, 16));
    this.stem = new Sequential(
      ...convNormRelu(inChannels, stem, 3, { bias: true }),
      new MaxPool2d(2),
    );
    const fire = (inChannels: number, outChannels: number, squeezed: number) =>
      new Fire(inChannels, outChannels, roundChannels(squeezed, width));
    this.fire2 = fire(stem, c1, 16);
    this.fire3 = fire(c1, c1, 16);
    this.fire4 = fire(c1, c2, 32);
    this.fire5 = fire(c2, c2, 32);
    this.fire6 = fire(c2, c3, 48);
    this.fire7 = fire(c3, c3, 48);
    this.fire8 = fire(c3, c4, 64);
    this.fire9 = fire(c4, c4, 64);
    this.conv10 = new Conv2d(c4, numClasses, 1);
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
  widths: "any",
  create: (options) => new SqueezeNet(options),
};
