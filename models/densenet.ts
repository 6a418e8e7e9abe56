/**
 * DenseNet-BC (Huang, Liu, van der Maaten, Weinberger 2016) for 32 x 32 images: every layer of a
 * block sees the outputs of all before it and adds `growth` channels of its own; transitions
 * between blocks halve channels and image.
 *
 *                          121   169
 *     32 x 32   conv1       1     1    2 x growth channels
 *     32 x 32   block 0     6     6    1 x 1, then 3 x 3 convolution, each normalised before
 *     16 x 16   block 1    12    12
 *      8 x 8    block 2    24    32
 *      4 x 4    block 3    16    32    then norm, ReLU
 *      1 x 1    average, linear
 */

import {
  AdaptiveAvgPool2d,
  AvgPool2d,
  BatchNorm2d,
  Conv2d,
  Linear,
  ReLU,
} from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { concat, flatten } from "../engine/tensor/movement.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, roundChannels, sequence } from "./blocks.ts";
import { type ClassifierEntry, type ClassifierOptions, requireSize } from "./classifier.ts";

/** Channels that a layer adds. */
const GROWTH = 32;

const normReluConv = (inChannels: number, outChannels: number, kernelSize: number) => [
  new BatchNorm2d(inChannels),
  new ReLU(),
  new Conv2d(inChannels, outChannels, kernelSize, { padding: kernelSize >> 1, bias: false }),
];

class DenseLayer extends Module {
  readonly bottle_neck: Sequential;

  constructor(inChannels: number, growth: number) {
    super();
    this.bottle_neck = new Sequential(
      ...normReluConv(inChannels, 4 * growth, 1),
      ...normReluConv(4 * growth, growth, 3),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return concat([x, this.bottle_neck.apply(x, pass)], 3);
  }
}

function denseBlock(inChannels: number, layers: number, growth: number): Sequential {
  const named = Array.from(
    { length: layers },
    (_, i) => [`bottle_neck_layer_${i}`, new DenseLayer(inChannels + i * growth, growth)] as const,
  );
  return sequence(Object.fromEntries(named));
}

class Transition extends Module {
  readonly down_sample: Sequential;

  constructor(inChannels: number, outChannels: number) {
    super();
    this.down_sample = new Sequential(
      new BatchNorm2d(inChannels),
      new Conv2d(inChannels, outChannels, 1, { bias: false }),
      new AvgPool2d(2),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.down_sample.apply(x, pass);
  }
}

class DenseNet extends Module {
  readonly conv1: Conv2d;
  readonly features: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly linear: Linear;

  constructor(
    name: string,
    { inChannels, numClasses, imageSize, width = 1 }: ClassifierOptions,
    blocks: readonly number[],
  ) {
    super();
    requireSize(name, imageSize, 2 ** (blocks.length - 1));
    const growth = roundChannels(GROWTH, width);
    let channels = 2 * growth;
    this.conv1 = new Conv2d(inChannels, channels, 3, { padding: 1, bias: false });
    const parts: Record<string, Module> = {};
    for (const [i, layers] of blocks.entries()) {
      const last = i === blocks.length - 1;
      parts[last ? `dense_block${i}` : `dense_block_layer_${i}`] = denseBlock(
        channels,
        layers,
        growth,
      );
      channels += layers * growth;
      if (last) continue;
      parts[`transition_layer_${i}`] = new Transition(channels, channels / 2);
      channels /= 2;
    }
    parts.bn = new BatchNorm2d(channels);
    parts.relu = new ReLU();
    this.features = sequence(parts);
    this.linear = new Linear(channels, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const pooled = chain(x, pass, this.conv1, this.features, this.avgpool);
    return this.linear.apply(flatten(pooled), pass);
  }
}

function entry(layers: number, blocks: readonly number[]): ClassifierEntry {
  const name = `densenet${layers}`;
  return {
    name,
    summary: `DenseNet-${layers}, 2016`,
    featureLayer: "features",
    widths: "any",
    create: (options) => new DenseNet(name, options, blocks),
  };
}

export const densenet121 = entry(121, [6, 12, 24, 16]);
export const densenet169 = entry(169, [6, 12, 32, 32]);
