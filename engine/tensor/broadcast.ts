/**
 * Repeating and summing, each of which is the other's transpose and so its gradient. The kernel of a
 * reduction combines the middle of [outer, length, inner]; any set of axes is brought to that form
 * one run of neighbouring axes at a time, last run first, so that nothing is moved.
 */

import { reshape } from "./movement.ts";
import { define } from "./operation.ts";
import { normalizeAxes, numel, sameShape, type Shape, shapeError } from "./shape.ts";
import { type Operation, type Reduce, requireTensors, Tensor } from "./tensor.ts";

export const BROADCAST: Operation = define({
  name: "broadcastTo",
  kind: "broadcast",
  gradient: (node: Tensor, g: Tensor) => [sumTo(g, node.inputs[0].shape)],
});

/** Repeats `x` along new leading axes and along axes of extent 1. */
export function broadcastTo(x: Tensor, shape: Shape): Tensor {
  requireTensors("broadcastTo", x);
  if (sameShape(x.shape, shape)) return x;
  const lead = shape.length - x.rank;
  if (lead < 0 || x.shape.some((extent, d) => extent !== 1 && extent !== shape[d + lead])) {
    throw shapeError("broadcastTo", "can't broadcast", x.shape, shape);
  }
  return new Tensor(BROADCAST, [x], shape, x.dtype);
}

export interface ReduceOptions {
  /** Keep the reduced axes with extent 1. */
  keepDims?: boolean;
}

export const SUM: Reduce = define({
  name: "sum",
  kind: "reduce",
  combine: "sum",
  gradient: ({ inputs: [x] }: Tensor, g: Tensor) => {
    const [outer, , inner] = x.shape;
    return [broadcastTo(reshape(g, [outer, 1, inner]), x.shape)];
  },
});

/** Combines the middle axis of a [outer, length, inner] tensor: the primitive of every reduction. */
export function middle(operation: Reduce, x: Tensor): Tensor {
  const [outer, , inner] = x.shape;
  return new Tensor(operation, [x], [outer, inner], x.dtype);
}

/** Combines the elements along `axes`, or all. */
export function reduce(
  operation: Reduce,
  x: Tensor,
  axes?: readonly number[],
  o?: ReduceOptions,
): Tensor {
  requireTensors(operation.name, x);
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

/** Sum over `axes`, or over all; of u32 modulo 2^32. */
export function sum(x: Tensor, axes?: readonly number[], options?: ReduceOptions): Tensor {
  return reduce(SUM, x, axes, options);
}

/** Sums what broadcasting repeated: the transpose of `broadcastTo`. */
export function sumTo(x: Tensor, shape: Shape): Tensor {
  if (sameShape(x.shape, shape)) return x;
  const lead = x.rank - shape.length;
  const axes = x.shape.map((_, d) => d)
    .filter((d) => d < lead || (shape[d - lead] === 1 && x.shape[d] !== 1));
  return reshape(sum(x, axes), shape);
}
