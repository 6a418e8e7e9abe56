/**
 * Reductions. The kernel combines the middle of [outer, length, inner]; any set of axes is brought
 * to that form one run of neighbouring axes at a time, last run first, so that nothing is moved.
 */

import { broadcastTo, reshape } from "./movement.ts";
import { div, equal, mul, square, sub } from "./pointwise.ts";
import { normalizeAxes, numel, sameShape, type Shape, shapeError } from "./shape.ts";
import { type Operation, Tensor } from "./tensor.ts";

export interface ReduceOptions {
  /** Keep the reduced axes with extent 1. */
  keepDims?: boolean;
}

export const SUM: Operation = {
  name: "sum",
  kind: "reduce",
  combine: "sum",
  gradient: ({ inputs: [x] }, g) => {
    const [outer, , inner] = x.shape;
    return [broadcastTo(reshape(g, [outer, 1, inner]), x.shape)];
  },
};

// Where several elements are the largest, they share the gradient evenly, as PyTorch's amax does;
// over axes that are no neighbours, run by run.
const MAX: Operation = {
  name: "max",
  kind: "reduce",
  combine: "max",
  gradient: (node, g) => {
    const [x] = node.inputs;
    const [outer, , inner] = x.shape;
    const spread = (t: Tensor) => broadcastTo(reshape(t, [outer, 1, inner]), x.shape);
    const largest = equal(x, spread(node));
    return [mul(largest, spread(div(g, middle(SUM, largest))))];
  },
};

/** Combines the middle axis of a [outer, length, inner] tensor: the primitive of this file. */
function middle(operation: Operation, x: Tensor): Tensor {
  const [outer, , inner] = x.shape;
  return new Tensor(operation, [x], [outer, inner]);
}

function reduce(operation: Operation, x: Tensor, axes?: readonly number[], o?: ReduceOptions) {
  const sorted = normalizeAxes(operation.name, x.rank, axes);
  const reduced = (d: number) => sorted.includes(d);
  let result = x;
  let shape: Shape = x.shape;
  for (let end = x.rank; end > 0;) {
    let start = end - 1;
    while (start > 0 && reduced(start - 1) === reduced(end - 1)) start--;
    if (reduced(end - 1) && numel(shape.slice(start, end)) > 1) {
      const parts = [shape.slice(0, start), shape.slice(start, end), shape.slice(end)];
      result = middle(operation, reshape(result, parts.map(numel)));
      shape = [...parts[0], ...parts[1].map(() => 1), ...parts[2]];
    } else if (reduced(end - 1)) {
      shape = shape.map((extent, d) => (d >= start && d < end ? 1 : extent));
    }
    end = start;
  }
  return reshape(result, o?.keepDims ? shape : shape.filter((_, d) => !reduced(d)));
}

/** Sum over `axes`, or over all. */
export function sum(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  return reduce(SUM, x, axes, options);
}

/** Mean over `axes`, or over all. */
export function mean(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  const total = sum(x, axes, options);
  return mul(total, total.size / x.size);
}

/** Largest element over `axes`, or over all. */
export function max(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  return reduce(MAX, x, axes, options);
}

/** Sums what broadcasting repeated: the transpose of `broadcastTo`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.map((_, d) => d)
    .filter((d) => d < lead || (shape[d - lead] === 1 && x.shape[d] !== 1));
  return reshape(sum(x, axes), shape);
}

/**
 * A value with a gradient rule of its own: `value` seen as a function of `inputs`. For formulas
 * whose derivative is known to be simpler than what the chain rule would find.
 * @param rule the gradient that reaches each of `inputs`, in differentiable operations
 */
function withGradient(
  name: string,
  value: Tensor,
  inputs: readonly Tensor[],
  rule: (gradient: Tensor) => readonly Tensor[],
): Tensor {
  const operation: Operation = {
    name,
    kind: "alias",
    gradient: (_, g) => [undefined, ...rule(g)],
  };
  return new Tensor(operation, [value, ...inputs], value.shape);
}

/**
 * Mean of the squared distance from the mean (without Bessel's correction) over `axes`, which
 * `average`, the mean over the same axes with kept dimensions, makes a second pass and so exact.
 * Its derivative is 2 (x - mean) / M: the mean's own share in it vanishes, as the distances from
 * the mean add up to zero, while in the second derivative it counts and is kept.
 */
export function variance(x: Tensor, average: Tensor, axes: readonly number[]): Tensor {
  if (average.rank !== x.rank) {
    throw shapeError("variance", "the mean must keep its axes", x.shape, average.shape);
  }
  const distance = sub(x, average);
  const value = mean(square(distance), axes, { keepDims: true });
  const factor = 2 * value.size / x.size;
  return withGradient("variance", value, [x], (g) => [mul(mul(g, factor), distance)]);
}
