/** Batch normalisation as a layer does it: by the batch in training, else by running averages. */

import { ExitCode, UserError } from "../errors.ts";
import { batchStatistics, normalize } from "../tensor/norm.ts";
import { add, mul, sub } from "../tensor/pointwise.ts";
import { showShape } from "../tensor/shape.ts";
import type { Tensor, Variable } from "../tensor/tensor.ts";
import type { Pass } from "./module.ts";

/** All of them [C]. */
export interface BatchNormState {
  readonly weight: Tensor;
  readonly bias: Tensor;
  readonly running_mean: Variable;
  readonly running_var: Variable;
  readonly eps: number;
  /** Share of a batch in the running averages. */
  readonly momentum: number;
}

/**
 * Normalises over the last axis, and leaves the new running averages in the pass.
 * @param name of the layer, for messages
 * @throws UserError (usage) in training where a channel has one value: its statistics would mean
 * nothing
 */
export function batchNorm(
  x: Tensor,
  { weight, bias, running_mean, running_var, eps, momentum }: BatchNormState,
  pass: Pass,
  name: string,
): Tensor {
  if (!pass.training) {
    return normalize(x, { mean: running_mean, variance: running_var }, weight, bias, eps);
  }
  const count = x.size / x.shape[x.rank - 1];
  // One value is its own mean: it would become 0, whatever the image. PyTorch refuses it too.
  if (count === 1) {
    throw new UserError(
      `batch normalisation ${name} has one value in a channel to train on: ` +
        `its input is ${showShape(x.shape)}`,
      ExitCode.usage,
      "it needs two or more: use a larger --batch, or larger images (--size)",
    );
  }
  const batch = batchStatistics(x);
  // The running variance is the unbiased estimate, the one that normalises the batch is not.
  const unbiased = mul(batch.variance, count / (count - 1));
  const average = (old: Tensor, now: Tensor) =>
    pass.momentum
      ? add(old, mul(sub(now, old), pass.momentum))
      : add(mul(old, 1 - momentum), mul(now, momentum));
  pass.updates.push(
    [running_mean, average(running_mean, batch.mean)],
    [running_var, average(running_var, unbiased)],
  );
  return normalize(x, batch, weight, bias, eps);
}
