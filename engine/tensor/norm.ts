/**
 * Normalisations. That of a batch is over the channels of [N, H, W, C] or [N, C]:
 *
 *     y = (x - mean) * (rstd * weight) + bias,   rstd = 1 / sqrt(variance + eps)
 *
 * It is written in operations that are differentiable any number of times, so its derivatives of
 * every order hold what goes through the batch statistics. A plan fuses the pointwise parts and takes
 * two sums at a time: forward and backward are one reduction and one pass over x each.
 */

import { add, exp, log, mul, rsqrt, square, sub } from "./pointwise.ts";
import { mean, moments, variance } from "./reduce.ts";
import { reshape, window } from "./movement.ts";
import { shapeError } from "./shape.ts";
import { requireTensors, type Tensor } from "./tensor.ts";

export interface Statistics {
  /** [C] */
  readonly mean: Tensor;
  /** [C], without Bessel's correction */
  readonly variance: Tensor;
}

/** Mean and variance of each channel over the batch and, for images, over space. */
export function batchStatistics(x: Tensor): Statistics {
  const { mean, variance } = moments(x);
  const channels = [x.shape[x.rank - 1]];
  return { mean: reshape(mean, channels), variance: reshape(variance, channels) };
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

/** (x - mean) / sqrt(variance + eps), both over some axes. */
export function standardize(x: Tensor, axes: readonly number[], eps: number): Tensor {
  const average = mean(x, axes, { keepDims: true });
  return mul(sub(x, average), rsqrt(add(variance(x, average, axes), eps)));
}

/** What a normalised value is multiplied by, and what is added; none where absent. */
export interface Affine {
  readonly weight?: Tensor;
  readonly bias?: Tensor;
}

/** x weight + bias, of channels or of whatever else broadcasts. */
export function affine(x: Tensor, { weight, bias }: Affine): Tensor {
  const scaled = weight ? mul(x, weight) : x;
  return bias ? add(scaled, bias) : scaled;
}

/** Each image's channels, each by itself, over its pixels: [N, H, W, C]. */
export function instanceNorm(x: Tensor, of: Affine = {}, eps = 1e-5): Tensor {
  requireTensors("instanceNorm", x);
  const space = x.shape.slice(1, -1).map((_, d) => d + 1);
  return affine(standardize(x, space, eps), of);
}

/** Each image's channels in groups, over the pixels and the channels of a group: [N, .., C]. */
export function groupNorm(x: Tensor, groups: number, of: Affine = {}, eps = 1e-5): Tensor {
  requireTensors("groupNorm", x);
  const channels = x.shape[x.rank - 1];
  if (x.rank < 2 || channels % groups > 0) {
    throw shapeError("groupNorm", `can't make ${groups} groups of the channels`, x.shape);
  }
  const [batch] = x.shape;
  const grouped = reshape(x, [batch, x.size / (batch * channels), groups, channels / groups]);
  return affine(reshape(standardize(grouped, [1, 3], eps), x.shape), of);
}

/** Over the last axes, as many as are said: of images [N, H, W, C] the channels of each pixel. */
export function layerNorm(x: Tensor, count = 1, of: Affine = {}, eps = 1e-5): Tensor {
  requireTensors("layerNorm", x);
  const axes = Array.from({ length: count }, (_, d) => x.rank - count + d);
  return affine(standardize(x, axes, eps), of);
}

export interface LocalResponseOptions {
  readonly alpha?: number;
  readonly beta?: number;
  readonly k?: number;
  /** How many of the channels nearby come before. */
  readonly before?: number;
}

/** x / (k + alpha / size times the sum of squares over `size` channels nearby)^beta */
export function localResponseNorm(
  x: Tensor,
  size: number,
  { alpha = 1e-4, beta = 0.75, k = 1, before = Math.floor(size / 2) }: LocalResponseOptions = {},
): Tensor {
  requireTensors("localResponseNorm", x);
  const [last, channels] = [x.rank - 1, x.shape[x.rank - 1]];
  const squares = square(x);
  const first = Math.max(-before, 1 - channels);
  const count = Math.min(size - 1 - before, channels - 1) - first + 1;
  const near = Array.from({ length: count }, (_, i) => first + i)
    .map((from) => window(squares, x.shape.map((_, d) => d === last ? from : 0), x.shape));
  const scale = add(mul(near.reduce((a, b) => add(a, b)), alpha / size), k);
  return mul(x, exp(mul(log(scale), -beta)));
}
