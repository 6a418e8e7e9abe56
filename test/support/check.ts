/**
 * The three-way check of an operation and its derivatives:
 *
 *     GPU, float32  ==  the same graph by the oracle, float64  ==  finite differences of the oracle
 *
 * for the value f(x), for the gradient of <r, f> with r fixed at random, and for the gradient of
 * <s, gradient>. The left side tests kernels and plans, the right side tests gradient rules.
 */

import { ok } from "node:assert/strict";
import { type Derivative, derivativesOf } from "../../engine/lab/derivatives.ts";
import { slope, slopeError } from "../../engine/lab/differences.ts";
import { openGpu } from "../../engine/host/gpu.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { draws, uniform } from "../../engine/random.ts";
import { numel, type Shape, type Tensor, Variable } from "../../engine/tensor/mod.ts";
import { interpret } from "../../engine/reference/interpreter.ts";

/** A function of tensors at one place. */
export interface Case {
  readonly name: string;
  readonly inputs: readonly Variable[];
  readonly f: (...inputs: Tensor[]) => Tensor;
  /** Largest relative L2 error of float32, in the value and its derivatives alike. */
  readonly tolerance: number;
}

/** Rounding errors of a few dozen float32 operations stay well below this. */
const TOLERANCE = 1e-5;
/** Differences in float64 with such steps leave errors of about 1e-9. */
const DIFFERENCES_TOLERANCE = 1e-6;
const STEP = 2e-5;

export function operation(
  name: string,
  inputs: readonly Variable[],
  f: (...inputs: Tensor[]) => Tensor,
  tolerance = TOLERANCE,
): Case {
  count = 0;
  return { name, inputs, f, tolerance };
}

let runtime: Promise<Runtime> | undefined;

/** The runtime that all tests of a file share. */
export function testRuntime(): Promise<Runtime> {
  return runtime ??= openGpu().then((gpu) => new Runtime(gpu));
}

// Random inputs. Each has draws of its own; every case counts anew, so none depends on another.

let count = 0;

/** A variable whose elements are a function of uniform draws. */
function variable(shape: Shape, element: (draw: number, i: number) => number): Variable {
  const draw = draws(1, count);
  const initial = Float32Array.from(
    { length: numel(shape) },
    (_, i) => element(uniform(draw(i)), i),
  );
  return new Variable(`x${count++}`, shape, initial);
}

/** Numbers in [low, high). */
export const within = (low: number, high: number, shape: Shape) =>
  variable(shape, (u) => low + (high - low) * u);
/** Numbers in [-1, 1). */
export const random = (shape: Shape) => within(-1, 1, shape);
/** Numbers of both signs, no nearer to zero than 0.1: away from the kink of ReLU and its kind. */
export const nonzero = (shape: Shape) =>
  variable(shape, (u) => (u < 0.5 ? -0.1 - 2 * u : 2 * u - 0.9));
/** Numbers of which no two are nearer than 0.6 / size: away from the kinks of maxima. */
export const distinct = (shape: Shape): Variable => {
  const size = numel(shape);
  const keys = random([size]).initial;
  const order = Array.from(keys, (_, i) => i).sort((a, b) => keys[a] - keys[b]);
  return variable(shape, (u, i) => (2 * order[i] + 0.7 * u) / size - 1);
};
export const values = (shape: Shape, ...elements: number[]) =>
  new Variable("values", shape, Float32Array.from(elements));
export const indices = (...elements: number[]) =>
  new Variable("indices", [elements.length], Uint32Array.from(elements));

// The check.

/** Relative L2 errors of the GPU, in the value and the gradients of first and second order. */
export type Errors = [value: number, first: number, second: number];

/** f at its inputs, with the gradients of both orders at each of the differentiable ones. */
interface Derivatives {
  readonly value: Tensor;
  readonly parameters: readonly Variable[];
  readonly orders: readonly Derivative[];
}

/** Builds the graphs of the value and of both derivatives. */
export function derivatives({ inputs, f }: Case): Derivatives {
  count = inputs.length;
  const value = f(...inputs);
  const parameters = inputs.filter((input) => input.dtype === "f32");
  return { value, parameters, orders: derivativesOf(value, parameters, 2, random) };
}

/** Checks a case in all three ways; returns the GPU's errors. */
export async function check(operation: Case): Promise<Errors> {
  return await compare(operation, checkRules(operation));
}

/** The right side of the check alone, for what is made of operations that are checked themselves. */
export function checkRules(operation: Case): Derivatives {
  const found = derivatives(operation);
  for (const [k, order] of found.orders.entries()) {
    const name = `${operation.name}: ${["first", "second"][k]} derivative`;
    checkDifferences(name, order, found.parameters);
  }
  return found;
}

/** The left side of the check alone, on a runtime of the caller's choice. */
export async function compare(
  operation: Case,
  { value, orders }: Derivatives = derivatives(operation),
  runtime?: Runtime,
): Promise<Errors> {
  const groups = [
    [value],
    ...orders.map(({ gradients }) => gradients.filter((g) => g !== undefined)),
  ];
  const tensors = groups.flat();
  const found = await evaluate(tensors, runtime);
  const wanted = interpret(tensors);
  const errors: Errors = [0, 0, 0];
  groups.forEach((group, k) => {
    for (const tensor of group) {
      const i = tensors.indexOf(tensor);
      const error = relativeError(found[i], wanted[i]);
      const what = `${operation.name}: ${["value", "first", "second"][k]} (${tensor})`;
      ok(error <= operation.tolerance, `${what}: the GPU is off by ${error}`);
      errors[k] = Math.max(errors[k], error);
    }
  });
  return errors;
}

/** Compares gradients with the change of what they are of along a random direction. */
function checkDifferences(
  what: string,
  { of, gradients }: Derivative,
  parameters: readonly Variable[],
): void {
  const direction = parameters.map((p) => random(p.shape).initial);
  const at = (step: number) => {
    const moved = parameters.map((p, i) =>
      [p, Float64Array.from(p.initial, (x, j) => x + step * direction[i][j])] as const
    );
    return interpret([of], new Map(moved))[0][0];
  };
  const slopes = interpret(gradients.filter((g) => g !== undefined));
  const terms = gradients.flatMap((g, i) =>
    g ? Array.from(slopes.shift()!, (slope, j) => slope * direction[i][j]) : []
  );
  const difference = slope(at, STEP);
  const error = slopeError(terms, difference);
  ok(
    error <= DIFFERENCES_TOLERANCE,
    `${what}: finite differences say ${difference}, and it is off by ${error} of that`,
  );
}

/** Tensors' values by the GPU, in one plan. Its memory is freed again. */
export async function evaluate(
  tensors: readonly Tensor[],
  runtime?: Runtime,
): Promise<Float64Array[]> {
  const on = runtime ?? await testRuntime();
  try {
    return (await on.evaluate(tensors)).map((value) => Float64Array.from(value));
  } finally {
    on.destroy();
  }
}

/** |a - b| / |b| in the Euclidean norm; |a| where b is zero. Infinite where a NaN or Infinity is. */
export function relativeError(a: ArrayLike<number>, b: ArrayLike<number>): number {
  const norm = (x: number[]) => Math.sqrt(x.reduce((sum, v) => sum + v * v, 0));
  const wanted = Array.from(b);
  const error = norm(wanted.map((v, i) => a[i] - v)) / (norm(wanted) || 1);
  return Number.isNaN(error) || a.length !== b.length ? Infinity : error;
}

/** One test for each case. */
export function testCases(cases: readonly Case[]): void {
  for (const each of cases) Deno.test(each.name, async () => void await check(each));
}
