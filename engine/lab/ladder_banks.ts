/**
 * The banks of workgroup memory, as the ladder's lectures count them: 32 banks side by side, each 4
 * bytes wide and good for one word a cycle. A vec4 takes four of them, so reads of vec4s are served
 * for eight threads at a time, in as many cycles as the fullest group of four banks has different
 * vec4s to give. (A model of NVIDIA's; others differ in the width and not in the idea.)
 */

/** Groups of four banks, and threads that are served together. */
export const GROUPS = 8;

/** Where the ladder's shaders keep the vec4 numbered `at` of a column's row of weights. */
export type Layout = (column: number, at: number) => number;

/** Vec4s of a row of weights: 8 input channels by 2 vec4s of output channels. */
export const ROW = 16;

/** The rungs' layouts, by name. */
export const LAYOUTS = {
  workgroup_slab: (column, at) => ROW * column + at,
  double_buffer: (column, at) => ROW * column + at,
  bank_padding: (column, at) => (ROW + 1) * column + at,
  swizzle: (column, at) => ROW * column + (at ^ (column % GROUPS)),
  split_sums: (column, at) => (ROW + 1) * column + at,
} as const satisfies Readonly<Record<string, Layout>>;

/** The group of banks that a vec4 lies in. */
export const groupOf = (vector: number): number => vector % GROUPS;

/** Cycles that it takes to give eight threads the vec4s that each asks for. */
export function cyclesOf(vectors: readonly number[]): number {
  const asked = Map.groupBy(new Set(vectors), groupOf);
  return Math.max(...[...asked.values()].map((different) => different.length));
}

/** Cycles in which the eight threads of neighbouring columns get the vec4 numbered `at` of each. */
export function weightCycles(layout: Layout, at: number): number {
  return cyclesOf(Array.from({ length: GROUPS }, (_, column) => layout(column, at)));
}
