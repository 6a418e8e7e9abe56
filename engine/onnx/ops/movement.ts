/** Operators that move elements. What is known goes through on the host. */

import * as t from "../../tensor/mod.ts";
import {
  aligned,
  expanded,
  isKnown,
  known,
  type Laid,
  laid,
  picked,
  reshaped,
  shapeOf,
  transposed,
  type Value,
} from "../value.ts";
import { type At, axisOf, type Operator } from "./at.ts";
import { filled } from "./shapes.ts";

/** A network exported for a batch of its own states that batch in its shapes. */
function forThisBatch(shape: readonly number[], size: number, { batch }: At): readonly number[] {
  const { here, there } = batch;
  const full = t.numel(shape.map((extent) => Math.abs(extent)));
  const isOther = there !== undefined && here !== there && shape[0] === there;
  if (!isOther || (full === size && !shape.includes(-1))) return shape;
  return [here, ...shape.slice(1)];
}

function reshape(at: At): Value {
  const before = shapeOf(at.x);
  const size = t.numel(before);
  const wanted = at.ints("shape") ?? at.known(1).values;
  const keepsZero = at.int("allowzero", 0) === 1;
  const copied = wanted.map((extent, d) => extent === 0 && !keepsZero ? before[d] : extent);
  const shape = forThisBatch(copied, size, at);
  const rest = t.numel(shape.filter((extent) => extent !== -1));
  return reshapedTo(at, shape.map((extent) => (extent === -1 ? size / rest : extent)));
}

function reshapedTo(at: At, shape: readonly number[]): Value {
  const before = shapeOf(at.x);
  const fits = shape.every((extent) => Number.isInteger(extent) && extent >= 0);
  if (!fits || t.numel(shape) !== t.numel(before)) {
    at.refuse(`makes [${shape.join(", ")}] of [${before.join(", ")}]`);
  }
  return reshaped(at.x, shape);
}

function flatten(at: At): Value {
  const shape = shapeOf(at.x);
  const [given, rank] = [at.int("axis", 1), shape.length];
  const axis = given === rank ? rank : axisOf(given, rank);
  return reshapedTo(at, [t.numel(shape.slice(0, axis)), t.numel(shape.slice(axis))]);
}

function squeeze(at: At): Value {
  const shape = shapeOf(at.x);
  const axes = at.numbers("axes", 1)?.map((axis) => axisOf(axis, shape.length));
  return reshapedTo(at, shape.filter((extent, d) => axes ? !axes.includes(d) : extent !== 1));
}

function unsqueeze(at: At): Value {
  const shape = [...shapeOf(at.x)];
  const added = at.numbers("axes", 1) ?? at.refuse("states no axes");
  const axes = added.map((axis) => axisOf(axis, shape.length + added.length));
  for (const axis of axes.toSorted((a, b) => a - b)) shape.splice(axis, 0, 1);
  return reshapedTo(at, shape);
}

function transpose(at: At): Value {
  const rank = shapeOf(at.x).length;
  const axes = at.ints("perm") ?? Array.from({ length: rank }, (_, d) => rank - 1 - d);
  t.normalizeAxes("Transpose", rank, axes);
  return transposed(at.x, axes);
}

function expand(at: At): Value {
  const shape = t.broadcastShapes("Expand", shapeOf(at.x), at.known(1).values);
  return isKnown(at.x) ? filled(at.x, shape, at) : expanded(at.x, forThisBatch(shape, -1, at));
}

/** A tile that is laid more often than an image has pixels is a slip, or an attack. */
const MOST_TIMES = 4096;

function tile(at: At): Value {
  const times = at.known(1).values;
  if (!times.every((count) => count > 0 && count <= MOST_TIMES)) at.refuse(`repeats by [${times}]`);
  return times.reduce<Value>(
    (value, count, axis) => joined(Array(count).fill(value), axis, at),
    at.x,
  );
}

function concat(at: At): Value {
  const parts = at.inputs.map((_, i) => at.input(i));
  return joined(parts, axisOf(at.int("axis", 1), shapeOf(at.x).length), at);
}

