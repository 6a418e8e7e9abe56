/**
 * Xception (Chollet 2016) for 32 x 32 images: residual blocks of separable convolutions, each a
 * depthwise 3 x 3 and a 1 x 1 one, with half of the paper's middle flow.
 *
 *     32 x 32   32, 64            entry_flow.conv1, conv2
 *     16 x 16   128               entry_flow.conv3
 *      8 x 8    256, 728          entry_flow.conv4, conv5
 *      8 x 8    728               middel_flow, 8 blocks of three
 *      4 x 4    1024, 1536, 2048  exit_flow
 *      1 x 1    K                 average, linear
 */

import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Linear,
  MaxPool2d,
  ReLU,
} from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { add } from "../engine/tensor/pointwise.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import { chain, convNorm, convNormRelu, repeat, roundChannels } from "./blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

class SeparableConv2d extends Module {
  readonly depthwise: Conv2d;
  readonly pointwise: Conv2d;

  constructor(inChannels: number, outChannels: number) {
    super();
    const groups = inChannels;
    this.depthwise = new Conv2d(inChannels, inChannels, 3, { padding: 1, groups, bias: false });
    this.pointwise = new Conv2d(inChannels, outChannels, 1, { bias: false });
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return chain(x, pass, this.depthwise, this.pointwise);
  }
}

const separableNorm = (inChannels: number, outChannels: number) => [
  new SeparableConv2d(inChannels, outChannels),
  new BatchNorm2d(outChannels),
];

const pool = (stride: number) => new MaxPool2d(3, { stride, padding: 1 });

const project = (inChannels: number, outChannels: number, stride: number) =>
  new Sequential(...convNorm(inChannels, outChannels, 1, { stride, bias: true }));

/** Channels by their number in the paper, at the width that is asked for. */
type Channels = (inPaper: number) => number;

class EntryFlow extends Module {
  readonly conv1: Sequential;
  readonly conv2: Sequential;
  readonly conv3_residual: Sequential;
  readonly conv3_shortcut: Sequential;
  readonly conv4_residual: Sequential;
  readonly conv4_shortcut: Sequential;
  readonly conv5_residual: Sequential;
  readonly conv5_shortcut: Sequential;

  constructor(inChannels: number, c: Channels) {
    super();
    const [c1, c2, c3, c4, c5] = [32, 64, 128, 256, 728].map(c);
    this.conv1 = new Sequential(...convNormRelu(inChannels, c1, 3));
    this.conv2 = new Sequential(...convNormRelu(c1, c2, 3));
    this.conv3_residual = new Sequential(
      ...separableNorm(c2, c3),
      new ReLU(),
      ...separableNorm(c3, c3),
      pool(2),
    );
    this.conv3_shortcut = project(c2, c3, 2);
    this.conv4_residual = new Sequential(
      new ReLU(),
      ...separableNorm(c3, c4),
      new ReLU(),
      ...separableNorm(c4, c4),
      pool(2),
    );
    this.conv4_shortcut = project(c3, c4, 2);
    this.conv5_residual = new Sequential(
      new ReLU(),
      ...separableNorm(c4, c5),
      new ReLU(),
      ...separableNorm(c5, c5),
      pool(1),
    );
    this.conv5_shortcut = project(c4, c5, 1);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const blocks = [
      [this.conv3_residual, this.conv3_shortcut],
      [this.conv4_residual, this.conv4_shortcut],
      [this.conv5_residual, this.conv5_shortcut],
    ];
    return blocks.reduce(
      (value, [residual, shortcut]) =>
        add(residual.apply(value, pass), shortcut.apply(value, pass)),
      chain(x, pass, this.conv1, this.conv2),
    );
  }
}

class MiddleBlock extends Module {
  readonly conv1: Sequential;
  readonly conv2: Sequential;
  readonly conv3: Sequential;
  readonly shortcut = new Sequential();

  constructor(channels: number) {
    super();
    const conv = () => new Sequential(new ReLU(), ...separableNorm(channels, channels));
    this.conv1 = conv();
    this.conv2 = conv();
    this.conv3 = conv();
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const residual = chain(x, pass, this.conv1, this.conv2, this.conv3);
    return add(residual, this.shortcut.apply(x, pass));
  }
}

class MiddleFlow extends Module {
  /** Spelt as in the authors' code, whose weights carry the name. */
  readonly middel_block: Sequential;

  constructor(channels: number) {
    super();
    this.middel_block = repeat(8, () => new MiddleBlock(channels));
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.middel_block.apply(x, pass);
  }
}

class ExitFlow extends Module {
  readonly residual: Sequential;
  readonly shortcut: Sequential;
  readonly conv: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);

  constructor(c: Channels) {
    super();
    const [c1, c2, c3, c4] = [728, 1024, 1536, 2048].map(c);
    this.residual = new Sequential(
      new ReLU(),
      ...separableNorm(c1, c1),
      new ReLU(),
      ...separableNorm(c1, c2),
      pool(2),
    );
    this.shortcut = project(c1, c2, 2);
    this.conv = new Sequential(
      ...separableNorm(c2, c3),
      new ReLU(),
      ...separableNorm(c3, c4),
      new ReLU(),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const shortcut = this.shortcut.apply(x, pass);
    const sum = add(this.residual.apply(x, pass), shortcut);
    return chain(sum, pass, this.conv, this.avgpool);
  }
}

class Xception extends Module {
  readonly entry_flow: EntryFlow;
  readonly middel_flow: MiddleFlow;
  readonly exit_flow: ExitFlow;
  readonly fc: Linear;

  constructor({ inChannels, numClasses, width = 1 }: ClassifierOptions) {
    super();
    const c: Channels = (inPaper) => roundChannels(inPaper, width);
    this.entry_flow = new EntryFlow(inChannels, c);
    this.middel_flow = new MiddleFlow(c(728));
    this.exit_flow = new ExitFlow(c);
    this.fc = new Linear(c(2048), numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const pooled = chain(x, pass, this.entry_flow, this.middel_flow, this.exit_flow);
    return this.fc.apply(flatten(pooled), pass);
  }
}

export const xception: ClassifierEntry = {
  name: "xception",
  summary: "Xception, 2016",
  featureLayer: "exit_flow.conv",
  widths: "any",
  create: (options) => new Xception(options),
};
