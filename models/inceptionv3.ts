/**
 * Inception-v3 (Szegedy, Vanhoucke, Ioffe, Shlens, Wojna 2015) for 32 x 32 images: a stem without
 * pooling, then blocks whose branches factor large convolutions into stacks of small ones.
 *
 *     32 x 32   32, 32, 64, 80      Conv2d_1a to Conv2d_3b
 *     30 x 30   192                 Conv2d_4a, not padded
 *     30 x 30   256, 288, 288       Mixed_5b to 5d   1 x 1; 5 x 5; two 3 x 3; pool
 *     14 x 14   768                 Mixed_6a         3 x 3 with stride 2; pool
 *     14 x 14   768                 Mixed_6b to 6e   1 x 1; 7 x 1 and 1 x 7, once and twice; pool
 *      6 x 6    1280                Mixed_7a         3 x 3 with stride 2; pool
 *      6 x 6    2048                Mixed_7b, 7c     1 x 3 beside 3 x 1
 *      1 x 1    K                   average, dropout, linear
 */

import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  type Conv2dOptions,
  Dropout2d,
  Linear,
  MaxPool2d,
} from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { concat, flatten } from "../engine/tensor/movement.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { Branches, chain, convNormRelu, sequence } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, requireSize } from "./classifier.ts";

type Kernel = 1 | 3 | 5 | readonly [number, number];

/** Convolution, normalisation, ReLU; padded to keep the image's size unless told otherwise. */
function conv(inChannels: number, outChannels: number, kernel: Kernel, options?: Conv2dOptions) {
  const [conv, bn, relu] = convNormRelu(inChannels, outChannels, kernel, options);
  return sequence({ conv, bn, relu });
}

const SMALLER = { stride: 2, padding: 0 } as const;

const averaged = () => new AvgPool2d(3, { stride: 1, padding: 1 });

function mixed5(inChannels: number, poolChannels: number): Branches {
  return new Branches({
    branch1x1: conv(inChannels, 64, 1),
    branch5x5: new Sequential(conv(inChannels, 48, 1), conv(48, 64, 5)),
    branch3x3: new Sequential(conv(inChannels, 64, 1), conv(64, 96, 3), conv(96, 96, 3)),
    branchpool: new Sequential(averaged(), conv(inChannels, poolChannels, 3)),
  });
}

function mixed6a(inChannels: number): Branches {
  return new Branches({
    branch3x3: conv(inChannels, 384, 3, SMALLER),
    branch3x3stack: new Sequential(
      conv(inChannels, 64, 1),
      conv(64, 96, 3),
      conv(96, 96, 3, SMALLER),
    ),
    branchpool: new MaxPool2d(3, { stride: 2 }),
  });
}

function mixed6(inChannels: number, c: number): Branches {
  return new Branches({
    branch1x1: conv(inChannels, 192, 1),
    branch7x7: new Sequential(conv(inChannels, c, 1), conv(c, c, [7, 1]), conv(c, 192, [1, 7])),
    branch7x7stack: new Sequential(
      conv(inChannels, c, 1),
      conv(c, c, [7, 1]),
      conv(c, c, [1, 7]),
      conv(c, c, [7, 1]),
      conv(c, 192, [1, 7]),
    ),
    branch_pool: new Sequential(averaged(), conv(inChannels, 192, 1)),
  });
}

function mixed7a(inChannels: number): Branches {
  return new Branches({
    branch3x3: new Sequential(conv(inChannels, 192, 1), conv(192, 320, 3, SMALLER)),
    branch7x7: new Sequential(
      conv(inChannels, 192, 1),
      conv(192, 192, [1, 7]),
      conv(192, 192, [7, 1]),
      conv(192, 192, 3, SMALLER),
    ),
    branchpool: new AvgPool2d(3, { stride: 2 }),
  });
}

class Mixed7 extends Module {
  readonly branch1x1: Sequential;
  readonly branch3x3_1: Sequential;
  readonly branch3x3_2a = conv(384, 384, [1, 3]);
  readonly branch3x3_2b = conv(384, 384, [3, 1]);
  readonly branch3x3stack_1: Sequential;
  readonly branch3x3stack_2 = conv(448, 384, 3);
  readonly branch3x3stack_3a = conv(384, 384, [1, 3]);
  readonly branch3x3stack_3b = conv(384, 384, [3, 1]);
  readonly branch_pool: Sequential;

  constructor(inChannels: number) {
    super();
    this.branch1x1 = conv(inChannels, 320, 1);
    this.branch3x3_1 = conv(inChannels, 384, 1);
    this.branch3x3stack_1 = conv(inChannels, 448, 1);
    this.branch_pool = new Sequential(averaged(), conv(inChannels, 192, 1));
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const single = this.branch1x1.apply(x, pass);
    const wide = this.branch3x3_1.apply(x, pass);
    const both = [this.branch3x3_2a, this.branch3x3_2b].map((side) => side.apply(wide, pass));
    const deep = chain(x, pass, this.branch3x3stack_1, this.branch3x3stack_2);
    const stacked = [this.branch3x3stack_3a, this.branch3x3stack_3b]
      .map((side) => side.apply(deep, pass));
    return concat([single, ...both, ...stacked, this.branch_pool.apply(x, pass)], 3);
  }
}

class InceptionV3 extends Module {
  readonly Conv2d_1a_3x3: Sequential;
  readonly Conv2d_2a_3x3 = conv(32, 32, 3);
  readonly Conv2d_2b_3x3 = conv(32, 64, 3);
  readonly Conv2d_3b_1x1 = conv(64, 80, 1);
  readonly Conv2d_4a_3x3 = conv(80, 192, 3, { padding: 0 });
  readonly Mixed_5b = mixed5(192, 32);
  readonly Mixed_5c = mixed5(256, 64);
  readonly Mixed_5d = mixed5(288, 64);
  readonly Mixed_6a = mixed6a(288);
  readonly Mixed_6b = mixed6(768, 128);
  readonly Mixed_6c = mixed6(768, 160);
  readonly Mixed_6d = mixed6(768, 160);
  readonly Mixed_6e = mixed6(768, 192);
  readonly Mixed_7a = mixed7a(768);
  readonly Mixed_7b = new Mixed7(1280);
  readonly Mixed_7c = new Mixed7(2048);
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly dropout = new Dropout2d(0.5);
  readonly linear: Linear;

  constructor({ inChannels, numClasses, imageSize }: ClassifierOptions) {
    super();
    requireSize("inceptionv3", imageSize, 9);
    this.Conv2d_1a_3x3 = conv(inChannels, 32, 3);
    this.linear = new Linear(2048, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    // Every module before the head, in the order in which it is declared.
    const modules = this.children().map(([, module]) => module).slice(0, -1);
    return this.linear.apply(flatten(chain(x, pass, ...modules)), pass);
  }
}

export const inceptionv3: ClassifierEntry = {
  name: "inceptionv3",
  summary: "Inception-v3, 2015",
  featureLayer: "Mixed_7c",
  create: (options) => new InceptionV3(options),
};
