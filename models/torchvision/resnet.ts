/**
 * torchvision's ResNet (He, Zhang, Ren, Sun 2015), for ImageNet: a 7 x 7 stem with max pooling, four
 * stages of residual blocks, a global average pool and a linear head. A block is relu(F(x) + x).
 *
 *                                         18   34   50
 *     112 x 112   64      conv1, bn1       1    1    1     then max pool
 *      56 x 56    64 e    layer1           2    3    3
 *      28 x 28    128 e   layer2           2    4    4
 *      14 x 14    256 e   layer3           2    6    6
 *       7 x 7     512 e   layer4           2    3    3
 *       1 x 1     K       avgpool, fc
 *
 * e, the expansion, is 1 for the basic block of 18 and 34 layers, 4 for the bottleneck.
 */

import {
  AdaptiveAvgPool2d,
  BatchNorm2d,
  Conv2d,
  Linear,
  MaxPool2d,
  ReLU,
} from "../../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../../engine/nn/module.ts";
import { flatten } from "../../engine/tensor/movement.ts";
import { add, relu } from "../../engine/tensor/pointwise.ts";
import type { Tensor } from "../../engine/tensor/tensor.ts";
import { chain, convNorm, repeat } from "../blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "../classifier.ts";

type Block = new (inChannels: number, width: number, stride: number) => Module;

/** The projection of a block's input where the block changes its shape. */
function downsampling(inChannels: number, outChannels: number, stride: number) {
  const changes = stride !== 1 || inChannels !== outChannels;
  return changes ? new Sequential(...convNorm(inChannels, outChannels, 1, { stride })) : undefined;
}

class BasicBlock extends Module {
  readonly conv1: Module;
  readonly bn1: Module;
  readonly conv2: Module;
  readonly bn2: Module;
  readonly downsample?: Sequential;

  constructor(inChannels: number, width: number, stride: number) {
    super();
    [this.conv1, this.bn1] = convNorm(inChannels, width, 3, { stride });
    [this.conv2, this.bn2] = convNorm(width, width, 3);
    this.downsample = downsampling(inChannels, width, stride);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const wide = relu(chain(x, pass, this.conv1, this.bn1));
    const residual = chain(wide, pass, this.conv2, this.bn2);
    return relu(add(residual, this.downsample?.apply(x, pass) ?? x));
  }
}

class Bottleneck extends Module {
  readonly conv1: Module;
  readonly bn1: Module;
  readonly conv2: Module;
  readonly bn2: Module;
  readonly conv3: Module;
  readonly bn3: Module;
  readonly downsample?: Sequential;

  constructor(inChannels: number, width: number, stride: number) {
    super();
    [this.conv1, this.bn1] = convNorm(inChannels, width, 1);
    [this.conv2, this.bn2] = convNorm(width, width, 3, { stride });
    [this.conv3, this.bn3] = convNorm(width, 4 * width, 1);
    this.downsample = downsampling(inChannels, 4 * width, stride);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const narrow = relu(chain(x, pass, this.conv1, this.bn1));
    const spatial = relu(chain(narrow, pass, this.conv2, this.bn2));
    const residual = chain(spatial, pass, this.conv3, this.bn3);
    return relu(add(residual, this.downsample?.apply(x, pass) ?? x));
  }
}

class ResNet extends Module {
  readonly conv1: Conv2d;
  readonly bn1 = new BatchNorm2d(64);
  readonly relu = new ReLU();
  readonly maxpool = new MaxPool2d(3, { stride: 2, padding: 1 });
  readonly layer1: Sequential;
  readonly layer2: Sequential;
  readonly layer3: Sequential;
  readonly layer4: Sequential;
  readonly avgpool = new AdaptiveAvgPool2d(1);
  readonly fc: Linear;

  constructor(
    { inChannels, numClasses }: ClassifierOptions,
    block: Block,
    expansion: number,
    blocks: readonly number[],
  ) {
    super();
    let channels = 64;
    const stage = (width: number, count: number, stride: number) => {
      const [from, to] = [channels, channels = expansion * width];
      return repeat(
        count,
        (i) => i === 0 ? new block(from, width, stride) : new block(to, width, 1),
      );
    };
    this.conv1 = new Conv2d(inChannels, 64, 7, { stride: 2, padding: 3, bias: false });
    this.layer1 = stage(64, blocks[0], 1);
    this.layer2 = stage(128, blocks[1], 2);
    this.layer3 = stage(256, blocks[2], 2);
    this.layer4 = stage(512, blocks[3], 2);
    this.fc = new Linear(channels, numClasses);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const stem = chain(x, pass, this.conv1, this.bn1, this.relu, this.maxpool);
    const stages = [this.layer1, this.layer2, this.layer3, this.layer4];
    return this.fc.apply(flatten(chain(stem, pass, ...stages, this.avgpool)), pass);
  }
}

function entry(
  layers: number,
  block: Block,
  expansion: number,
  blocks: readonly number[],
): ClassifierEntry {
  return {
    name: `torchvision_resnet${layers}`,
    summary: `torchvision's ResNet-${layers} for ImageNet, 2015`,
    featureLayer: "layer4",
    imageSize: 224,
    create: (options) => new ResNet(options, block, expansion, blocks),
  };
}

export const torchvisionResnet18 = entry(18, BasicBlock, 1, [2, 2, 2, 2]);
export const torchvisionResnet34 = entry(34, BasicBlock, 1, [3, 4, 6, 3]);
export const torchvisionResnet50 = entry(50, Bottleneck, 4, [3, 4, 6, 3]);
