/**
 * Random tensors. Every draw is a function of (seed, step, stream, element); a plan's `key` input
 * carries seed and step, and each use in a graph has a stream of its own, named after its place. The
 * key of a part of a batch says how many rows of the batch come before it, too: it then draws what the
 * whole batch would for these rows.
 */

import { uniformKernel } from "../gpu/kernels/random.ts";
import { streamId } from "../random.ts";
import { greater, mul, sub } from "./pointwise.ts";
import { type Shape, shapeError } from "./shape.ts";
import { defineKernels } from "./operation.ts";
import { requireTensors, type Tensor } from "./tensor.ts";

const UNIFORM = defineKernels<{ stream: number }>({
  name: "uniform",
  inputs: ["u32"],
  lower: (node, { stream }) => {
    const { inputs: [key], size, shape } = node;
    const row = key.size === 3 ? size / (shape[0] ?? 1) : undefined;
    return [{ kernel: uniformKernel(size, stream, row), buffers: [key, node] }];
  },
});

/**
 * Numbers in [0, 1).
 * @param key [2] or [3] (u32): seed, step and, for a part of a batch, how many of its rows come before
 * @param stream the name of this use, so that two uses draw different numbers
 */
export function uniform(key: Tensor, shape: Shape, stream: string): Tensor {
  requireTensors("uniform", key);
  if ((key.size !== 2 && key.size !== 3) || key.dtype !== "u32") {
    throw shapeError("uniform", "needs a key [2] or [3] of type u32", key.shape);
  }
  return UNIFORM.node([key], shape, { stream: streamId(stream) });
}

/** Zeroes each element with probability p (from 0, below 1) and scales the rest by 1 / (1 - p). */
export function dropout(x: Tensor, p: number, key: Tensor, stream: string): Tensor {
  requireTensors("dropout", x);
  if (!(p >= 0 && p < 1)) throw shapeError("dropout", `p is ${p}, not from 0 and below 1`);
  if (p === 0) return x;
  const kept = greater(uniform(key, x.shape, stream), p);
  return mul(x, mul(kept, 1 / (1 - p)));
}

/** Uniform noise in [-halfWidth, halfWidth). */
export function noise(shape: Shape, halfWidth: number, key: Tensor, stream: string): Tensor {
  return mul(sub(uniform(key, shape, stream), 0.5), 2 * halfWidth);
}
