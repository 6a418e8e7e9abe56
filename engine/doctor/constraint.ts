/**
 * Model Doctor's constraints on aggregated gradients (Feng et al., AAAI 2022), as graphs.
 *
 *     s(l) = 1/B sum_b logits[b, l_b]             the score of labels l
 *     d s(l) / d A                                its gradient at a layer's output A [B, H, W, C]
 *
 * Both constraints are functions of that gradient, so training on them differentiates twice. No
 * softmax stands before the score: the gradient at the logits is the constant 1/B, and what is
 * constrained is the network behind A alone.
 */

import { gradients } from "../tensor/autograd.ts";
import { argmaxExcept, gather, gatherRows } from "../tensor/indexing.ts";
import { abs, add, div, mul, relu, sub } from "../tensor/pointwise.ts";
import { adaptiveAvgPool2d } from "../tensor/pool.ts";
import { mean, sum } from "../tensor/reduce.ts";
import { constant, type Tensor } from "../tensor/tensor.ts";
import { broadcastTo } from "../tensor/broadcast.ts";
import { reshape } from "../tensor/movement.ts";

/** The mean over the batch of each sample's logit at its label. */
export function score(logits: Tensor, labels: Tensor): Tensor {
  return mean(gather(logits, labels));
}

/** d s(labels) / d A for each layer's output A; zero where the logits don't depend on it. */
export function scoreGradients(
  logits: Tensor,
  labels: Tensor,
  layers: readonly Tensor[],
): Tensor[] {
  return gradients(score(logits, labels), layers)
    .map((g, i) => g ?? broadcastTo(constant(0), layers[i].shape));
}

/** relu(gradient), summed over space: [B, H, W, C] to [B, C]. */
export function aggregate(gradient: Tensor): Tensor {
  const space = gradient.shape.map((_, d) => d).slice(1, -1);
  return space.length > 0 ? sum(relu(gradient), space) : relu(gradient);
}

/** The strongest class of each sample besides its own: [B] (u32). */
export function confusingClass(logits: Tensor, labels: Tensor): Tensor {
  return argmaxExcept(logits, labels);
}

/** The kernels of each class at one layer, as the channel-wise constraint needs them. */
export interface ClassKernels {
  /** The kernels each class lives on [K, C], 0 or 1. */
  readonly mask: Tensor;
  /** 1 for the classes whose kernels were found [K, 1], 0 for others; all were where absent. */
  readonly known?: Tensor;
}

/**
 * The channel-wise constraint at one layer,
 *
 *     L = 1/B sum_b sum_j  aggregate(d s(k) / d A)[b, j] mask[k_b, j]
 *                        + aggregate(d s(c) / d A)[b, j] (1 - mask[c_b, j]),
 *
 * c the label and k the confusing class: less response of the confusing class on its own kernels,
 * and of the true class on kernels that are not its own. Where a class's own kernels are not known
 * (it had no image that was classified right), no kernel is taken for foreign: the empty mask would
 * suppress every response of the classes that do worst.
 * @param own aggregated gradient of the label's score [B, C]
 * @param other aggregated gradient of the confusing class' score [B, C]
 */
export function channelConstraint(
  own: Tensor,
  other: Tensor,
  kernels: ClassKernels,
  labels: Tensor,
  confusing: Tensor,
): Tensor {
  const confused = mul(other, gatherRows(kernels.mask, confusing));
  const stray = mul(own, foreign(kernels, labels));
  return mul(sum(add(confused, stray)), 1 / labels.size);
}

/**
 * The space-wise constraint at one layer, L = sum |background * d s(c) / d A|: no response outside
 * of the figure.
 * @param gradient d s(c) / d A [B, H, W, C]
 * @param background share of background in each pixel [B, H, W, 1]; see `backgroundAt`
 */
export function spatialConstraint(gradient: Tensor, background: Tensor): Tensor {
  return sum(abs(mul(gradient, background)));
}

/**
 * Either constraint as a share, in 0 .. 1: the part of each sample's absolute gradient of the true
 * class that lies where it should not, averaged over the batch. Shrinking the whole gradient, the
 * cheapest way to please the constraints as written, gains nothing here. Of the confusing class
 * nothing is asked: a share has no size that could be lowered, only a place that could be moved,
 * and its own kernels are where its gradient belongs.
 * @param gradient d s(c) / d A, [B, ..., C]
 * @param outside how far each element is outside, 0 .. 1, of a shape that broadcasts to it: kernels
 * that are not the class's own (`strayKernels`), or background (`backgroundAt`)
 */
export function shareOutside(gradient: Tensor, outside: Tensor): Tensor {
  const size = abs(gradient);
  const axes = size.shape.map((_, d) => d).slice(1);
  return mean(div(sum(mul(size, outside), axes), add(sum(size, axes), 1e-12)));
}

/** 1 for the kernels that are not the label's own, at a layer of some rank: [B, 1, .., C]. */
export function strayKernels(kernels: ClassKernels, labels: Tensor, rank: number): Tensor {
  const ones = new Array<number>(rank - 2).fill(1);
  return reshape(foreign(kernels, labels), [labels.size, ...ones, kernels.mask.shape[1]]);
}

/** For each sample the kernels that are known not to be its class's own, 1 - mask: [B, C]. */
function foreign({ mask, known }: ClassKernels, labels: Tensor): Tensor {
  return sub(known ? gatherRows(known, labels) : 1, gatherRows(mask, labels));
}

/** The background mask [B, H, W, 1] of the images at a layer of `height` x `width`, by area. */
export function backgroundAt(mask: Tensor, height: number, width: number): Tensor {
  return adaptiveAvgPool2d(mask, [height, width]);
}
