/** The oracle's element-by-element operations. */

import type { Evaluate } from "./value.ts";

type Scalar = (...operands: number[]) => number;

/** Each operation on single elements. */
export const scalars: Readonly<Record<string, Scalar>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: (x) => Number(x > 0) - Number(x < 0),
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  rsqrt: (x) => 1 / Math.sqrt(x),
  square: (x) => x * x,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
  relu: (x) => Math.max(x, 0),
  relu6: (x) => Math.min(Math.max(x, 0), 6),
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  gate: (g, x) => (x <= 0 ? 0 : g),
  where: (condition, a, b) => (condition !== 0 ? a : b),
  greater: (a, b) => (a > b ? 1 : 0),
  equal: (a, b) => (a === b ? 1 : 0),
  toFloat: (x) => x,
  timesZero: (x) => 0 * x,
};

const elementwise = (f: Scalar): Evaluate => (node, inputs) =>
  Float64Array.from({ length: node.size }, (_, i) => f(...inputs.map((x) => x[i])));

export const pointwise: Record<string, Evaluate> = Object.fromEntries(
  Object.entries(scalars).map(([name, f]) => [name, elementwise(f)]),
);
