/**
 * Operations of several kernels, and the memory between them.
 *
 * Long reductions inside a kernel (a weight gradient's sum over batch and space) are split over
 * workgroups; a second kernel combines the parts in a fixed order, so the same bits come out each
 * time.
 */

import { type Place, Scratch, type SplitKernel, type Stage } from "../gpu/kernel.ts";
import { type Combine, partsKernel } from "../gpu/kernels/reduce.ts";
import type { Target } from "../gpu/kernels/target.ts";
import type { Step, Tensor } from "./tensor.ts";

/** The steps that compute `node` from its inputs by stages. */
export function stagedSteps(node: Tensor, stages: readonly Stage[]): Step[] {
  const at = (place: Place) =>
    place === "result" ? node : place instanceof Scratch ? place : node.inputs[place];
  return stages.map(({ kernel, places }) => ({ kernel, buffers: places.map(at) }));
}

/** The steps that compute `node` from its inputs by a kernel that sums. */
export function splitSum(node: Tensor, split: SplitKernel, target: Target): Step[] {
  return splitReduction(node.inputs, [node], split, "sum", target);
}

/** The steps that compute `results` side by side from `inputs` by a kernel that writes them, or parts. */
export function splitReduction(
  inputs: readonly Tensor[],
  results: readonly Tensor[],
  { kernel, splits }: SplitKernel,
  combine: Combine,
  target: Target,
): Step[] {
  if (splits === 1) return [{ kernel, buffers: [...inputs, ...results] }];
  const parts = results.map(({ shape }) => new Scratch([splits, ...shape]));
  const [{ size, dtype }] = results;
  const last = partsKernel(combine, [1, splits, size], dtype, target, results.length);
  return [
    { kernel, buffers: [...inputs, ...parts] },
    { kernel: last, buffers: [...parts, ...results] },
  ];
}
