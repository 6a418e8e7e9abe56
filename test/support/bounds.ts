/**
 * Bounds on time and memory that hold while other tests run: what is slow by itself is slow each time,
 * and memory is that of the test's own heap, not of the process that others are in.
 */

import assert from "node:assert/strict";

/** How often something may be slower than its bound before it is said to be. */
const TRIES = 3;

/** Does something that can be done again, in so many milliseconds. */
export async function within<T>(ms: number, what: string, work: () => T): Promise<Awaited<T>> {
  const took: number[] = [];
  while (took.length < TRIES) {
    const begun = performance.now();
    const result = await work();
    took.push(performance.now() - begun);
    if (took.at(-1)! < ms) return result;
  }
  assert.fail(`${what} took ${took.map(Math.round).join(", ")} ms`);
}

/** The bytes that this test's heap has, with the arrays outside of it. */
export function ownMemory(): number {
  const { heapTotal, external } = Deno.memoryUsage();
  return heapTotal + external;
}
