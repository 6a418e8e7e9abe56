/**
 * Gradients checked two ways, for each input and order:
 *
 *     the engine, float32  ==  the same graph, float64  ==  finite differences of that
 *
 * The left side holds kernels and plans to the graph, the right side the gradient rules to
 * calculus. What float32 may be off by is not guessed: the graph is evaluated a third time with
 * every operation rounded to float32.
 *
 * Where a ReLU or a maximum nearly ties, float32 may decide otherwise than float64; the comparison
 * takes the engine's decisions over and says how many those were (engine/reference/float64.ts).
 */

import { norm } from "../averages.ts";
import { draws, streamId, uniform } from "../random.ts";
import { decisions, float64 } from "../reference/float64.ts";
import { type HostArray, numel, type Shape, type Tensor, Variable } from "../tensor/mod.ts";
import { type Derivative, derivativesOf } from "./derivatives.ts";
import { slope, slopeError } from "./differences.ts";

/** What computes tensors: the engine, or what stands in for it. */
export interface Evaluator {
  evaluate(tensors: readonly Tensor[]): Promise<readonly HostArray[]>;
}

/** A function at one place. */
export interface Subject {
  readonly value: Tensor;
  readonly inputs: readonly NamedInput[];
}

export interface NamedInput {
  readonly name: string;
  readonly variable: Variable;
}

/** What was found for the value (order 0) or for a gradient. */
export interface Row {
  readonly order: number;
  /** Whose gradient it is; absent of the value. */
  readonly input?: string;
  readonly shape: Shape;
  /** L2 norm, in float64. */
  readonly norm: number;
  /** Relative L2 error of the engine, and the largest that rounding explains. */
  readonly engine: number;
  readonly allowed: number;
  /** How far finite differences are off, relatively; absent of the value, or where left out. */
  readonly differences?: number;
  readonly ok: boolean;
}

/** "value", "order 2, x" */
export const titleOf = ({ order, input }: Row): string =>
  input === undefined ? "value" : `order ${order}, ${input}`;

export interface Gradcheck {
  readonly rows: readonly Row[];
  /** Orders that are zero everywhere: no path leads to any input. */
  readonly constantFrom?: number;
  /** Decisions in which the engine's run and float64's differ, and how many elements decide. */
  readonly turned: number;
}

export interface GradcheckOptions {
  readonly orders: number;
  readonly seed: number;
  /** Whether float64 is held to finite differences (default yes); no adapter changes those. */
  readonly differences?: boolean;
  /** Is told what has been checked; may throw to stop. */
  readonly onRow?: (done: number, all: number) => void;
}

/** Errors of float32 below this need no explanation. */
const FLOAT32 = 1e-5;
/** The engine's sums have another order than the rounded run's, so its error is another. */
const ROUNDING = 10;
/** Differences may be off by this. */
const DIFFERENCES = 1e-6;
/**
 * Steps of differences. One along which a kink lies finds another slope, and the next is so much
 * shorter that likely none does; rounding weighs more with each.
 */
const STEPS = [2e-5, 1e-6, 1e-7, 1e-8];
/** A gradient below this share of all of its order is zero but for float64's rounding. */
const VANISHING = 1e-9;

/** @throws UserError (gpu) where the engine can't compute it */
export async function gradcheck(
  runtime: Evaluator,
  { value, inputs }: Subject,
  { orders, seed, differences: wanted = true, onRow }: GradcheckOptions,
): Promise<Gradcheck> {
  const variables = inputs.map(({ variable }) => variable);
  const random = randomNumbers(seed);
  const weights = (shape: Shape) => new Variable("weights", shape, random(numel(shape)));
  const derivatives = derivativesOf(value, variables, orders, weights);

  const found = await values(runtime, [[value], ...derivatives.map(gradientsOf)]);
  const all = inputs.length * derivatives.length;
  const rows: Row[] = [rowOf(found.orders[0][0], value.shape, 0)];
  for (const [k, derivative] of derivatives.entries()) {
    const values = found.orders[k + 1].values();
    for (const [i, gradient] of derivative.gradients.entries()) {
      if (gradient) {
        const found = values.next().value!;
        const direction = random(variables[i].size);
        const terms = found.exact.map((g, j) => g * direction[j]);
        const differences = wanted
          ? differenceError(derivative, variables[i], direction, terms)
          : undefined;
        rows.push(rowOf(found, gradient.shape, k + 1, inputs[i].name, differences));
      }
      onRow?.(k * inputs.length + i + 1, all);
    }
  }
  const reached = derivatives.filter(({ gradients }) => gradients.some((g) => g)).length;
  return { rows, turned: found.turned, constantFrom: reached < orders ? reached + 1 : undefined };
}

