/** Reductions that are more than a sum, which is in broadcast.ts beside its transpose. */

import { broadcastTo, middle, reduce, type ReduceOptions, SUM, sum } from "./broadcast.ts";
import { reshape } from "./movement.ts";
import { div, equal, mul, square, sub } from "./pointwise.ts";
import { shapeError } from "./shape.ts";
import { type Operation, Tensor } from "./tensor.ts";

export { sum };

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

/** Mean over `axes`, or over all. */
export function mean(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  const total = sum(x, axes, options);
  return mul(total, total.size / x.size);
}

/** Largest element over `axes`, or over all. */
export function max(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  return reduce(MAX, x, axes, options);
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
