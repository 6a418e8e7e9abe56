/** What a kernel has to compute and to move at least, for the profiler's roofline. */

import type { Chain } from "./chain.ts";

export function product(shape: readonly number[]): number {
  return shape.reduce((all, extent) => all * extent, 1);
}

/** Bytes of a chain's operands, each counted once. */
export function chainBytes(chain: Chain): number {
  return chain.leaves.reduce((sum, leaf) => sum + 4 * product(leaf.shape), 0);
}
