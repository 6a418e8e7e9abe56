/** Softmax and the classification loss. */

import { gather } from "./indexing.ts";
import { detach } from "./movement.ts";
import { exp, log, neg, sub, timesZero } from "./pointwise.ts";
import { max, mean, sum } from "./reduce.ts";
import { requireTensors, type Tensor } from "./tensor.ts";

/**
 * log(softmax(x)) along the last axis of [B, K]. The largest element is subtracted first, so that
 * exp can't overflow; as the result doesn't depend on what is subtracted, it is constant to the
 * gradient.
 */
export function logSoftmax(x: Tensor): Tensor {
  requireTensors("logSoftmax", x);
  const last = [x.rank - 1];
  // Of one class: x - log(e^x), which a shader compiler takes for 0, whatever x is.
  if (x.shape[x.rank - 1] === 1) return timesZero(x);
  const shifted = sub(x, detach(max(x, last, { keepDims: true })));
  return sub(shifted, log(sum(exp(shifted), last, { keepDims: true })));
}

export function softmax(x: Tensor): Tensor {
  return exp(logSoftmax(x));
}

/** -log(softmax(logits))[b, labels[b]]: [B]. */
export function crossEntropyPerSample(logits: Tensor, labels: Tensor): Tensor {
  return neg(gather(logSoftmax(logits), labels));
}

/** The mean cross entropy of logits [B, K] against labels [B] (u32). */
export function crossEntropy(logits: Tensor, labels: Tensor): Tensor {
  return mean(crossEntropyPerSample(logits, labels));
}
