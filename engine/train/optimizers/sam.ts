/**
 * Sharpness-aware minimisation (Foret et al., ICLR 2021) around any optimizer: a step follows the
 * gradient of the place near by where the loss is highest, to first order,
 *
 *     first pass    e = rho g / |g|,  w = w + e       g the loss's gradient, |g| over all parameters
 *     second pass   w = what the optimizer makes of w - e and the gradient at w
 *
 * so a step is two passes over its batch: the same images, the same dropout. What is taken back is
 * what was added, but for a rounding.
 */

import { add, div, mul, sqrt, square, sub } from "../../tensor/pointwise.ts";
import { sum } from "../../tensor/reduce.ts";
import type { AssignmentPair } from "../../tensor/tensor.ts";
import type { StepState } from "../state.ts";
import type { Trained } from "./optimizer.ts";

export interface SamOptions {
  /** How far the weights are moved, as the length of all of them together. */
  readonly rho: number;
}

/** @returns what the first pass assigns, and what the optimizer updates in the second */
export function climb(
  trained: readonly Trained[],
  { rho }: SamOptions,
  state: StepState,
): { readonly moves: AssignmentPair[]; readonly moved: Trained[] } {
  const squares = trained.map(({ gradient }) => sum(square(gradient)));
  const norm = sqrt(squares.reduce((a, b) => add(a, b)));
  const scale = div(rho, add(norm, 1e-12));
  const moves: AssignmentPair[] = [];
  const moved = trained.map((one) => {
    const { name, parameter, gradient } = one;
    const move = state.keep(`move of ${name}`, parameter.shape);
    const next = mul(gradient, scale);
    moves.push([move, next], [parameter, add(parameter, next)]);
    return { ...one, value: sub(parameter, move) };
  });
  return { moves, moved };
}
