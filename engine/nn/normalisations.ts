/** Normalisations that are the same in training and in evaluation, under PyTorch's names. */

import { permute } from "../tensor/movement.ts";
import {
  type Affine,
  groupNorm,
  instanceNorm,
  layerNorm,
  localResponseNorm,
  type LocalResponseOptions,
} from "../tensor/norm.ts";
import type { Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { Module, Parameter } from "./module.ts";

export interface NormOptions {
  eps?: number;
  /** Whether the result is multiplied and shifted by trained weights. */
  affine?: boolean;
}

/** A normalisation with weights of its own. */
abstract class Normalisation extends Module {
  readonly weight?: Parameter;
  readonly bias?: Parameter;
  readonly eps: number;

  constructor(shape: Shape, { eps = 1e-5, affine = true }: NormOptions) {
    super();
    this.eps = eps;
    if (!affine) return;
    this.weight = new Parameter(shape, { value: 1 });
    this.bias = new Parameter(shape, { value: 0 });
  }
}

export class GroupNorm extends Normalisation {
  constructor(readonly numGroups: number, numChannels: number, options: NormOptions = {}) {
    super([numChannels], options);
  }
  protected forward(x: Tensor): Tensor {
    return groupNorm(x, this.numGroups, this, this.eps);
  }
}

/** Without weights, unless they are asked for; by each image's own statistics always. */
export class InstanceNorm2d extends Normalisation {
  constructor(numFeatures: number, options: NormOptions = {}) {
    super([numFeatures], { affine: false, ...options });
  }
  protected forward(x: Tensor): Tensor {
    return instanceNorm(x, this, this.eps);
  }
}

/**
 * Over the channels of each pixel, `new LayerNorm(C)`, as PyTorch's does where images were permuted
 * to have them last; or over all of an image, `new LayerNorm([C, H, W])`.
 */
export class LayerNorm extends Normalisation {
  private readonly shape: Shape;

  constructor(normalizedShape: number | Shape, options: NormOptions = {}) {
    const shape = typeof normalizedShape === "number" ? [normalizedShape] : normalizedShape;
    super(shape, options);
    this.shape = shape;
  }

  protected forward(x: Tensor): Tensor {
    // Weights are [C, H, W], as PyTorch has them.
    const laid = (w?: Tensor) => w && w.rank === 3 ? permute(w, [1, 2, 0]) : w;
    const of: Affine = { weight: laid(this.weight), bias: laid(this.bias) };
    return layerNorm(x, this.shape.length, of, this.eps);
  }
}

export class LocalResponseNorm extends Module {
  constructor(readonly size: number, private readonly options: LocalResponseOptions = {}) {
    super();
  }
  protected forward(x: Tensor): Tensor {
    return localResponseNorm(x, this.size, this.options);
  }
}