function joined(parts: readonly Value[], axis: number, at: At): Value {
  if (parts.every(isKnown)) {
    if (parts.some(({ shape }) => shape.length !== 1)) at.refuse("joins constants of several axes");
    return known(parts.flatMap(({ values }) => values), undefined, parts[0].isWhole);
  }
  const { tensors, order } = aligned(parts);
  return { tensor: t.concat(tensors, order.indexOf(axis)), order };
}

/** Elements `start` to `end` along an axis, every `step`th. */
function sliced(
  value: Value,
  axis: number,
  start: number,
  end: number,
  step: number,
  at: At,
): Value {
  const shape = shapeOf(value);
  const count = Math.max(Math.ceil((end - start) / step), 0);
  if (isKnown(value)) {
    const from = (place: readonly number[]) => place.with(axis, start + step * place[axis]);
    return picked(value, shape.with(axis, count), from);
  }
  if (step < 0) at.refuse("turns images around");
  if (count === 0) at.refuse("leaves nothing");
  const d = value.order.indexOf(axis);
  // Every step-th: the range as rows of `step`, of which the first is taken; zeros fill up the last.
  const block = t.window(
    value.tensor,
    value.tensor.shape.map((_, i) => i === d ? start : 0),
    value.tensor.shape.with(d, step === 1 ? end - start : count * step),
  );
  if (step === 1) return { ...value, tensor: block };
  const [lead, rest] = [block.shape.slice(0, d), block.shape.slice(d + 1)];
  const stepped = t.slice(t.reshape(block, [...lead, count, step, ...rest]), d + 1, 0, 1);
  return { ...value, tensor: t.reshape(stepped, [...lead, count, ...rest]) };
}

function slice(at: At): Value {
  const shape = shapeOf(at.x);
  const starts = at.numbers("starts", 1) ?? at.refuse("states no starts");
  const ends = at.numbers("ends", 2) ?? at.refuse("states no ends");
  const axes = at.numbers("axes", 3) ?? starts.map((_, i) => i);
  const steps = at.has(4) ? at.known(4).values : starts.map(() => 1);
  return axes.reduce<Value>((value, given, i) => {
    const axis = axisOf(given, shape.length);
    const [extent, step] = [shape[axis], steps[i]];
    // Backwards, an end before the first element is written as a large negative number.
    const [least, most] = step < 0 ? [-1, extent - 1] : [0, extent];
    const place = (position: number) =>
      Math.min(Math.max(position < 0 ? position + extent : position, least), most);
    if (!Number.isInteger(step) || step === 0) at.refuse(`goes by ${step}`);
    const [start, end] = [place(starts[i]), place(ends[i])];
    return sliced(value, axis, start, end, step, at);
  }, at.x);
}

function split(at: At): readonly Value[] {
  const shape = shapeOf(at.x);
  const axis = axisOf(at.int("axis", 0), shape.length);
  const count = at.int("num_outputs", at.node.outputs.length);
  const { length } = at.node.outputs;
  if (count !== length) at.refuse(`makes ${count} parts for ${length} outputs`);
  const even = Math.ceil(shape[axis] / count);
  const sizes = at.numbers("split", 1) ??
    Array.from({ length: count }, (_, i) => Math.min(even, shape[axis] - i * even));
  let start = 0;
  return sizes.map((size) => {
    const part = sliced(at.x, axis, start, start + size, 1, at);
    start += size;
    return part;
  });
}

function gather(at: At): Value {
  const shape = shapeOf(at.x);
  const { values, shape: wanted } = at.known(1);
  const axis = axisOf(at.int("axis", 0), shape.length);
  const places = values.map((index) => index < 0 ? index + shape[axis] : index);
  if (wanted.length > 1) at.refuse("gathers by indices of several axes");
  if (!places.every((i) => i >= 0 && i < shape[axis])) at.refuse(`gathers beyond ${shape[axis]}`);
  if (isKnown(at.x)) {
    const rest = [shape.slice(0, axis), shape.slice(axis + 1)];
    const from = (place: readonly number[]) => {
      const index = wanted.length === 0 ? 0 : place[axis];
      return [...place.slice(0, axis), places[index], ...place.slice(axis + wanted.length)];
    };
    return picked(at.x, [...rest[0], ...wanted, ...rest[1]], from);
  }
  const value = laid(at.x);
  const parts = places.map((i) => sliced(value, axis, i, i + 1, 1, at));
  const all = joined(parts, axis, at);
  return reshaped(all, [...shape.slice(0, axis), ...wanted, ...shape.slice(axis + 1)]);
}

