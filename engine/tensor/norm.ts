/**
 * Batch normalisation over the channels of [N, H, W, C] or [N, C]:
 *
 *     y = (x - mean) * (rstd * weight) + bias,   rstd = 1 / sqrt(variance + eps)
 *
 * It is written in operations that are differentiable any number of times, so its derivatives of
 * every order hold what goes through the batch statistics. A plan fuses the pointwise parts: the
 * forward pass is two reductions and one pass over x, the backward pass two reductions and one.
 */

import { add, mul, rsqrt, sub } from "./pointwise.ts";
import { mean, variance } from "./reduce.ts";
import { reshape } from "./movement.ts";
import type { Tensor } from "./tensor.ts";

export interface Statistics {
  /** [C] */
  readonly mean: Tensor;
  /** [C], without Bessel's correction */
  readonly variance: Tensor;
}

/** Mean and variance of each channel over the batch and, for images, over space. */
export function batchStatistics(x: Tensor): Statistics {
  const axes = x.shape.slice(0, -1).map((_, d) => d);
  const average = mean(x, axes, { keepDims: true });
  const channels = [x.shape[x.rank - 1]];
  return {
    mean: reshape(average, channels),
    variance: reshape(variance(x, average, axes), channels),
  };
}

/** Normalises x by the given statistics, then scales and shifts each channel by weight and bias. */
export function normalize(
  x: Tensor,
  { mean, variance }: Statistics,
  weight: Tensor,
  bias: Tensor,
  eps: number,
): Tensor {
  return add(mul(sub(x, mean), mul(rsqrt(add(variance, eps)), weight)), bias);
}
