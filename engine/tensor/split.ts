/**
 * Long reductions inside a kernel (a weight gradient's sum over batch and space) are split over
 * workgroups; a second kernel adds the parts in a fixed order, so the same bits come out each time.
 */

import type { SplitKernel } from "../gpu/kernel.ts";
import { reduceKernel } from "../gpu/kernels/reduce.ts";
import type { Target } from "../gpu/kernels/target.ts";
import { Scratch, type Step, type Tensor } from "./tensor.ts";

/** The steps that compute `node` from its inputs by a split kernel. */
export function splitSum(
  node: Tensor,
  { kernel, splits }: SplitKernel,
  target: Target,
): Step[] {
  if (splits === 1) return [{ kernel, buffers: [...node.inputs, node] }];
  const parts = new Scratch([splits, ...node.shape]);
  return [
    { kernel, buffers: [...node.inputs, parts] },
    { kernel: reduceKernel("sum", [1, splits, node.size], target), buffers: [parts, node] },
  ];
}
