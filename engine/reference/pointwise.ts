/** The oracle's element-by-element operations. */

import type { Evaluate } from "./value.ts";

type Scalar = (...operands: number[]) => number;

/** By its Taylor series, which is exact to a double's rounding times e^(x^2) where x is moderate. */
function erf(x: number): number {
  if (Math.abs(x) > 4) return Math.sign(x) * (1 - erfcTail(Math.abs(x)));
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-18 * Math.abs(sum); n++) {
    term *= -x * x / n;
    sum += term / (2 * n + 1);
  }
  return 2 / Math.sqrt(Math.PI) * sum;
}

/** 1 - erf(x) for large x: its continued fraction, from the inside out. */
function erfcTail(x: number): number {
  let fraction = x;
  for (let n = 40; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * fraction);
}

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
  tanh: Math.tanh,
  erf,
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
