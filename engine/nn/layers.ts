/** The layers, under PyTorch's names and with its defaults. Images are NHWC inside the engine. */

import { conv2d, type ConvOptions, pair } from "../tensor/conv.ts";
import { matmul } from "../tensor/matmul.ts";
import { broadcastTo } from "../tensor/broadcast.ts";
import { flatten, permute, reshape, window } from "../tensor/movement.ts";
import { add, mul, relu, relu6, sigmoid, silu } from "../tensor/pointwise.ts";
import {
  adaptiveAvgPool2d,
  avgPool2d,
  type AvgPoolOptions,
  maxPool2d,
  type MaxPoolOptions,
} from "../tensor/pool.ts";
import { dropout } from "../tensor/random.ts";
import type { Shape } from "../tensor/shape.ts";
import { constant, type Tensor } from "../tensor/tensor.ts";
import { batchNorm } from "./batch_norm.ts";
import { type Initializer, Module, Parameter, type Pass } from "./module.ts";

type Pair = number | readonly [number, number];

export interface Conv2dOptions extends ConvOptions {
  bias?: boolean;
}

/** Convolution [N, H, W, C] to [N, P, Q, K]. Starts as PyTorch's: uniform within 1/sqrt(fan_in). */
export class Conv2d extends Module {
  override get isConvolution(): boolean {
    return true;
  }

  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor(
    readonly inChannels: number,
    readonly outChannels: number,
    kernelSize: Pair,
    readonly options: Conv2dOptions = {},
  ) {
    super();
    const [height, width] = pair(kernelSize);
    const groupChannels = inChannels / (options.groups ?? 1);
    const bound = 1 / Math.sqrt(groupChannels * height * width);
    this.weight = new Parameter([height, width, groupChannels, outChannels], { bound }, "conv");
    if (options.bias ?? true) this.bias = new Parameter([outChannels], { bound });
  }

  protected forward(x: Tensor): Tensor {
    const y = this.convolve(x);
    return this.bias ? add(y, this.bias) : y;
  }

  /**
   * Fast kernels make channels four at a time; for others there is one of a hundredth of their speed.
   * So filters of zeros fill up the last four, and what they see is cut off.
   */
  private convolve(x: Tensor): Tensor {
    const { weight, outChannels, options } = this;
    const filled = 4 * Math.ceil(outChannels / 4);
    if ((options.groups ?? 1) > 1 || filled === outChannels) return conv2d(x, weight, options);
    const start = [0, 0, 0, 0];
    const y = conv2d(x, window(weight, start, weight.shape.with(3, filled)), options);
    return window(y, start, y.shape.with(3, outChannels));
  }
}

export interface LinearOptions {
  bias?: boolean;
  /** What it starts with; as PyTorch's where absent. */
  initial?: { readonly weight: Initializer; readonly bias: Initializer };
}

/**
 * x W^T + b: [N, I] to [N, O], with W [O, I] as PyTorch stores it. Images [N, H, W, C] count as
 * flattened in PyTorch's order, channels first; what is reordered is the weights, the smaller part.
 */
export class Linear extends Module {
  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor(inFeatures: number, outFeatures: number, options: LinearOptions = {}) {
    super();
    const bound = 1 / Math.sqrt(inFeatures);
    const { bias = true, initial = { weight: { bound }, bias: { bound } } } = options;
    this.weight = new Parameter([outFeatures, inFeatures], initial.weight);
    if (bias) this.bias = new Parameter([outFeatures], initial.bias);
  }

  protected forward(x: Tensor): Tensor {
    const y = x.rank === 4
      ? matmul(flatten(x), this.weightFor(x.shape), { transB: true })
      : matmul(x, this.weight, { transB: true });
    return this.bias ? add(y, this.bias) : y;
  }

  /** The weights in the order of an image's memory. */
  private weightFor([, height, width, channels]: Shape): Tensor {
    const outputs = this.weight.shape[0];
    const image = reshape(this.weight, [outputs, channels, height, width]);
    return flatten(permute(image, [0, 2, 3, 1]));
  }
}

/** A perceptron's hidden layer: linear, its outputs the channels of one pixel, [N, 1, 1, O]. */
export class Units extends Linear {
  override get isConvolution(): boolean {
    return true;
  }

  protected override forward(x: Tensor): Tensor {
    const y = super.forward(x);
    return reshape(y, [y.shape[0], 1, 1, y.shape[1]]);
  }
}

/**
 * Batch normalisation over the last axis, with running averages for evaluation. In training it
 * throws a UserError (usage) where a channel has one value: its statistics would mean nothing.
 */
export class BatchNorm2d extends Module {
  readonly weight: Parameter;
  readonly bias: Parameter;
  readonly running_mean: Parameter;
  readonly running_var: Parameter;
  readonly num_batches_tracked: Parameter = new Parameter([], { value: 0 }, "same", false, "u32");

  constructor(
    channels: number,
    readonly eps = 1e-5,
    readonly momentum = 0.1,
  ) {
    super();
    this.weight = new Parameter([channels], { value: 1 });
    this.bias = new Parameter([channels], { value: 0 });
    this.running_mean = new Parameter([channels], { value: 0 }, "same", false);
    this.running_var = new Parameter([channels], { value: 1 }, "same", false);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const y = batchNorm(x, this, pass, pass.names.get(this)!);
    if (pass.training) {
      const { num_batches_tracked: count } = this;
      pass.updates.push([count, add(count, constant(1, "u32"))]);
    }
    return y;
  }
}

export class ReLU extends Module {
  protected forward(x: Tensor): Tensor {
    return relu(x);
  }
}

export class ReLU6 extends Module {
  protected forward(x: Tensor): Tensor {
    return relu6(x);
  }
}

export class SiLU extends Module {
  protected forward(x: Tensor): Tensor {
    return silu(x);
  }
}

export class Sigmoid extends Module {
  protected forward(x: Tensor): Tensor {
    return sigmoid(x);
  }
}

/** Nothing but a name for what passes: a point that a tap can see. */
export class Identity extends Module {
  protected forward(x: Tensor): Tensor {
    return x;
  }
}

export class MaxPool2d extends Module {
  constructor(private readonly kernelSize: Pair, private readonly options: MaxPoolOptions = {}) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return maxPool2d(x, this.kernelSize, this.options);
  }
}

export class AvgPool2d extends Module {
  constructor(private readonly kernelSize: Pair, private readonly options: AvgPoolOptions = {}) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return avgPool2d(x, this.kernelSize, this.options);
  }
}

export class AdaptiveAvgPool2d extends Module {
  constructor(private readonly output: Pair) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return adaptiveAvgPool2d(x, this.output);
  }
}

/** Zeroes each element with probability p in training; scales the rest so that the mean stays. */
export class Dropout extends Module {
  constructor(readonly p = 0.5) {
    super();
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    if (!pass.training || !pass.key) return x;
    return dropout(x, this.p, pass.key, `dropout ${pass.names.get(this)}`);
  }
}

/** Dropout of whole channels: each sample keeps or loses all of a channel's pixels. */
export class Dropout2d extends Module {
  constructor(readonly p = 0.5) {
    super();
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    if (!pass.training || !pass.key) return x;
    const [batch, , , channels] = x.shape;
    const ones = broadcastTo(constant(1), [batch, 1, 1, channels]);
    return mul(x, dropout(ones, this.p, pass.key, `dropout ${pass.names.get(this)}`));
  }
}
