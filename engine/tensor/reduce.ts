/** Reductions that are more than a sum, which is in broadcast.ts beside its transpose. */

import { broadcastTo, middle, reduce, type ReduceOptions, SUM, sum } from "./broadcast.ts";
import { reshape } from "./movement.ts";
import { define } from "./operation.ts";
import { add, div, equal, mul, relu, square, sub } from "./pointwise.ts";
import { shapeError } from "./shape.ts";
import { type Reduce, requireTensors, Tensor } from "./tensor.ts";

export { sum };

// Where several elements are the largest, they share the gradient evenly, as PyTorch's amax does;
// over axes that are no neighbours, run by run.
const MAX: Reduce = define({
  name: "max",
  kind: "reduce",
  combine: "max",
  gradient: (node: Tensor, g: Tensor) => {
    const [x] = node.inputs;
    const [outer, , inner] = x.shape;
    const spread = (t: Tensor) => broadcastTo(reshape(t, [outer, 1, inner]), x.shape);
    const largest = equal(x, spread(node));
    return [mul(largest, spread(div(g, middle(SUM, largest))))];
  },
});

/** Mean over `axes`, or over all. */
export function mean(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  requireTensors("mean", x);
  if (x.dtype !== "f32") throw shapeError("mean", `needs f32, not ${x.dtype}`, x.shape);
  const total = sum(x, axes, options);
  return mul(total, total.size / x.size);
}

/** Largest element over `axes`, or over all. */
export function max(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  return reduce(MAX, x, axes, options);
}

// An alias of the value, [value, x, distance], with a gradient rule that is simpler than what the
// chain rule would find: it is all that reaches x.
const VARIANCE = define({
  name: "variance",
  kind: "alias",
  gradient: (value: Tensor, g: Tensor) => {
    const [, x, distance] = value.inputs;
    return [undefined, mul(mul(g, 2 * value.size / x.size), distance), undefined];
  },
});

/**
 * Mean of the squared distance from the mean (without Bessel's correction) over `axes`, which
 * `average`, the mean over the same axes with kept dimensions, makes a second pass and so exact.
 * Its derivative is 2 (x - mean) / M: the mean's own share in it vanishes, as the distances from
 * the mean add up to zero, while in the second derivative it counts and is kept.
 */
export function variance(x: Tensor, average: Tensor, axes: readonly number[]): Tensor {
  requireTensors("variance", x, average);
  if (average.rank !== x.rank) {
    throw shapeError("variance", "the mean must keep its axes", x.shape, average.shape);
  }
  const distance = sub(x, average);
  const value = mean(square(distance), axes, { keepDims: true });
  return new Tensor(VARIANCE, [value, x, distance], value.shape);
}

// A view of what comes first in memory. It is a constant to every gradient: what sums are shifted by
// cancels out of them.
const FIRST_ROW = define({ name: "firstRow", kind: "alias" });

/**
 * Mean and variance (without Bessel's correction) of each channel of [.., C], both [1, .., 1, C], of
 * two sums that a plan takes in one pass over x. With d = x - s, where s is the first row of x,
 *
 *     mean = s + m(d),   variance = m(d^2) - m(d)^2       m: the mean over a channel's M elements
 *
 * Without s the difference would lose as many digits as mean^2 has more than the variance. With it
 * the relative error is (1 + z^2) times that of a sum, where z is how many standard deviations the
 * first row is from the mean: a few, and never more than sqrt(M - 1) (Samuelson's inequality).
 */
export function moments(x: Tensor): { readonly mean: Tensor; readonly variance: Tensor } {
  requireTensors("moments", x);
  const axes = x.shape.slice(0, -1).map((_, d) => d);
  const over = (of: Tensor) => mean(of, axes, { keepDims: true });
  const row = new Tensor(FIRST_ROW, [x], x.shape.map((extent, d) => d < axes.length ? 1 : extent));
  const shifted = sub(x, row);
  // Both sums before what is made of them: so they are taken in one pass.
  const [offset, squares] = [over(shifted), over(square(shifted))];
  const average = add(row, offset);
  // A relu, because rounding may take what is nearly 0 below it.
  const value = relu(sub(squares, square(offset)));
  const variance = new Tensor(VARIANCE, [value, x, sub(x, average)], value.shape);
  return { mean: average, variance };
}
