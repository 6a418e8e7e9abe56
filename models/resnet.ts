/**
 * ResNet-34 (He, Zhang, Ren, Sun 2015) for 32 x 32 images: a 3 x 3 stem, four stages of basic
 * blocks, each stage but the first halving the image, a global average pool and a linear head.
 */

import { BatchNorm2d, Conv2d, Linear, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { add, relu } from "../engine/tensor/pointwise.ts";
import { globalAvgPool } from "../engine/tensor/pool.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

const conv3x3 = (inChannels: number, outChannels: number, stride = 1) =>
  new Conv2d(inChannels, outChannels, 3, { stride, padding: 1, bias: false });

/** relu(F(x) + x), with x projected where the shape changes. */
class BasicBlock extends Module {
  readonly residual_function: Sequential;
  readonly shortcut: Sequential;

  constructor(inChannels: number, outChannels: number, stride: number) {
    super();
    this.residual_function = new Sequential(
      conv3x3(inChannels, outChannels, stride),
      new BatchNorm2d(outChannels),
      new ReLU(),
      conv3x3(outChannels, outChannels),
      new BatchNorm2d(outChannels),
    );
    const projected = stride !== 1 || inChannels !== outChannels;
    this.shortcut = new Sequential(
      ...(projected
        ? [
          new Conv2d(inChannels, outChannels, 1, { stride, bias: false }),
          new BatchNorm2d(outChannels),
        ]
        : []),
    );
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return relu(add(this.residual_function.apply(x, pass), this.shortcut.apply(x, pass)));
  }
}

function stage(inChannels: number, outChannels: number, blocks: number, stride: number) {
  return new Sequential(
    ...Array.from(
      { length: blocks },
      (_, i) =>
        i === 0
          ? new BasicBlock(inChannels, outChannels, stride)
          : new BasicBlock(outChannels, outChannels, 1),
    ),
  );
}

class ResNet extends Module {
  readonly conv1: Sequential;
  readonly conv2_x: Sequential;
  readonly conv3_x: Sequential;
  readonly conv4_x: Sequential;
  readonly conv5_x: Sequential;
  readonly fc: Linear;

  constructor({ inChannels, numClasses }: ClassifierOptions, blocks: readonly number[]) {
    super();
    this.conv1 = new Sequential(conv3x3(inChannels, 64), new BatchNorm2d(64), new ReLU());
    this.conv2_x = stage(64, 64, blocks[0], 1);
    this.conv3_x = stage(64, 128, blocks[1], 2);
    this.conv4_x = stage(128, 256, blocks[2], 2);
    this.conv5_x = stage(256, 512, blocks[3], 2);
    this.fc = new Linear(512, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const stages = [this.conv1, this.conv2_x, this.conv3_x, this.conv4_x, this.conv5_x];
    const features = stages.reduce((value, stage) => stage.apply(value, pass), x);
    return this.fc.apply(globalAvgPool(features), pass);
  }
}

export const resnet34: ClassifierEntry = {
  name: "resnet34",
  summary: "ResNet-34, 2015",
  featureLayer: "conv5_x",
  create: (options) => new ResNet(options, [3, 4, 6, 3]),
};
