/**
 * Resizing. Along each axis it is a product with a fixed matrix, one row for each new pixel with the
 * shares of the old ones in it; so its gradients are products too.
 */

import { matmul } from "../../tensor/matmul.ts";
import { permute, reshape } from "../../tensor/movement.ts";
import { isKnown, known, laid, shapeOf, type Value } from "../value.ts";
import type { At, Operator } from "./at.ts";

/** Where the middle of new pixel i lies among the old ones. */
function sourceOf(
  mode: string,
  at: At,
): (i: number, scale: number, old: number, now: number) => number {
  switch (mode) {
    case "half_pixel":
      return (i, scale) => (i + 0.5) / scale - 0.5;
    case "pytorch_half_pixel":
      return (i, scale, _, now) => now > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case "align_corners":
      return (i, _, old, now) => now > 1 ? i * (old - 1) / (now - 1) : 0;
    case "asymmetric":
      return (i, scale) => i / scale;
    default:
      return at.refuse(`places pixels by ${mode}`);
  }
}

const ROUNDINGS: Readonly<Record<string, (x: number) => number>> = {
  round_prefer_floor: (x) => Math.ceil(x - 0.5),
  round_prefer_ceil: (x) => Math.floor(x + 0.5),
  floor: Math.floor,
  ceil: Math.ceil,
};

/** The shares of old pixels in new ones, [now, old], row-major. */
function shares(at: At, old: number, now: number, scale: number): number[] {
  const isUpsample = at.node.op === "Upsample";
  const mode = at.text("mode", "nearest");
  const place = sourceOf(
    isUpsample || at.opset < 11
      ? "asymmetric"
      : at.text("coordinate_transformation_mode", "half_pixel"),
    at,
  );
  const rounding = isUpsample || at.opset < 11
    ? "floor"
    : at.text("nearest_mode", "round_prefer_floor");
  const inside = (i: number) => Math.min(Math.max(i, 0), old - 1);
  const matrix = Array<number>(now * old).fill(0);
  for (let i = 0; i < now; i++) {
    const x = place(i, scale, old, now);
    if (mode === "nearest") matrix[i * old + inside(ROUNDINGS[rounding](x))] = 1;
    else {
      const low = Math.floor(x);
      matrix[i * old + inside(low)] += low + 1 - x;
      matrix[i * old + inside(low + 1)] += x - low;
    }
  }
  return matrix;
}

/** The new extents and scales: stated by either, as an attribute, or as one of the inputs. */
function target(at: At, shape: readonly number[]) {
  const isOld = at.node.op === "Upsample" || at.opset < 11;
  const place = isOld ? 1 : 2;
  const floats = at.node.attributes.get("scales")?.floats;
  const given = floats?.length ? floats : at.has(place) ? at.known(place).values : [];
  if (given.length === shape.length) {
    return shape.map((extent, d) => ({ now: Math.floor(extent * given[d]), scale: given[d] }));
  }
  const sizes = at.has(3) ? at.known(3).values : at.refuse("states neither scales nor sizes");
  if (sizes.length !== shape.length) at.refuse("resizes some axes alone");
  return shape.map((extent, d) => ({
    now: d === 0 ? extent : sizes[d],
    scale: d === 0 ? 1 : sizes[d] / extent,
  }));
}

function resize(at: At): Value {
  if (!["nearest", "linear"].includes(at.text("mode", "nearest"))) {
    at.refuse(`interpolates by ${at.text("mode", "")}`);
  }
  if (isKnown(at.x)) return at.refuse("resizes constants");
  const shape = shapeOf(at.x);
  return target(at, shape).reduce<Value>((value, { now, scale }, axis) => {
    if (now === shape[axis] && scale === 1) return value;
    const { tensor, order } = laid(value);
    const d = order.indexOf(axis);
    const matrix = laid(known(shares(at, shape[axis], now, scale), [now, shape[axis]])).tensor;
    // The axis comes last for the product, and back after it.
    const last = [...tensor.shape.keys()].filter((i) => i !== d).concat(d);
    const moved = permute(tensor, last);
    const rows = reshape(moved, [tensor.size / shape[axis], shape[axis]]);
    const product = reshape(matmul(rows, matrix, { transB: true }), moved.shape.with(-1, now));
    return { tensor: permute(product, last.map((_, i) => last.indexOf(i))), order };
  }, at.x);
}

export const resizes: Readonly<Record<string, Operator>> = { Resize: resize, Upsample: resize };
