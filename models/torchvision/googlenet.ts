/**
 * torchvision's GoogLeNet (Szegedy et al. 2014) with batch normalisation, for ImageNet. An inception
 * block looks at its input through four branches and joins their channels:
 *
 *     branch1   1 x 1
 *     branch2   1 x 1, 3 x 3
 *     branch3   1 x 1, 3 x 3             3 x 3 where the paper has 5 x 5
 *     branch4   3 x 3 max pool, 1 x 1
 *
 *     112 x 112   64            conv1, a 7 x 7 stem, then max pool
 *      56 x 56    64, 192       conv2, conv3, then max pool
 *      28 x 28    256, 480      inception3a, 3b
 *      14 x 14    512 to 832    inception4a to 4e
 *       7 x 7     832, 1024     inception5a, 5b
 *       1 x 1     K             average, dropout, fc
 *
 * The auxiliary classifiers (aux1, aux2), which the paper trains beside and throws away, are not
 * built; what a file has of them is left out. torchvision's own weights were trained on images
 * normalised by mean 0.5 and deviation 0.5.
 */

import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  type Conv2dOptions,
  Dropout,
  Linear,
  MaxPool2d,
} from "../../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../../engine/nn/module.ts";
import { flatten } from "../../engine/tensor/movement.ts";
import { relu } from "../../engine/tensor/pointwise.ts";
import type { Tensor } from "../../engine/tensor/tensor.ts";
import { Branches, chain } from "../blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "../classifier.ts";
import { INCEPTIONS, type InceptionWidths } from "../googlenet.ts";

class BasicConv2d extends Module {
  readonly conv: Conv2d;
  readonly bn: BatchNorm2d;

  constructor(inChannels: number, outChannels: number, kernel: number, options?: Conv2dOptions) {
    super();
    const same = { padding: kernel >> 1, bias: false };
    this.conv = new Conv2d(inChannels, outChannels, kernel, { ...same, ...options });
    this.bn = new BatchNorm2d(outChannels, 1e-3);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return relu(chain(x, pass, this.conv, this.bn));
  }
}

function inception([inChannels, c1, c2, c3, c4]: InceptionWidths): Branches {
  const conv = (...args: ConstructorParameters<typeof BasicConv2d>) => new BasicConv2d(...args);
  return new Branches({
    branch1: conv(inChannels, c1, 1),
    branch2: new Sequential(conv(inChannels, c2[0], 1), conv(c2[0], c2[1], 3)),
    branch3: new Sequential(conv(inChannels, c3[0], 1), conv(c3[0], c3[1], 3)),
    branch4: new Sequential(
      new MaxPool2d(3, { stride: 1, padding: 1 }),
      conv(inChannels, c4, 1),
    ),
  });
}

const halving = (kernelSize: number) => new MaxPool2d(kernelSize, { stride: 2, ceilMode: true });

class GoogLeNet extends Module {
  readonly conv1: BasicConv2d;
  readonly maxpool1 = halving(3);
  readonly conv2 = new BasicConv2d(64, 64, 1);
  readonly conv3 = new BasicConv2d(64, 192, 3);
  readonly maxpool2 = halving(3);
  readonly inception3a = inception(INCEPTIONS.a3);
  readonly inception3b = inception(INCEPTIONS.b3);
  readonly maxpool3 = halving(3);
  readonly inception4a = inception(INCEPTIONS.a4);
  readonly inception4b = inception(INCEPTIONS.b4);
  readonly inception4c = inception(INCEPTIONS.c4);
  readonly inception4d = inception(INCEPTIONS.d4);
  readonly inception4e = inception(INCEPTIONS.e4);
  readonly maxpool4 = halving(2);
  readonly inception5a = inception(INCEPTIONS.a5);
  readonly inception5b = inception(INCEPTIONS.b5);
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly dropout = new Dropout(0.2);
  readonly fc: Linear;

  constructor({ inChannels, numClasses }: ClassifierOptions) {
    super();
    this.conv1 = new BasicConv2d(inChannels, 64, 7, { stride: 2 });
    this.fc = new Linear(1024, numClasses);
  }

  override stateKey(key: string): string | undefined {
    return /^aux[12]\./.test(key) ? undefined : key;
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    // Every module before the head, in the order in which it is declared.
    const modules = this.children().map(([, module]) => module).slice(0, -1);
    return this.fc.apply(flatten(chain(x, pass, ...modules)), pass);
  }
}

export const torchvisionGooglenet: ClassifierEntry = {
  name: "torchvision_googlenet",
  summary: "torchvision's GoogLeNet for ImageNet, 2014",
  featureLayer: "inception5b",
  imageSize: 224,
  create: (options) => new GoogLeNet(options),
};
