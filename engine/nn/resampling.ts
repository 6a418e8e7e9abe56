/** Layers that change the size of images, under PyTorch's names. */

import { conv2dInputGrad, pair } from "../tensor/conv.ts";
import {
  interpolate,
  type InterpolateOptions,
  pixelShuffle,
  pixelUnshuffle,
} from "../tensor/interpolate.ts";
import { flatten, permute, window } from "../tensor/movement.ts";
import { constantPad2d, type Padding, reflectionPad2d, replicationPad2d } from "../tensor/pad.ts";
import { add } from "../tensor/pointwise.ts";
import { adaptiveMaxPool2d, lpPool2d, type PoolOptions } from "../tensor/pool.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Conv2dOptions } from "./layers.ts";
import { Module, Parameter } from "./module.ts";

type Pair = number | readonly [number, number];

export interface ConvTranspose2dOptions extends Conv2dOptions {
  /** Rows and columns added at the end, where several sizes are possible. */
  outputPadding?: Pair;
}

/** What a convolution does to its gradient: [N, P, Q, K] to [N, H, W, C]. */
export class ConvTranspose2d extends Module {
  /** PyTorch has it as [K, C/groups, R, S]. */
  readonly weight: Parameter;
  readonly bias?: Parameter;

  constructor(
    inChannels: number,
    private readonly outChannels: number,
    kernelSize: Pair,
    private readonly options: ConvTranspose2dOptions = {},
  ) {
    super();
    const [height, width] = pair(kernelSize);
    const groupChannels = outChannels / (options.groups ?? 1);
    const bound = 1 / Math.sqrt(groupChannels * height * width);
    this.weight = new Parameter([height, width, groupChannels, inChannels], { bound }, "conv");
    if (options.bias ?? true) this.bias = new Parameter([outChannels], { bound });
  }

  protected forward(x: Tensor): Tensor {
    const { weight, bias, outChannels, options } = this;
    const [stride, dilation, padding, more] = [
      ...[options.stride ?? 1, options.dilation ?? 1],
      ...[options.padding ?? 0, options.outputPadding ?? 0],
    ].map(pair);
    // Of the whole result the padding is cut off.
    const whole = [0, 1].map((d) =>
      (x.shape[d + 1] - 1) * stride[d] + dilation[d] * (weight.shape[d] - 1) + 1 + more[d]
    );
    const [batch] = x.shape;
    const shape = [batch, whole[0], whole[1], outChannels];
    const geometry = { stride, dilation, groups: options.groups };
    const [height, width] = whole.map((extent, d) => extent - 2 * padding[d]);
    const full = conv2dInputGrad(x, weight, shape, geometry);
    const y = window(full, [0, ...padding, 0], [batch, height, width, outChannels]);
    return bias ? add(y, bias) : y;
  }
}

export class Upsample extends Module {
  constructor(private readonly options: InterpolateOptions) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return interpolate(x, this.options);
  }
}

export class PixelShuffle extends Module {
  constructor(readonly factor: number) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return pixelShuffle(x, this.factor);
  }
}

export class PixelUnshuffle extends Module {
  constructor(readonly factor: number) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return pixelUnshuffle(x, this.factor);
  }
}

/** Images as rows in PyTorch's order, channels first, so that a linear layer's weights fit. */
export class Flatten extends Module {
  protected forward(x: Tensor): Tensor {
    return flatten(x.rank === 4 ? permute(x, [0, 3, 1, 2]) : x);
  }
}

export class AdaptiveMaxPool2d extends Module {
  constructor(private readonly output: Pair) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return adaptiveMaxPool2d(x, this.output);
  }
}

/** The norm of each window, the Euclidean one by the number 2. */
export class LPPool2d extends Module {
  constructor(
    private readonly normType: number,
    private readonly kernelSize: Pair,
    private readonly options: Pick<PoolOptions, "stride" | "ceilMode"> = {},
  ) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return lpPool2d(x, this.normType, this.kernelSize, this.options);
  }
}

export class ConstantPad2d extends Module {
  constructor(private readonly padding: Padding, private readonly value: number) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return constantPad2d(x, this.padding, this.value);
  }
}

export class ZeroPad2d extends ConstantPad2d {
  constructor(padding: Padding) {
    super(padding, 0);
  }
}

export class ReflectionPad2d extends Module {
  constructor(private readonly padding: Padding) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return reflectionPad2d(x, this.padding);
  }
}

export class ReplicationPad2d extends Module {
  constructor(private readonly padding: Padding) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return replicationPad2d(x, this.padding);
  }
}
