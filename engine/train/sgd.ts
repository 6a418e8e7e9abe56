/** Stochastic gradient descent with momentum and weight decay, as PyTorch's `SGD` computes it. */

import { add, mul, sub } from "../tensor/pointwise.ts";
import { type AssignmentPair, type Tensor, Variable } from "../tensor/tensor.ts";

/** The constants of the update rule. */
export interface SgdOptions {
  /** Share of the velocity that is kept, in 0 .. 1. */
  readonly momentum: number;
  /** Weight of the squared parameters in the loss, halved; added to the gradient. */
  readonly weightDecay: number;
}

/** The velocity of every parameter, by its name; part of what a checkpoint keeps. */
export type Velocities = ReadonlyMap<string, Variable>;

/** The velocities of a run's beginning. */
export function zeroVelocities(parameters: ReadonlyMap<string, Variable>): Velocities {
  return new Map([...parameters].map(([name, { shape, size }]) => [
    name,
    new Variable(`velocity of ${name}`, shape, new Float32Array(size)),
  ]));
}

/** v = momentum v + (g + weightDecay w);  w = w - lr v */
export function sgd(
  parameters: ReadonlyMap<string, Variable>,
  velocities: Velocities,
  gradients: ReadonlyMap<string, Tensor>,
  lr: Tensor,
  { momentum, weightDecay }: SgdOptions,
): AssignmentPair[] {
  return [...parameters].flatMap(([name, w]): AssignmentPair[] => {
    const velocity = velocities.get(name)!;
    const decayed = add(gradients.get(name)!, mul(w, weightDecay));
    const next = add(mul(velocity, momentum), decayed);
    return [[velocity, next], [w, sub(w, mul(next, lr))]];
  });
}
