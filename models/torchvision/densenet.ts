/**
 * torchvision's DenseNet-121 (Huang, Liu, van der Maaten, Weinberger 2016), for ImageNet: every
 * layer of a block sees the outputs of all before it and adds 32 channels of its own; transitions
 * between blocks halve channels and image.
 *
 *     112 x 112   64      conv0, a 7 x 7 stem, then max pool
 *      56 x 56    256     denseblock1, 6 layers    1 x 1, then 3 x 3 convolution, each normalised
 *      28 x 28    512     denseblock2, 12 layers   before
 *      14 x 14    1024    denseblock3, 24 layers
 *       7 x 7     1024    denseblock4, 16 layers, then norm5, ReLU
 *       1 x 1     K       average, classifier
 */

import { AvgPool2d, BatchNorm2d, Conv2d, Linear, MaxPool2d, ReLU } from "../../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../../engine/nn/module.ts";
import { concat } from "../../engine/tensor/movement.ts";
import { globalAvgPool } from "../../engine/tensor/pool.ts";
import type { Tensor } from "../../engine/tensor/tensor.ts";
import { chain, sequence } from "../blocks.ts";
import type { ClassifierEntry, ClassifierOptions } from "../classifier.ts";

const GROWTH = 32;
const BLOCKS = [6, 12, 24, 16];

class DenseLayer extends Module {
  readonly norm1: BatchNorm2d;
  readonly relu1 = new ReLU();
  readonly conv1: Conv2d;
  readonly norm2 = new BatchNorm2d(4 * GROWTH);
  readonly relu2 = new ReLU();
  readonly conv2 = new Conv2d(4 * GROWTH, GROWTH, 3, { padding: 1, bias: false });

  constructor(inChannels: number) {
    super();
    this.norm1 = new BatchNorm2d(inChannels);
    this.conv1 = new Conv2d(inChannels, 4 * GROWTH, 1, { bias: false });
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const narrow = chain(x, pass, this.norm1, this.relu1, this.conv1);
    return concat([x, chain(narrow, pass, this.norm2, this.relu2, this.conv2)], 3);
  }
}

function denseBlock(inChannels: number, layers: number): Sequential {
  const named = Array.from(
    { length: layers },
    (_, i) => [`denselayer${i + 1}`, new DenseLayer(inChannels + i * GROWTH)] as const,
  );
  return sequence(Object.fromEntries(named));
}

const transition = (inChannels: number, outChannels: number) =>
  sequence({
    norm: new BatchNorm2d(inChannels),
    relu: new ReLU(),
    conv: new Conv2d(inChannels, outChannels, 1, { bias: false }),
    pool: new AvgPool2d(2),
  });

class DenseNet extends Module {
  readonly features: Sequential;
  /** What feeds the head; torchvision applies it as a function, so it has no name there. */
  readonly relu = new ReLU();
  readonly classifier: Linear;

  constructor({ inChannels, numClasses }: ClassifierOptions) {
    super();
    let channels = 2 * GROWTH;
    const parts: Record<string, Module> = {
      conv0: new Conv2d(inChannels, channels, 7, { stride: 2, padding: 3, bias: false }),
      norm0: new BatchNorm2d(channels),
      relu0: new ReLU(),
      pool0: new MaxPool2d(3, { stride: 2, padding: 1 }),
    };
    for (const [i, layers] of BLOCKS.entries()) {
      parts[`denseblock${i + 1}`] = denseBlock(channels, layers);
      channels += layers * GROWTH;
      if (i === BLOCKS.length - 1) continue;
      parts[`transition${i + 1}`] = transition(channels, channels / 2);
      channels /= 2;
    }
    parts.norm5 = new BatchNorm2d(channels);
    this.features = sequence(parts);
    this.classifier = new Linear(channels, numClasses);
  }

  /** The files that torchvision offers spell `norm.1` what has been `norm1` since. */
  override stateKey(key: string): string {
    return key.replace(/(denselayer\d+\.(?:norm|conv))\.([12]\.)/, "$1$2");
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const features = chain(x, pass, this.features, this.relu);
    return this.classifier.apply(globalAvgPool(features), pass);
  }
}

export const torchvisionDensenet121: ClassifierEntry = {
  name: "torchvision_densenet121",
  summary: "torchvision's DenseNet-121 for ImageNet, 2016",
  featureLayer: "relu",
  imageSize: 224,
  create: (options) => new DenseNet(options),
};
