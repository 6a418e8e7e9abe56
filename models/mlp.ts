/**
 * Multilayer perceptrons of the papers that measured on coloured and decoyed digits. Every pixel
 * is an input; hidden layers are linear with ReLU, as many and as wide as the name says. Sizes for
 * 28 x 28 images and ten classes:
 *
 *     mlp-50-30         784, 50, 30, 10        Ross and others 2017 (RRR): starts normal, 0.1 wide
 *     mlp-512           784, 512, 10           "Model Guidance via Robust Feature Attribution",
 *     mlp-512-512-512   784, 512 (3 x), 10     2025 (R4), on decoys and on half-decoys
 *     mlp-256-256       392, 256, 256, 2       Arjovsky and others 2019 (IRM), 14 x 14 x 2 images:
 *     mlp-390-390       392, 390, 390, 2       training alone and IRM; Glorot's start, no bias in it
 *
 * A hidden layer's units are the channels of a map of 1 x 1 pixels, so that they are diagnosed and
 * constrained as kernels are. Where in the image something is, only the layer `input` knows.
 */

import { Linear, ReLU, Units } from "../engine/nn/layers.ts";
import { type Initializer, Module, type Pass, Sequential } from "../engine/nn/module.ts";
import type { Tensor } from "../engine/tensor/tensor.ts";
import type { ClassifierEntry, ClassifierOptions } from "./classifier.ts";

/** What a layer of so many inputs and outputs starts with; PyTorch's own where undefined. */
type Start = (inputs: number, outputs: number) => { weight: Initializer; bias: Initializer };

/** Normal, weights and biases alike: autograd's example of a network, which RRR began with. */
const normal: Start = () => ({ weight: { deviation: 0.1 }, bias: { deviation: 0.1 } });

/** Uniform with variance 2 / (inputs + outputs): Glorot, Bengio 2010. */
const glorot: Start = (inputs, outputs) => ({
  weight: { bound: Math.sqrt(6 / (inputs + outputs)) },
  bias: { value: 0 },
});

class Mlp extends Module {
  readonly features: Sequential;
  readonly classifier: Linear;

  constructor(
    { inChannels, numClasses, imageSize }: ClassifierOptions,
    hidden: readonly number[],
    start?: Start,
  ) {
    super();
    const sizes = [inChannels * imageSize ** 2, ...hidden, numClasses];
    const between = (i: number): [number, number] => [sizes[i], sizes[i + 1]];
    const options = (i: number) => ({ initial: start?.(...between(i)) });
    this.features = new Sequential(
      ...hidden.flatMap((_, i) => [new Units(...between(i), options(i)), new ReLU()]),
    );
    const last = hidden.length;
    this.classifier = new Linear(...between(last), options(last));
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.classifier.apply(this.features.apply(x, pass), pass);
  }
}

const mlp = (summary: string, hidden: readonly number[], start?: Start): ClassifierEntry => ({
  name: ["mlp", ...hidden].join("-"),
  summary,
  featureLayer: "features",
  create: (options) => new Mlp(options, hidden, start),
});

export const mlps: readonly ClassifierEntry[] = [
  mlp("perceptron of RRR on decoys, 2017", [50, 30], normal),
  mlp("perceptron of R4 on decoys, 2025", [512]),
  mlp("perceptron of R4 on half-decoys, 2025", [512, 512, 512]),
  mlp("perceptron of IRM's plain training, 2019", [256, 256], glorot),
  mlp("perceptron of IRM, 2019", [390, 390], glorot),
];
