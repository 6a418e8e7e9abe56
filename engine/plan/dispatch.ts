/** What a plan runs: kernels on memory, one after the other. */

import { outputCount, type Scratch } from "../gpu/kernel.ts";
import type { Step, Tensor } from "../tensor/tensor.ts";

/** Where a value lies: a leaf, a node with memory of its own, or scratch memory. */
export type Storage = Tensor | Scratch;

/** One kernel with its buffers; the last ones (`written`) are written, the others only read. */
export interface Dispatch extends Step {
  /** The node that it computes, or a part of it. */
  readonly node: Tensor;
}

/** What a step writes. */
export function written({ kernel, buffers }: Step): readonly Storage[] {
  return buffers.slice(-outputCount(kernel));
}
