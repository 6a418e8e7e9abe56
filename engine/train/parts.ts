/**
 * A step whose batch is taken in parts, because its activations have no room at once: the gradients of
 * the parts add up to the batch's,
 *
 *     dL/dw = sum_i d(m/B L_i)/dw        L_i: the loss of the m images of part i, of B in all
 *
 * The cross entropy and the constraint's terms are means over images, and so are L's. Dropout and
 * augmentation draw for each image what they would in the whole batch. What looks at several images
 * looks at those of a part: batch normalisation has each part's statistics, and its running averages
 * take one after the other (PyTorch's gradient accumulation does the same).
 */

import { ExitCode, UserError } from "../errors.ts";
import { add, where } from "../tensor/pointwise.ts";
import { type AssignmentPair, type Tensor, Variable } from "../tensor/tensor.ts";
import type { Trained } from "./optimizers/optimizer.ts";

/** How many images a step takes. */
export interface StepSize {
  /** Of which the loss is a mean. */
  readonly batch: number;
  /** Of which gradients are taken at a time, a divisor of the batch; all of them if absent. */
  readonly microBatch?: number;
}

/**
 * The size of steps on so many images, where that is less: whole parts, as long as there are any.
 * @throws UserError (usage) where the batch is no whole number of parts
 */
export function stepSize(
  { batch, microBatch = batch }: StepSize,
  images: number,
): Required<StepSize> {
  const part = Math.min(microBatch, batch);
  const whole = divisorOf(batch, part);
  if (part !== whole) {
    throw new UserError(
      `parts of ${part} images do not divide a batch of ${batch}; parts of ${whole} do`,
      ExitCode.usage,
    );
  }
  const [most, least] = [Math.min(batch, images), Math.min(part, images)];
  return { batch: most - most % least, microBatch: least };
}

/** The largest divisor of a batch that is not above `most`. */
export function divisorOf(batch: number, most: number): number {
  let divisor = Math.min(batch, most);
  while (batch % divisor > 0) divisor--;
  return divisor;
}

/** Gradients that are added up over the parts of a batch. */
export interface Accumulated {
  /** The sums, by which the parameters are updated. */
  readonly trained: readonly Trained[];
  /** What each part assigns. */
  readonly adding: readonly AssignmentPair[];
  readonly sums: readonly Variable[];
}

/** @param isFirst 1 for the first part of a batch [], which begins the sums anew; 0 for others */
export function accumulated(trained: readonly Trained[], isFirst: Tensor): Accumulated {
  const sums = trained.map(({ name, parameter }) =>
    new Variable(`sum of gradients of ${name}`, parameter.shape, new Float32Array(parameter.size))
  );
  return {
    sums,
    trained: trained.map((one, i) => ({ ...one, gradient: sums[i] })),
    // Not a product with 0: what an earlier step left may be no number.
    adding: trained.map(({ gradient }, i) => [
      sums[i],
      add(where(isFirst, 0, sums[i]), gradient),
    ]),
  };
}
