/**
 * What is diagnosed and constrained: the gradient of a score at a layer.
 *
 *     s(l) = 1/B sum_b logits[b, l_b]             the score of labels l
 *     d s(l) / d A                                its gradient at a layer's output A [B, H, W, C]
 *
 * A constraint is a function of that gradient, so training on it differentiates twice. No softmax
 * stands before the score: the gradient at the logits is the constant 1/B, and what is constrained
 * is the network behind A alone (Feng et al., AAAI 2022).
 */

import { gradients } from "../tensor/autograd.ts";
import { argmaxExcept, gather } from "../tensor/indexing.ts";
import { broadcastTo } from "../tensor/broadcast.ts";
import { relu } from "../tensor/pointwise.ts";
import { mean, sum } from "../tensor/reduce.ts";
import { constant, type Tensor } from "../tensor/tensor.ts";

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
  return gradientsAt(score(logits, labels), layers);
}

/** The gradient of a number at each layer's output; zero where it doesn't depend on it. */
export function gradientsAt(of: Tensor, layers: readonly Tensor[]): Tensor[] {
  return gradients(of, layers).map((g, i) => g ?? broadcastTo(constant(0), layers[i].shape));
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
