/** The oracle's operations on whole arrays: movement, reduction, products, look-up, random draws. */

import { hash, uniform } from "../random.ts";
import { build, type Evaluate, inside, offsetOf, type Value } from "./value.ts";

const sameElements: Evaluate = (_, [x]) => x;

/** Combines the middle of [outer, length, inner]. */
const reduction =
  (start: number, combine: (a: number, b: number) => number): Evaluate => (node, [x]) => {
    const shape = node.inputs[0].shape;
    return build(node.shape, ([o, n]) => {
      let total = start;
      for (let l = 0; l < shape[1]; l++) total = combine(total, x[offsetOf([o, l, n], shape)]);
      return total;
    });
  };

/** A NaN is the largest. */
function firstLargest(row: readonly number[]): number {
  const nan = row.findIndex(Number.isNaN);
  return nan < 0 ? row.indexOf(Math.max(...row)) : nan;
}

/** For each row the column of its largest element, by number, of those that `takes` allows. */
const argmax = (takes: (labels: Value | undefined, row: number, column: number) => boolean) =>
  ((node, [x, labels]) => {
    const columns = node.inputs[0].shape[1];
    return build(node.shape, ([b]) => {
      const all = Array.from({ length: columns }, (_, k) => k).filter((k) => takes(labels, b, k));
      return all[firstLargest(all.map((k) => x[b * columns + k]))];
    });
  }) satisfies Evaluate;

export const arrays: Record<string, Evaluate> = {
  constant: (node) => Float64Array.of(node.attributes.value as number),
  reshape: sameElements,
  detach: sameElements,
  firstRow: (node, [x]) => x.slice(0, node.size),
  variance: sameElements, // an alias of the formula beside it, with a derivative of its own

  broadcastTo: (node, [x]) => {
    const { shape } = node.inputs[0];
    const lead = node.rank - shape.length;
    return build(
      node.shape,
      (position) =>
        x[offsetOf(shape.map((extent, d) => (extent === 1 ? 0 : position[d + lead])), shape)],
    );
  },

  permute: (node, [x]) => {
    const axes = node.attributes.axes as number[];
    const { shape } = node.inputs[0];
    return build(
      node.shape,
      (position) => x[offsetOf(shape.map((_, d) => position[axes.indexOf(d)]), shape)],
    );
  },

  window: (node, [x]) => {
    const starts = node.attributes.starts as number[];
    const { shape } = node.inputs[0];
    return build(node.shape, (position) => {
      const from = position.map((p, d) => p + starts[d]);
      return inside(from, shape) ? x[offsetOf(from, shape)] : 0;
    });
  },

  concat: (node, parts) => {
    const axis = node.attributes.axis as number;
    return build(node.shape, (position) => {
      let at = position[axis];
      let k = 0;
      while (at >= node.inputs[k].shape[axis]) at -= node.inputs[k++].shape[axis];
      return parts[k][offsetOf(position.with(axis, at), node.inputs[k].shape)];
    });
  },

  sum: reduction(0, (a, b) => a + b),
  max: reduction(-Infinity, Math.max),

  matmul: (node, [a, b]) => {
    const { transA, transB } = node.attributes;
    const [shapeA, shapeB] = node.inputs.map((input) => input.shape);
    const length = shapeA[transA ? 0 : 1];
    return build(node.shape, ([m, n]) => {
      let total = 0;
      for (let k = 0; k < length; k++) {
        total += a[offsetOf(transA ? [k, m] : [m, k], shapeA)] *
          b[offsetOf(transB ? [n, k] : [k, n], shapeB)];
      }
      return total;
    });
  },

  oneHot: (node, [labels]) => build(node.shape, ([b, k]) => (labels[b] === k ? 1 : 0)),

  argmax: argmax(() => true),
  argmaxExcept: argmax((labels, row, column) => labels![row] !== column),

  takeRows: (node, [table, indices]) =>
    build(
      node.shape,
      ([b, ...rest]) => table[offsetOf([indices[b], ...rest], node.inputs[0].shape)],
    ),

  uniform: (node, [[seed, step, rows = 0]]) => {
    const stream = node.attributes.stream as number;
    const key = hash(seed, stream, step);
    const before = rows * node.size / (node.shape[0] ?? 1);
    const draw = (_: unknown, i: number) => uniform(hash(key, stream, before + i));
    return Float64Array.from({ length: node.size }, draw);
  },
};
