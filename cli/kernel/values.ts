/** What kernels read where they stand in a plan. */

import type { PlannedKernel } from "../../engine/lab/unit.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import type { HostArray, Tensor } from "../../engine/tensor/tensor.ts";

/**
 * The values of everything that some kernels' units read, computed by the plan up to there.
 * @param given those that are known
 */
export async function valuesFor(
  runtime: Runtime,
  kernels: readonly PlannedKernel[],
  given: ReadonlyMap<Tensor, HostArray> = new Map(),
): Promise<Map<Tensor, HostArray>> {
  const reads = new Set(kernels.flatMap(({ unit }) => unit.reads));
  const wanted = [...reads].filter((tensor) => !given.has(tensor));
  if (wanted.length === 0) return new Map(given);
  const found = await runtime.evaluate(wanted);
  return new Map([...given, ...wanted.map((tensor, i) => [tensor, found[i]] as const)]);
}
