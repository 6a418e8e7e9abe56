/** Resizing, with every way in which ONNX places pixels. */

import { cubic, linear, resizeAxis, type Shares } from "../../tensor/interpolate.ts";
import { isKnown, laid, shapeOf, type Value } from "../value.ts";
import { type At, axisOf, type Operator } from "./at.ts";

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

/** The shares of old pixels in the new one of a number, among so many. */
function sharesOf(at: At, old: number, now: number, scale: number): (i: number) => Shares {
  const isOld = at.node.op === "Upsample" || at.opset < 11;
  const transform = isOld ? "asymmetric" : at.text("coordinate_transformation_mode", "half_pixel");
  const place = sourceOf(transform, at);
  const named = isOld ? "floor" : at.text("nearest_mode", "round_prefer_floor");
  const rounding = Object.hasOwn(ROUNDINGS, named)
    ? ROUNDINGS[named]
    : at.refuse(`takes the nearest pixel by ${named}`);
  const excludes = at.int("exclude_outside", 0) === 1;
  const taps = {
    nearest: (x: number): Shares => [[rounding(x), 1]],
    linear,
    cubic: cubic(at.float("cubic_coeff_a", -0.75)),
  }[at.text("mode", "nearest") as "nearest" | "linear" | "cubic"];
  return (i) => {
    const all = taps(place(i, scale, old, now));
    if (!excludes) return all;
    const inside = all.filter(([at]) => at >= 0 && at < old);
    const sum = inside.reduce((total, [, share]) => total + share, 0);
    return inside.map(([at, share]) => [at, share / sum] as const);
  };
}

/** The new extents and scales: stated by either, as an attribute, or as one of the inputs. */
function target(at: At, shape: readonly number[]) {
  const isOld = at.node.op === "Upsample" || at.opset < 11;
  const place = isOld ? 1 : 2;
  const floats = at.node.attributes.get("scales")?.floats;
  const given = floats?.length ? floats : at.has(place) ? at.known(place).values : [];
  const axes = at.ints("axes")?.map((axis) => axisOf(axis, shape.length)) ?? [...shape.keys()];
  const ofAxis = (values: readonly number[], d: number) => values[axes.indexOf(d)];
  if (given.length === axes.length) {
    return shape.map((extent, d) => {
      const scale = ofAxis(given, d) ?? 1;
      return { now: Math.floor(extent * scale), scale };
    });
  }
  const sizes = at.has(3) ? at.known(3).values : at.refuse("states neither scales nor sizes");
  if (sizes.length !== axes.length) at.refuse(`states ${sizes.length} sizes of ${axes.length}`);
  if (at.text("keep_aspect_ratio_policy", "stretch") !== "stretch") {
    at.refuse("keeps the ratio of the sides");
  }
  return shape.map((extent, d) => {
    const now = d === 0 ? extent : ofAxis(sizes, d) ?? extent;
    return { now, scale: now / extent };
  });
}

function resize(at: At): Value {
  if (!["nearest", "linear", "cubic"].includes(at.text("mode", "nearest"))) {
    at.refuse(`interpolates by ${at.text("mode", "")}`);
  }
  if (at.int("antialias", 0) === 1) at.refuse("smooths what it makes smaller (antialias)");
  if (isKnown(at.x)) return at.refuse("resizes constants");
  const shape = shapeOf(at.x);
  return target(at, shape).reduce<Value>((value, { now, scale }, axis) => {
    if (now === shape[axis] && scale === 1) return value;
    const { tensor, order } = laid(value);
    const shares = sharesOf(at, shape[axis], now, scale);
    return { tensor: resizeAxis(tensor, order.indexOf(axis), now, shares), order };
  }, at.x);
}

export const resizes: Readonly<Record<string, Operator>> = { Resize: resize, Upsample: resize };