/** What an axis gets at its ends; negative where something is cut off. */
interface Ends {
  readonly axis: number;
  readonly before: number;
  readonly after: number;
}

/** Around each axis: zeros, a number, or the image itself mirrored or continued. */
function pad(at: At): Value {
  const shape = shapeOf(at.x);
  const pads = at.numbers("pads", 1) ?? at.refuse("states no padding");
  const axes = at.has(3)
    ? at.known(3).values.map((a) => axisOf(a, shape.length))
    : shape.map((_, d) => d);
  const value = at.has(2) ? at.known(2).values[0] : at.float("value", 0);
  const mode = at.text("mode", "constant");
  if (mode !== "constant" && mode !== "reflect" && mode !== "edge") at.refuse(`pads by ${mode}`);
  const ends = axes
    .map((axis, i): Ends => ({ axis, before: pads[i], after: pads[i + axes.length] }))
    .filter(({ before, after }) => before !== 0 || after !== 0);
  const { own = [], image = [] } = Object.groupBy(
    ends,
    ({ before, after }) => mode === "constant" || Math.min(before, after) < 0 ? "own" : "image",
  );
  const padded = own.length > 0 ? around(laid(at.x), own, value) : at.x;
  return image.reduce((x, of) => bordered(x, of, mode as "reflect" | "edge", at), padded);
}

/** A number around several axes at once. */
function around({ tensor, order }: Laid, ends: readonly Ends[], value: number): Laid {
  const starts = tensor.shape.map(() => 0);
  const shape = [...tensor.shape];
  const covered = tensor.shape.map(() => 1);
  for (const { axis, before, after } of ends) {
    const d = order.indexOf(axis);
    starts[d] = -before;
    shape[d] += before + after;
    covered[d] = tensor.shape[d];
  }
  const padded = t.window(tensor, starts, shape);
  if (value === 0) return { tensor: padded, order };
  const everywhere = covered.map((extent, d) => extent === tensor.shape[d] ? shape[d] : 1);
  const inside = t.window(t.broadcastTo(t.constant(1), covered), starts, everywhere);
  return { tensor: t.add(padded, t.mul(t.sub(1, inside), value)), order };
}

function bordered(
  x: Value,
  { axis, before, after }: Ends,
  mode: "reflect" | "edge",
  at: At,
): Value {
  if (mode === "reflect" && Math.max(before, after) >= shapeOf(x)[axis]) {
    at.refuse("mirrors more than there is");
  }
  const { tensor, order } = laid(x);
  return { tensor: t.padAxis(tensor, order.indexOf(axis), before, after, mode), order };
}

/** Blocks of channels become blocks of pixels: [N, b b C, H, W] to [N, C, H b, W b]. */
function depthToSpace(at: At): Value {
  const [n, c, h, w] = shapeOf(at.x);
  const b = at.int("blocksize", 1);
  const less = c / (b * b);
  const isDepthFirst = at.text("mode", "DCR") === "DCR";
  const split = reshaped(at.x, isDepthFirst ? [n, b, b, less, h, w] : [n, less, b, b, h, w]);
  return reshaped(transposed(split, isDepthFirst ? [0, 3, 4, 1, 5, 2] : [0, 1, 4, 2, 5, 3]), [
    n,
    less,
    h * b,
    w * b,
  ]);
}

function spaceToDepth(at: At): Value {
  const [n, c, h, w] = shapeOf(at.x);
  const b = at.int("blocksize", 1);
  const split = reshaped(at.x, [n, c, h / b, b, w / b, b]);
  return reshaped(transposed(split, [0, 3, 5, 1, 2, 4]), [n, c * b * b, h / b, w / b]);
}

export const movements: Readonly<Record<string, Operator>> = {
  Reshape: reshape,
  Flatten: flatten,
  Squeeze: squeeze,
  Unsqueeze: unsqueeze,
  Transpose: transpose,
  Expand: expand,
  Tile: tile,
  Concat: concat,
  Slice: slice,
  Split: split,
  Gather: gather,
  Pad: pad,
  DepthToSpace: depthToSpace,
  SpaceToDepth: spaceToDepth,
};
