/**
 * What flows along a graph's edges. ONNX means images as [N, C, H, W]; here they lie as [N, H, W, C].
 * So a value is a tensor and the order in which its axes lie in memory: to transpose one moves
 * nothing, images keep their channels last from end to end, and an operation that needs another
 * order asks for it. What is known without an image, such as shapes, is numbers on the host.
 */

import { broadcastTo } from "../tensor/broadcast.ts";
import { permute, reshape } from "../tensor/movement.ts";
import { numel, rowMajorStrides, type Shape } from "../tensor/shape.ts";
import { type Tensor, Variable } from "../tensor/tensor.ts";

/** A tensor whose axis d in memory is axis `order[d]` of what ONNX means. */
export interface Laid {
  readonly tensor: Tensor;
  readonly order: readonly number[];
}

/** Numbers that are known when the graph is built, row-major. */
export interface Known {
  readonly shape: Shape;
  readonly values: readonly number[];
  /** Whether they are of a type of whole numbers, as shapes are. */
  readonly isWhole: boolean;
}

export type Value = Laid | Known;

export const isKnown = (value: Value): value is Known => "values" in value;

/** Axes in memory as ONNX means them. */
const upTo = (rank: number): number[] => Array.from({ length: rank }, (_, d) => d);

/** [N, C, ...] with the channels last. */
export const channelsLast = (rank: number): number[] =>
  rank < 2 ? upTo(rank) : [0, ...upTo(rank).slice(2), 1];

/** A convolution's weights [K, C, R, S] as [R, S, C, K]. */
export const WEIGHTS_ORDER: readonly number[] = [2, 3, 1, 0];

export const plain = (tensor: Tensor): Laid => ({ tensor, order: upTo(tensor.rank) });

export const known = (
  values: readonly number[],
  shape: Shape = [values.length],
  isWhole = true,
): Known => ({ shape, values, isWhole });

/** The shape that ONNX means. */
export function shapeOf(value: Value): number[] {
  if (isKnown(value)) return [...value.shape];
  const { tensor: { shape }, order } = value;
  return upTo(shape.length).map((axis) => shape[order.indexOf(axis)]);
}

const variables = new WeakMap<Known, Variable>();

/** The value as a tensor: what is known becomes a constant on the device, once. */
export function laid(value: Value): Laid {
  if (!isKnown(value)) return value;
  let variable = variables.get(value);
  if (!variable) {
    variable = new Variable("constant", value.shape, Float32Array.from(value.values));
    variables.set(value, variable);
  }
  return plain(variable);
}

/** The value's tensor with its axes in this order in memory. */
export function inOrder(value: Value, order: readonly number[]): Tensor {
  const { tensor, order: has } = laid(value);
  return permute(tensor, order.map((axis) => has.indexOf(axis)));
}

/** The value's tensor in the order that ONNX means. */
export const inPlainOrder = (value: Value): Tensor => inOrder(value, upTo(shapeOf(value).length));

/** Known numbers under a shape, each from the place in the old shape that `from` says. */
export function picked(
  { values, shape, isWhole }: Known,
  now: Shape,
  from: (place: readonly number[]) => readonly number[],
): Known {
  const [strides, old] = [now, shape].map(rowMajorStrides);
  const result = Array.from({ length: numel(now) }, (_, i) => {
    const place = now.map((extent, d) => Math.floor(i / strides[d]) % extent);
    return values[from(place).reduce((sum, p, d) => sum + p * old[d], 0)];
  });
  return known(result, now, isWhole);
}

/** Axis d of the result is axis `axes[d]`: of a tensor only what the axes are called changes. */
export function transposed(value: Value, axes: readonly number[]): Value {
  if (isKnown(value)) {
    const shape = axes.map((axis) => value.shape[axis]);
    return picked(value, shape, (place) => value.shape.map((_, axis) => place[axes.indexOf(axis)]));
  }
  const { tensor, order } = value;
  return { tensor, order: order.map((axis) => axes.indexOf(axis)) };
}

/**
 * The same elements under another shape. Axes that are split stay where they are in memory; those
 * that are joined are brought together where the first of them lies, and no other is moved.
 */
export function reshaped(value: Value, shape: Shape): Value {
  if (isKnown(value)) return { ...value, shape };
  const before = shapeOf(value);
  const groups = groupsOf(before, shape);
  if (!groups) return plain(reshape(inPlainOrder(value), shape));
  const first = (axes: readonly number[]) =>
    Math.min(...axes.map((axis) => value.order.indexOf(axis)));
  groups.sort((a, b) => first(a.from) - first(b.from));
  const joined = inOrder(value, withOnes(groups.flatMap(({ from }) => from), before.length));
  const order = withOnes(groups.flatMap(({ to }) => to), shape.length);
  return { tensor: reshape(joined, order.map((axis) => shape[axis])), order };
}

/** Axes of one element lie anywhere: where those of images do, or else the batch's first. */
function withOnes(long: readonly number[], rank: number): number[] {
  const images = channelsLast(rank);
  const isImages = images.filter((axis) => long.includes(axis)).every((axis, i) =>
    axis === long[i]
  );
  if (isImages) return images;
  const ones = upTo(rank).filter((axis) => !long.includes(axis));
  return [...ones.filter((axis) => axis === 0), ...long, ...ones.filter((axis) => axis !== 0)];
}

/** Which axes longer than 1 become which: the shortest runs with as many elements. */
function groupsOf(before: Shape, after: Shape) {
  const [old, now] = [before, after].map((shape) => upTo(shape.length).filter((d) => shape[d] > 1));
  const groups: { readonly from: number[]; readonly to: number[] }[] = [];
  for (let i = 0, j = 0; i < old.length;) {
    const from = [old[i++]];
    if (j >= now.length) return undefined;
    const to = [now[j++]];
    for (;;) {
      const [a, b] = [numel(from.map((d) => before[d])), numel(to.map((d) => after[d]))];
      if (a === b) break;
      if (a < b ? i >= old.length : j >= now.length) return undefined;
      if (a < b) from.push(old[i++]);
      else to.push(now[j++]);
    }
    groups.push({ from, to });
  }
  return groups;
}

/** The tensors of values that are combined element by element: of one rank, in one order. */
export function aligned(values: readonly Value[]): { tensors: Tensor[]; order: readonly number[] } {
  const all = values.map(laid);
  const rank = Math.max(...all.map(({ tensor }) => tensor.rank));
  const raised = all.map(({ tensor, order }): Laid => {
    const more = rank - tensor.rank;
    return {
      tensor: reshape(tensor, [...Array(more).fill(1), ...tensor.shape]),
      order: [...upTo(more), ...order.map((axis) => axis + more)],
    };
  });
  const { order } = raised.reduce((a, b) => b.tensor.size > a.tensor.size ? b : a);
  return { tensors: raised.map((value) => inOrder(value, order)), order };
}

/** The value repeated to a shape, as ONNX means it. */
export function expanded(value: Value, shape: Shape): Laid {
  const { tensor, order } = laid(value);
  const more = shape.length - order.length;
  const full = [...upTo(more), ...order.map((axis) => axis + more)];
  const raised = reshape(tensor, [...Array(more).fill(1), ...tensor.shape]);
  return { tensor: broadcastTo(raised, full.map((axis) => shape[axis])), order: full };
}
