/**
 * Wide ResNet (Zagoruyko, Komodakis 2016): few, wide residual blocks that normalise before they
 * convolve, with dropout between the two convolutions. WRN-d-k has d layers, k times as wide as
 * the first residual network for CIFAR-10.
 *
 *     32 x 32   16     conv1
 *     32 x 32   16 k   layer1, (d - 4) / 6 blocks
 *     16 x 16   32 k   layer2, as many
 *      8 x 8    64 k   layer3, as many, then norm, ReLU
 *      1 x 1    K      average, linear
 */

import { BatchNorm2d, Conv2d, Dropout, Identity, Linear } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { add, relu } from "../engine/tensor/pointwise.ts";
import { globalAvgPool } from "../engine/tensor/pool.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, repeat, roundChannels } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

const conv = (inChannels: number, outChannels: number, kernelSize: number, stride = 1) =>
  new Conv2d(inChannels, outChannels, kernelSize, { stride, padding: kernelSize >> 1 });

class WideBlock extends Module {
  readonly bn1: BatchNorm2d;
  readonly conv1: Conv2d;
  readonly dropout = new Dropout(0.3);
  readonly bn2: BatchNorm2d;
  readonly conv2: Conv2d;
  readonly shortcut: Sequential;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.bn1 = new BatchNorm2d(inChannels);
    this.conv1 = conv(inChannels, outChannels, 3);
    this.bn2 = new BatchNorm2d(outChannels);
    this.conv2 = conv(outChannels, outChannels, 3, stride);
    const changes = stride !== 1 || inChannels !== outChannels;
    this.shortcut = new Sequential(...(changes ? [conv(inChannels, outChannels, 1, stride)] : []));
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const wide = chain(relu(this.bn1.apply(x, pass)), pass, this.conv1, this.dropout, this.bn2);
    return add(this.conv2.apply(relu(wide), pass), this.shortcut.apply(x, pass));
  }
}

function stage(inChannels: number, outChannels: number, blocks: number, stride: number) {
  return repeat(
    blocks,
    (i) =>
      i === 0
        ? new WideBlock(inChannels, outChannels, stride)
        : new WideBlock(outChannels, outChannels, 1),
  );
}

class WideResNet extends Module {
  readonly conv1: Conv2d;
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly bn1: BatchNorm2d;
  readonly features = new Identity();
  readonly linear: Linear;

  constructor(
    { inChannels, numClasses, width = 1 }: ClassifierOptions,
    depth: number,
    k: number,
  ) {
    super();
    const [c1, c2, c3] = [16, 32, 64].map((channels) => roundChannels(k * channels, width));
    const blocks = (depth - 4) / 6;
    this.conv1 = conv(inChannels, 16, 3);
    this.layer1 = stage(16, c1, blocks, 1);
    this.layer2 = stage(c1, c2, blocks, 2);
    this.layer3 = stage(c2, c3, blocks, 2);
    this.bn1 = new BatchNorm2d(c3, 1e-5, 0.9);
    this.linear = new Linear(c3, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const normed = chain(x, pass, this.conv1, this.layer1, this.layer2, this.layer3, this.bn1);
    return this.linear.apply(globalAvgPool(this.features.apply(relu(normed), pass)), pass);
  }
}

function entry(name: string, depth: number, k: number): ClassifierEntry {
  return {
    name,
    summary: `Wide ResNet-${depth}-${k}, 2016`,
    featureLayer: "features",
    widths: "any",
    create: (options) => new WideResNet(options, depth, k),
  };
}

export const wideresnet16 = entry("wideresnet16", 16, 4);
export const wideresnet28 = entry("wideresnet28", 28, 10);
