/**
 * torchvision's VGG-16 with batch normalisation (Simonyan, Zisserman 2014), for ImageNet. The
 * convolutions are those of ../vgg.ts; the head sees 7 x 7 averages of whatever they leave.
 *
 *     224 x 224   64     2 convolutions, then max pool, as after every stage
 *     112 x 112   128    2
 *      56 x 56    256    3
 *      28 x 28    512    3
 *      14 x 14    512    3
 *       7 x 7     4096, 4096, K
 */

import { AdaptiveAvgPool2d, Dropout, Linear, ReLU } from "../../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../../engine/nn/module.ts";
import type { Tensor } from "../../engine/tensor/tensor.ts";
import { chain, flattenImages } from "../blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, requireSize } from "../classifier.ts";
import { VGG16, vggFeatures } from "../vgg.ts";

class Vgg extends Module {
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(7);
  readonly classifier: Sequential;

  constructor({ inChannels, numClasses, imageSize }: ClassifierOptions) {
    super();
    requireSize(torchvisionVgg16Bn.name, imageSize, 32);
    this.features = vggFeatures(inChannels, VGG16);
    this.classifier = new Sequential(
      new Linear(512 * 7 * 7, 4096),
      new ReLU(),
      new Dropout(0.5),
      new Linear(4096, 4096),
      new ReLU(),
      new Dropout(0.5),
      new Linear(4096, numClasses),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const features = chain(x, pass, this.features, this.avgpool);
    return this.classifier.apply(flattenImages(features), pass);
  }
}

export const torchvisionVgg16Bn: ClassifierEntry = {
  name: "torchvision_vgg16_bn",
  summary: "torchvision's VGG-16 with batch normalisation for ImageNet, 2014",
  featureLayer: "features",
  imageSize: 224,
  create: (options) => new Vgg(options),
};
