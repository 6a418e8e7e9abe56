/**
 * Operations that move elements and compute nothing. Each is linear, so its gradient is the
 * transposed movement: reshape back, permute back, and for `window`, which is slicing and zero padding
 * in one, the window that undoes it.
 */

import { concatPart, permuteKernel, windowKernel } from "../gpu/kernels/movement.ts";
import { define, defineKernels, type KernelOperation } from "./operation.ts";
import { checkExtents, normalizeAxes, numel, sameShape, type Shape, shapeError } from "./shape.ts";
import { requireTensors, Tensor } from "./tensor.ts";

const RESHAPE = define({
  name: "reshape",
  kind: "alias",
  gradient: (node: Tensor, g: Tensor) => [reshape(g, node.inputs[0].shape)],
});

/** The same elements in row-major order under another shape; one extent may be -1. */
export function reshape(x: Tensor, shape: Shape): Tensor {
  requireTensors("reshape", x);
  const known = numel(shape.filter((extent) => extent !== -1));
  const full = shape.map((extent) => (extent === -1 ? x.size / known : extent));
  if (numel(full) !== x.size || !full.every(Number.isInteger)) {
    throw shapeError("reshape", "sizes differ", x.shape, shape);
  }
  return sameShape(full, x.shape) ? x : new Tensor(RESHAPE, [x], full, x.dtype);
}

/** All axes from `start` on as one: [N, H, W, C] to [N, HWC]. */
export function flatten(x: Tensor, start = 1): Tensor {
  requireTensors("flatten", x);
  return reshape(x, [...x.shape.slice(0, start), numel(x.shape.slice(start))]);
}

const DETACH = define({ name: "detach", kind: "alias" });

/** The same value, constant to every gradient. */
export function detach(x: Tensor): Tensor {
  requireTensors("detach", x);
  return new Tensor(DETACH, [x], x.shape, x.dtype);
}

const PERMUTE = defineKernels<{ axes: readonly number[] }>({
  name: "permute",
  gradient: (_, g, { axes }) => [permute(g, axes.map((_, d) => axes.indexOf(d)))],
  lower: (node, { axes }) => [{
    kernel: permuteKernel(node.inputs[0].shape, axes, node.dtype),
    buffers: [node.inputs[0], node],
  }],
});

/** Axis d of the result is axis `axes[d]` of `x`; negative axes count from the end. */
export function permute(x: Tensor, axes: readonly number[]): Tensor {
  requireTensors("permute", x);
  if (normalizeAxes("permute", x.rank, axes).length !== x.rank) {
    throw shapeError("permute", `axes ${axes.join(", ")} don't name every dimension`, x.shape);
  }
  const from = axes.map((axis) => (axis < 0 ? axis + x.rank : axis));
  if (from.every((axis, d) => axis === d)) return x;
  const shape = from.map((axis) => x.shape[axis]);
  // Nothing moves in memory where those that are longer than 1 stay in their order.
  const long = from.filter((axis) => x.shape[axis] > 1);
  if (long.every((axis, i) => i === 0 || axis > long[i - 1])) return reshape(x, shape);
  return PERMUTE.node([x], shape, { axes: from }, x.dtype);
}

/** Swaps the two axes of a matrix. */
export function transpose(x: Tensor): Tensor {
  return permute(x, [1, 0]);
}

export const WINDOW: KernelOperation<{ starts: readonly number[] }> = defineKernels({
  name: "window",
  gradient: ({ inputs: [x] }, g, { starts }) => [
    window(g, starts.map((start) => -start), x.shape),
  ],
  lower: (node, { starts }) => [{
    kernel: windowKernel(node.inputs[0].shape, starts, node.shape, node.dtype),
    buffers: [node.inputs[0], node],
  }],
});

/**
 * The block of `shape` whose first element is `x[starts]`, zero outside of `x`: a slice where it
 * lies inside, a padding where it reaches beyond (starts may be negative).
 */
export function window(x: Tensor, starts: readonly number[], shape: Shape): Tensor {
  requireTensors("window", x);
  if (starts.length !== x.rank || shape.length !== x.rank) {
    throw shapeError("window", "one start and one extent for every dimension", x.shape, shape);
  }
  if (starts.every((start) => start === 0) && sameShape(shape, x.shape)) return x;
  return WINDOW.node([x], shape, { starts }, x.dtype);
}

/** Elements `start` to `end` (not included) along `axis`; negative positions count from the end. */
export function slice(x: Tensor, axis: number, start: number, end?: number): Tensor {
  requireTensors("slice", x);
  const [d] = normalizeAxes("slice", x.rank, [axis]);
  const extent = x.shape[d];
  const at = (position: number) => (position < 0 ? position + extent : position);
  const [from, to] = [at(start), at(end ?? extent)];
  if (from < 0 || to > extent || from >= to) {
    throw shapeError("slice", `${start} to ${end ?? extent} along axis ${axis}`, x.shape);
  }
  return window(
    x,
    x.shape.map((_, i) => (i === d ? from : 0)),
    x.shape.map((e, i) => (i === d ? to - from : e)),
  );
}

/** Zeros around an NHWC image, in pixels. */
export function pad2d(x: Tensor, top: number, bottom: number, left: number, right: number): Tensor {
  requireTensors("pad2d", x);
  if (x.rank !== 4) throw shapeError("pad2d", "needs [N, H, W, C]", x.shape);
  const [n, h, w, c] = x.shape;
  return window(x, [0, -top, -left, 0], [n, h + top + bottom, w + left + right, c]);
}

const CONCAT = defineKernels<{ axis: number }>({
  name: "concat",
  gradient: (node, g, { axis }) => {
    let start = 0;
    return node.inputs.map((part) => {
      const from = start;
      start += part.shape[axis];
      return slice(g, axis, from, start);
    });
  },
  lower: (node, { axis }) => {
    let start = 0;
    return node.inputs.map((part) => {
      const kernel = concatPart(part.shape, axis, start, node.shape, node.dtype);
      start += part.shape[axis];
      return { kernel, buffers: [part, node] };
    });
  },
});

/** Joins tensors along `axis`. */
export function concat(parts: readonly Tensor[], axis: number): Tensor {
  if (parts.length === 0) throw shapeError("concat", "nothing to join");
  requireTensors("concat", ...parts);
  const [first] = parts;
  const [d] = normalizeAxes("concat", first.rank, [axis]);
  for (const part of parts) {
    const fits = part.rank === first.rank && part.dtype === first.dtype &&
      part.shape.every((extent, i) => i === d || extent === first.shape[i]);
    if (!fits) throw shapeError("concat", `along axis ${axis}`, first.shape, part.shape);
  }
  if (parts.length === 1) return first;
  const total = parts.reduce((sum, part) => sum + part.shape[d], 0);
  const shape = first.shape.map((extent, i) => (i === d ? total : extent));
  checkExtents("concat", shape);
  return CONCAT.node(parts, shape, { axis: d }, first.dtype);
}