const gradientsOf = ({ gradients }: Derivative) => gradients.filter((g) => g !== undefined);

/** A tensor by the engine and by the oracle. */
interface Found {
  readonly exact: Float64Array;
  readonly norm: number;
  /** Relative errors: the engine's, and that of the graph with every operation rounded. */
  readonly engine: number;
  readonly rounded: number;
}

/** The tensors of each order: by the engine, in float64, and in float64 rounded to float32. */
async function values(runtime: Evaluator, orders: readonly (readonly Tensor[])[]) {
  const tensors = orders.flat();
  const deciding = decisions(tensors);
  const engine = await runtime.evaluate([...tensors, ...deciding]);
  const decided = new Map(deciding.map((node, i) => [node, engine[tensors.length + i]]));
  const run = (rounded: boolean) =>
    float64(tensors, new Map(), decided, { rounded, simplified: false });
  const [same, rounded] = [run(false), run(true)];
  const own = same.turned === 0
    ? same
    : float64(tensors, new Map(), undefined, { simplified: false });
  let at = 0;
  const found = orders.map((tensors): Found[] => {
    const places = tensors.map(() => at++);
    const together = Math.hypot(...places.map((i) => norm(same.values[i])));
    return places.map((i) => {
      const size = norm(same.values[i]);
      const scale = (size <= VANISHING * together ? together : size) || 1;
      const off = (a: ArrayLike<number>) => distance(a, same.values[i]) / scale;
      return {
        exact: own.values[i],
        norm: size,
        engine: off(engine[i]),
        rounded: off(rounded.values[i]),
      };
    });
  });
  return { orders: found, turned: same.turned };
}

function rowOf(
  { norm, engine, rounded }: Found,
  shape: Shape,
  order: number,
  input?: string,
  differences?: number,
): Row {
  const allowed = Math.max(FLOAT32, ROUNDING * rounded);
  const ok = engine <= allowed && (differences === undefined || differences <= DIFFERENCES);
  return { order, input, shape, norm, engine, allowed, differences, ok };
}

/** How far the gradient is from the slope along a direction of one input, by the best step. */
function differenceError(
  { of }: Derivative,
  input: Variable,
  direction: Float32Array,
  terms: Float64Array,
): number {
  const at = (step: number) => {
    const moved = Float64Array.from(input.initial, (x, i) => x + step * direction[i]);
    const options = { simplified: false };
    return float64([of], new Map([[input, moved]]), undefined, options).values[0][0];
  };
  let best = Infinity;
  for (const step of STEPS) {
    best = Math.min(best, slopeError(terms, slope(at, step)));
    if (best <= DIFFERENCES) break;
  }
  return best;
}

/** Numbers in [-1, 1) by the seed, others at each call. */
export function randomNumbers(seed: number): (count: number) => Float32Array<ArrayBuffer> {
  let calls = 0;
  return (length) => {
    const draw = draws(seed, streamId(`lab ${calls++}`));
    return Float32Array.from({ length }, (_, i) => 2 * uniform(draw(i)) - 1);
  };
}

function distance(a: ArrayLike<number>, b: Float64Array): number {
  const difference = b.map((v, i) => a[i] - v);
  const length = norm(difference);
  return Number.isNaN(length) ? Infinity : length;
}
