/** Operands for benchmarks: values that look like anything, the same in every run. */

import { draws, streamId, uniform } from "../../engine/random.ts";

/** Uniform values in [-bound, bound), a function of the name. */
export function uniformValues(name: string, size: number, bound = 1): Float32Array<ArrayBuffer> {
  const draw = draws(0, streamId(name));
  return Float32Array.from({ length: size }, (_, i) => (2 * uniform(draw(i)) - 1) * bound);
}
