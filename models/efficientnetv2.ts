/**
 * EfficientNetV2-S (Tan, Le 2021): fused inverted residuals first (a 3 x 3 expansion and a 1 x 1
 * projection), then ones with a depthwise convolution and a squeeze-and-excitation gate. The
 * strides are those for ImageNet, so 32 x 32 images end as one pixel.
 *
 *     features   t   channels   blocks   stride   gate
 *     0          -   24         -        2        -       3 x 3
 *     1, 2       1   24         2        1        -
 *     3 to 6     4   48         4        2        -
 *     7 to 10    4   64         4        2        -
 *     11 to 16   4   128        6        2        yes
 *     17 to 25   6   160        9        1        yes
 *     26 to 40   6   256        15       2        yes
 *     conv       -   1792       -        1        -       1 x 1, then average, linear
 */

import { AdaptiveAvgPool2d, Linear, Sigmoid, SiLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten, reshape } from "../engine/tensor/movement.ts";
import { add, mul } from "../engine/tensor/pointwise.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNorm, roundChannels } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

/** Expansion, channels, blocks, stride of the first, whether the blocks are gated. */
const STAGES = [
  [1, 24, 2, 1, false],
  [4, 48, 4, 2, false],
  [4, 64, 4, 2, false],
  [4, 128, 6, 2, true],
  [6, 160, 9, 1, true],
  [6, 256, 15, 2, true],
] as const;

const convNormSilu = (...args: Parameters<typeof convNorm>) => [...convNorm(...args), new SiLU()];

/** x times a gate of its averages, through `hidden` units. */
class SqueezeExcitation extends Module {
  readonly avg_pool = new AdaptiveAvgPool2d(1);
  readonly fc: Sequential;

  constructor(channels: number, hidden: number) {
    super();
    this.fc = new Sequential(
      new Linear(channels, hidden),
      new SiLU(),
      new Linear(hidden, channels),
      new Sigmoid(),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const squeezed = this.avg_pool.apply(x, pass);
    return mul(x, reshape(this.fc.apply(flatten(squeezed), pass), squeezed.shape));
  }
}

const fused = (inChannels: number, outChannels: number, stride: number, hidden: number) => [
  ...convNormSilu(inChannels, hidden, 3, { stride }),
  ...convNorm(hidden, outChannels, 1),
];

const gated = (inChannels: number, outChannels: number, stride: number, hidden: number) => [
  ...convNormSilu(inChannels, hidden, 1),
  ...convNormSilu(hidden, hidden, 3, { stride, groups: hidden }),
  new SqueezeExcitation(hidden, roundChannels(inChannels / 4)),
  ...convNorm(hidden, outChannels, 1),
];

class InvertedResidual extends Module {
  readonly conv: Sequential;

  constructor(layers: readonly Module[], private readonly keepsShape: boolean) {
    super();
    this.conv = new Sequential(...layers);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const residual = this.conv.apply(x, pass);
    return this.keepsShape ? add(x, residual) : residual;
  }
}

class EfficientNetV2 extends Module {
  readonly features: Sequential;
  readonly conv: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly classifier: Linear;

  constructor({ inChannels, numClasses, width = 1 }: ClassifierOptions) {
    super();
    const c = (channels: number) => roundChannels(channels, width);
    const last = roundChannels(1792, Math.max(1, width));
    let channels = c(24);
    const layers: Module[] = [
      new Sequential(...convNormSilu(inChannels, channels, 3, { stride: 2 })),
    ];
    for (const [t, nominal, blocks, firstStride, gate] of STAGES) {
      const wide = c(nominal);
      for (let i = 0; i < blocks; i++) {
        const stride = i === 0 ? firstStride : 1;
        const block = (gate ? gated : fused)(channels, wide, stride, t * channels);
        layers.push(new InvertedResidual(block, stride === 1 && channels === wide));
        channels = wide;
      }
    }
    this.features = new Sequential(...layers);
    this.conv = new Sequential(...convNormSilu(channels, last, 1));
    this.classifier = new Linear(last, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const pooled = chain(x, pass, this.features, this.conv, this.avgpool);
    return this.classifier.apply(flatten(pooled), pass);
  }
}

export const efficientnetv2s: ClassifierEntry = {
  name: "efficientnetv2s",
  summary: "EfficientNetV2-S, 2021",
  featureLayer: "conv",
  widths: "any",
  create: (options) => new EfficientNetV2(options),
};
