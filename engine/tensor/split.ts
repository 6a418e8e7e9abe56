/**
 * Operations of several kernels, and the memory between them.
 *
 * Long reductions inside a kernel (a weight gradient's sum over batch and space) are split over
 * workgroups; a second kernel combines the parts in a fixed order, so the same bits come out each
 * time.
 */

import { type Place, Scratch, type SplitKernel, type Stage } from "../gpu/kernel.ts";
import { partsKernel } from "../gpu/kernels/reduce.ts";
import type { Target } from "../gpu/kernels/target.ts";
import type { Step, Tensor } from "./tensor.ts";

/** The steps that compute `node` from its inputs by stages. */
export function stagedSteps(node: Tensor, stages: readonly Stage[]): Step[] {
  const at = (place: Place) =>
    place === "result" ? node : place instanceof Scratch ? place : node.inputs[place];
  return stages.map(({ kernel, places }) => ({ kernel, buffers: places.map(at) }));
}

/** The steps that compute `node` from its inputs by a kernel that writes it, or parts of it to be added. */
export function splitSum(node: Tensor, { kernel, splits }: SplitKernel, target: Target): Step[] {
  if (splits === 1) return [{ kernel, buffers: [...node.inputs, node] }];
  const parts = new Scratch([splits, ...node.shape]);
  const last = partsKernel("sum", [1, splits, node.size], node.dtype, target);
  return [
    { kernel, buffers: [...node.inputs, parts] },
    { kernel: last, buffers: [parts, node] },
  ];
}
