/** Reductions over axes. */

import * as t from "../../tensor/mod.ts";
import { isKnown, known, laid, shapeOf, type Value } from "../value.ts";
import { type At, axisOf, type Operator } from "./at.ts";

type Reduction = (x: t.Tensor, axes: readonly number[], options: t.ReduceOptions) => t.Tensor;

const reduction = (f: Reduction): Operator => (at) => {
  const rank = shapeOf(at.x).length;
  const given = at.numbers("axes", 1)?.map((axis) => axisOf(axis, rank));
  if (given?.length === 0 || (!given && at.int("noop_with_empty_axes", 0) === 1)) return at.x;
  const { tensor, order } = laid(at.x);
  const isReduced = (axis: number) => given?.includes(axis) ?? true;
  const axes = order.map((axis, d) => (isReduced(axis) ? d : -1)).filter((d) => d >= 0);
  const y = f(tensor, axes, { keepDims: true });
  if (at.int("keepdims", 1) === 1) return { tensor: y, order };
  const kept = order.filter((axis) => !isReduced(axis));
  const names = kept.toSorted((a, b) => a - b);
  const shape = y.shape.filter((_, d) => !axes.includes(d));
  return { tensor: t.reshape(y, shape), order: kept.map((axis) => names.indexOf(axis)) };
};

/** Of known numbers products alone are taken: how many elements a shape has. */
function product(at: At): Value {
  if (!isKnown(at.x)) return at.refuse("multiplies values of images");
  const isKept = at.int("keepdims", 1) === 1;
  return known([t.numel(at.x.values)], isKept ? [1] : []);
}

export const reductions: Readonly<Record<string, Operator>> = {
  ReduceMean: reduction(t.mean),
  ReduceSum: reduction(t.sum),
  ReduceMax: reduction(t.max),
  ReduceMin: reduction((x, axes, options) => t.neg(t.max(t.neg(x), axes, options))),
  ReduceL1: reduction((x, axes, options) => t.sum(t.abs(x), axes, options)),
  ReduceL2: reduction((x, axes, options) => t.sqrt(t.sum(t.square(x), axes, options))),
  ReduceSumSquare: reduction((x, axes, options) => t.sum(t.square(x), axes, options)),
  ReduceProd: product,
};
