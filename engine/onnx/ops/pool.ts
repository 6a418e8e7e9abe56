/** Pooling, with every way in which ONNX pads. */

import * as t from "../../tensor/mod.ts";
import { inOrder, shapeOf, type Value } from "../value.ts";
import type { At, Operator } from "./at.ts";
import { fromImages, images, likeInput, type Pair, pairOf, unpadded, windowsOf } from "./conv.ts";

/** Far below whatever a network computes, and yet a number. */
const LOW = -1e30;

/** The windows of a pool, with what ceil_mode lets them reach beyond the padded image. */
function poolOf(at: At, x: t.Tensor) {
  const kernel = pairOf(at, "kernel_shape", 1);
  const extents = [x.shape[1], x.shape[2]] as const;
  const { stride, dilation, before, after } = windowsOf(at, kernel, extents);
  const beyond = extents.map((extent, d) => {
    const rest = extent + before[d] + after[d] - dilation[d] * (kernel[d] - 1) - 1;
    const span = rest / stride[d];
    const more = Math.ceil(span) * stride[d] - rest;
    // A window that would begin in the padding behind the image is left out.
    const begins = Math.ceil(span) * stride[d] < extent + before[d];
    return at.int("ceil_mode", 0) === 1 && begins ? more : 0;
  }) as unknown as Pair;
  return { kernel, stride, dilation, before, after, beyond };
}

function undilated(at: At, x: t.Tensor) {
  const pool = poolOf(at, x);
  if (pool.dilation.some((d) => d !== 1)) at.refuse("has dilated windows, which averages have not");
  return pool;
}

function maxPool(at: At): Value {
  if (at.node.outputs[1]) at.refuse("gives indices, which are used");
  const x = images(at.x);
  const { kernel, stride, dilation, before, after, beyond } = poolOf(at, x);
  const behind = after.map((pad, d) => pad + beyond[d]);
  const isDilated = dilation.some((d) => d > 1);
  const isEven = before.every((pad, d) => pad === after[d] && 2 * pad <= kernel[d]);
  if (isEven && !isDilated) {
    const ceilMode = at.int("ceil_mode", 0) === 1;
    return pooled(t.maxPool2d(x, kernel, { stride, padding: before, ceilMode }), at);
  }
  const around = [before[0], behind[0], before[1], behind[1]] as const;
  const outside = t.mul(t.sub(1, coverage(x, around)), LOW);
  return pooled(
    t.maxPool2d(t.add(t.pad2d(x, ...around), outside), kernel, { stride, dilation }),
    at,
  );
}

const pooled = (y: t.Tensor, at: At): Value => likeInput(fromImages(y), at);

/** 1 where the padded image is the image, 0 around it: [1, H, W, 1]. */
function coverage(x: t.Tensor, around: readonly [number, number, number, number]): t.Tensor {
  return t.pad2d(t.broadcastTo(t.constant(1), [1, x.shape[1], x.shape[2], 1]), ...around);
}

function averagePool(at: At): Value {
  const x = images(at.x);
  const { kernel, stride, before, after, beyond } = undilated(at, x);
  const around = [before[0], after[0] + beyond[0], before[1], after[1] + beyond[1]] as const;
  const [image, padding] = unpadded(t.pad2d(x, ...around));
  const sums = t.avgPool2d(image, kernel, { stride, padding });
  const counted = at.int("count_include_pad", 0) === 1
    // What is beyond the padding is never counted.
    ? t.pad2d(
      coverage(t.pad2d(x, before[0], after[0], before[1], after[1]), [0, 0, 0, 0]),
      ...[0, beyond[0], 0, beyond[1]] as const,
    )
    : coverage(x, around);
  const isFull = around.every((pad) => pad === 0) ||
    (at.int("count_include_pad", 0) === 1 && beyond.every((pad) => pad === 0));
  return pooled(isFull ? sums : t.div(sums, t.avgPool2d(counted, kernel, { stride })), at);
}

/** The p-norm of each window, (sum |x|^p)^(1/p). */
function lpPool(at: At): Value {
  const x = images(at.x);
  const { kernel, stride, before, after, beyond } = undilated(at, x);
  const around = [before[0], after[0] + beyond[0], before[1], after[1] + beyond[1]] as const;
  const p = at.int("p", 2);
  return pooled(t.lpPool2d(t.pad2d(sizes(x, p), ...around), p, kernel, { stride }), at);
}

/** What has the p-th powers of |x|. */
const sizes = (x: t.Tensor, p: number) => p % 2 === 0 ? x : t.abs(x);

/** Over all axes in space, which stay with one element. */
const global = (f: typeof t.mean): Operator => ({ x }) => {
  const rank = shapeOf(x).length;
  const order = [0, ...Array.from({ length: rank - 2 }, (_, d) => d + 2), 1];
  const space = order.slice(1, -1).map((_, d) => d + 1);
  return { tensor: f(inOrder(x, order), space, { keepDims: true }), order };
};

export const pools: Readonly<Record<string, Operator>> = {
  MaxPool: maxPool,
  AveragePool: averagePool,
  LpPool: lpPool,
  GlobalAveragePool: global(t.mean),
  GlobalMaxPool: global(t.max),
  GlobalLpPool: (at) => {
    const p = at.int("p", 2);
    return global((x, axes, options) => t.pow(t.sum(t.pow(sizes(x, p), p), axes, options), 1 / p))(
      at,
    );
  },
};
