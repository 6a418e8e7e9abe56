/** Borders around images [N, H, W, C] that are no zeros; those are `pad2d`'s. */

import { broadcastTo } from "./broadcast.ts";
import { concat, pad2d, slice } from "./movement.ts";
import { add, mul, sub } from "./pointwise.ts";
import { shapeError } from "./shape.ts";
import { constant, requireTensors, type Tensor } from "./tensor.ts";

/** The image mirrored at its outermost pixels, or those pixels again. */
export type Border = "reflect" | "edge";

/** Elements before and after an axis, made of what is there. */
export function padAxis(
  x: Tensor,
  axis: number,
  before: number,
  after: number,
  border: Border,
): Tensor {
  const extent = x.shape[axis];
  if (border === "reflect" && Math.max(before, after) >= extent) {
    throw shapeError("padAxis", `can't mirror ${Math.max(before, after)} of ${extent}`, x.shape);
  }
  const one = (i: number) => slice(x, axis, i, i + 1);
  const [first, last] = border === "edge"
    ? [again(one(0), axis, before), again(one(extent - 1), axis, after)]
    : [
      Array.from({ length: before }, (_, i) => one(before - i)),
      Array.from({ length: after }, (_, i) => one(extent - 2 - i)),
    ];
  return before + after === 0 ? x : concat([...first, x, ...last], axis);
}

/** A line of pixels as often as it is wanted. */
const again = (line: Tensor, axis: number, count: number): Tensor[] =>
  count === 0 ? [] : [broadcastTo(line, line.shape.with(axis, count))];

/** Pixels on the left, the right, above and below, as PyTorch orders them; or as many everywhere. */
export type Padding = number | readonly [left: number, right: number, top: number, bottom: number];

const sides = (padding: Padding) =>
  typeof padding === "number" ? [padding, padding, padding, padding] as const : padding;

function bordered(name: string, x: Tensor, padding: Padding, border: Border): Tensor {
  requireTensors(name, x);
  if (x.rank !== 4) throw shapeError(name, "needs [N, H, W, C]", x.shape);
  const [left, right, top, bottom] = sides(padding);
  return padAxis(padAxis(x, 1, top, bottom, border), 2, left, right, border);
}

export const reflectionPad2d = (x: Tensor, padding: Padding): Tensor =>
  bordered("reflectionPad2d", x, padding, "reflect");

export const replicationPad2d = (x: Tensor, padding: Padding): Tensor =>
  bordered("replicationPad2d", x, padding, "edge");

/** A number around the image. */
export function constantPad2d(x: Tensor, padding: Padding, value: number): Tensor {
  requireTensors("constantPad2d", x);
  const [left, right, top, bottom] = sides(padding);
  const padded = pad2d(x, top, bottom, left, right);
  if (value === 0) return padded;
  const ones = broadcastTo(constant(1), [1, x.shape[1], x.shape[2], 1]);
  return add(padded, mul(sub(1, pad2d(ones, top, bottom, left, right)), value));
}
