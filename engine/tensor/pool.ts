/**
 * Pooling over NHWC images.
 *
 * Max pooling is split in three that close under differentiation: `maxPoolIndices` finds, for each
 * window, where its largest element lies (constant to every gradient); `poolGather` takes the
 * elements from there; `poolScatter` puts gradients back there. Gather and scatter are each
 * other's transpose.
 *
 * Average pooling with its zeros counted is a depthwise convolution with equal weights.
 */

import {
  poolGatherKernel,
  poolIndicesKernel,
  poolScatterKernel,
  type PoolShape,
  reachOf,
} from "../gpu/kernels/pool.ts";
import { conv2d, pair } from "./conv.ts";
import { broadcastTo } from "./broadcast.ts";
import { concat, pad2d, slice } from "./movement.ts";
import { defineKernels, type KernelOperation } from "./operation.ts";
import { div, mul, pow } from "./pointwise.ts";
import { max, mean } from "./reduce.ts";
import { checkWhole, shapeError } from "./shape.ts";
import { constant, requireTensors, type Tensor } from "./tensor.ts";

export interface PoolOptions {
  /** The kernel's size if absent. */
  stride?: number | readonly [number, number];
  padding?: number | readonly [number, number];
  /** Windows may start inside the image and reach beyond it (PyTorch's ceil_mode). */
  ceilMode?: boolean;
}

export interface MaxPoolOptions extends PoolOptions {
  /** Every which pixel of a window counts. */
  dilation?: number | readonly [number, number];
}

const INDICES = defineKernels<PoolShape>({
  name: "maxPoolIndices",
  inputs: ["f32"],
  lower: (node, pool, target) => [{
    kernel: poolIndicesKernel(pool, target),
    buffers: [...node.inputs, node],
  }],
});

const GATHER = defineKernels<PoolShape>({
  name: "poolGather",
  inputs: ["f32", "u32"],
  gradient: ({ inputs: [, indices] }, g, pool) => [poolScatter(g, indices, pool), undefined],
  lower: (node, pool, target) => [{
    kernel: poolGatherKernel(pool, target),
    buffers: [...node.inputs, node],
  }],
});

/** The transpose of the gather. */
export const SCATTER: KernelOperation<PoolShape> = defineKernels({
  name: "poolScatter",
  inputs: ["f32", "u32"],
  gradient: ({ inputs: [, indices] }, g, pool) => [poolGather(g, indices, pool), undefined],
  lower: (node, pool, target) => [{
    kernel: poolScatterKernel(pool, target),
    buffers: [...node.inputs, node],
  }],
});

const outputShape = (p: PoolShape) => [p.batch, p.outHeight, p.outWidth, p.channels];

export function poolGather(x: Tensor, indices: Tensor, pool: PoolShape): Tensor {
  return GATHER.node([x, indices], outputShape(pool), pool);
}
export function poolScatter(g: Tensor, indices: Tensor, pool: PoolShape): Tensor {
  const shape = [pool.batch, pool.inHeight, pool.inWidth, pool.channels];
  return SCATTER.node([g, indices], shape, pool);
}

/** PyTorch's rule: with ceilMode the last window may hang over, but must start inside. */
function windows(extent: number, kernel: number, stride: number, padding: number, ceil: boolean) {
  const span = (extent + 2 * padding - kernel) / stride;
  if (!ceil) return Math.floor(span) + 1;
  const count = Math.ceil(span) + 1;
  return (count - 1) * stride >= extent + padding ? count - 1 : count;
}

/** The largest element of each window; the first one in row-major order at a tie. */
export function maxPool2d(
  x: Tensor,
  kernelSize: number | readonly [number, number],
  options: MaxPoolOptions = {},
): Tensor {
  requireTensors("maxPool2d", x);
  if (x.rank !== 4) throw shapeError("maxPool2d", "needs [N, H, W, C]", x.shape);
  const kernel = pair(kernelSize);
  const stride = pair(options.stride ?? kernel);
  const padding = pair(options.padding ?? 0);
  const dilation = pair(options.dilation ?? 1);
  const reach = reachOf({ kernel, dilation });
  checkWhole("maxPool2d", "dilation", dilation, 1);
  checkWhole("maxPool2d", "window", kernel, 1);
  checkWhole("maxPool2d", "stride", stride, 1);
  checkWhole("maxPool2d", "padding", padding, 0);
  const [batch, inHeight, inWidth, channels] = x.shape;
  const [outHeight, outWidth] = [inHeight, inWidth].map((extent, d) =>
    windows(extent, reach[d], stride[d], padding[d], options.ceilMode ?? false)
  );
  // A window of which every pixel is padding would have no largest one.
  const isEmpty = [inHeight, inWidth].some((extent, d) =>
    2 * padding[d] > kernel[d] ||
    Math.ceil(padding[d] / dilation[d]) * dilation[d] - padding[d] >= extent
  );
  if (isEmpty || outHeight < 1 || outWidth < 1) {
    throw shapeError("maxPool2d", `a ${kernel.join(" x ")} window doesn't fit`, x.shape);
  }
  const pool: PoolShape = {
    batch,
    inHeight,
    inWidth,
    channels,
    outHeight,
    outWidth,
    kernel,
    stride,
    padding,
    ...dilation.some((d) => d > 1) && { dilation },
  };
  const indices = INDICES.node([x], outputShape(pool), pool, "u32");
  return poolGather(x, indices, pool);
}

export interface AvgPoolOptions extends PoolOptions {
  /** Whether padded zeros count in the mean (PyTorch's default). */
  countIncludePad?: boolean;
}

/** The mean of each window. */
export function avgPool2d(
  x: Tensor,
  kernelSize: number | readonly [number, number],
  options: AvgPoolOptions = {},
): Tensor {
  requireTensors("avgPool2d", x);
  if (x.rank !== 4) throw shapeError("avgPool2d", "needs [N, H, W, C]", x.shape);
  const [height, width] = pair(kernelSize);
  checkWhole("avgPool2d", "window", [height, width], 1);
  const { stride = [height, width], padding = 0, countIncludePad = true, ceilMode } = options;
  if (
    [height, width, ...pair(stride)].every((n) => n === 1) && pair(padding).every((p) => p === 0)
  ) {
    return x;
  }
  if (ceilMode) return hangingAvgPool2d(x, [height, width], options);
  const box = (channels: number) =>
    broadcastTo(constant(1 / (height * width)), [height, width, 1, channels]);
  const channels = x.shape[3];
  const average = conv2d(x, box(channels), { stride, padding, groups: channels });
  if (countIncludePad || pair(padding).every((p) => p === 0)) return average;
  const inside = broadcastTo(constant(1), [1, x.shape[1], x.shape[2], 1]);
  return div(average, conv2d(inside, box(1), { stride, padding }));
}

/** The same where windows may hang over: of those the mean is over what lies in the padded image. */
function hangingAvgPool2d(
  x: Tensor,
  kernel: readonly [number, number],
  { stride: given = kernel, padding: around = 0, countIncludePad = true }: AvgPoolOptions,
): Tensor {
  const [stride, padding] = [pair(given), pair(around)];
  const beyond = [x.shape[1], x.shape[2]].map((extent, d) => {
    const count = windows(extent, kernel[d], stride[d], padding[d], true);
    return Math.max((count - 1) * stride[d] + kernel[d] - extent - 2 * padding[d], 0);
  });
  const [down, right] = padding.map((pad, d) => pad + beyond[d]);
  const ones = broadcastTo(constant(1), [1, x.shape[1], x.shape[2], 1]);
  const [top, left] = padding;
  const inside = countIncludePad
    ? broadcastTo(constant(1), [1, x.shape[1] + 2 * top, x.shape[2] + 2 * left, 1])
    : pad2d(ones, top, top, left, left);
  const means = (image: Tensor) => avgPool2d(image, kernel, { stride });
  return div(
    means(pad2d(x, top, down, left, right)),
    means(pad2d(inside, 0, beyond[0], 0, beyond[1])),
  );
}

/**
 * The p-norm of each window, (sum x^p)^(1/p); of an odd p the powers have signs, as in PyTorch. A
 * window that hangs over counts as if it went on as it is, as in PyTorch too.
 */
export function lpPool2d(
  x: Tensor,
  p: number,
  kernelSize: number | readonly [number, number],
  options: Pick<PoolOptions, "stride" | "ceilMode"> = {},
): Tensor {
  requireTensors("lpPool2d", x);
  if (!(p > 0)) throw shapeError("lpPool2d", `the norm is ${p}, and must be above 0`);
  const [height, width] = pair(kernelSize);
  return pow(mul(avgPool2d(pow(x, p), kernelSize, options), height * width), 1 / p);
}

/** The mean over height and width: [N, H, W, C] to [N, C]. */
export function globalAvgPool(x: Tensor): Tensor {
  return mean(x, [1, 2]);
}

/**
 * The mean over windows that divide the image into `output` rows and columns as evenly as whole
 * pixels allow: window i of n over an extent covers floor(i extent / n) to ceil((i+1) extent / n).
 */
export function adaptiveAvgPool2d(x: Tensor, output: number | readonly [number, number]): Tensor {
  requireTensors("adaptiveAvgPool2d", x);
  if (x.rank !== 4) throw shapeError("adaptiveAvgPool2d", "needs [N, H, W, C]", x.shape);
  const [rows, columns] = pair(output);
  checkWhole("adaptiveAvgPool2d", "output", [rows, columns], 1);
  const [, height, width] = x.shape;
  if (height === rows && width === columns) return x;
  if (height % rows === 0 && width % columns === 0) {
    if (rows === 1 && columns === 1) return mean(x, [1, 2], { keepDims: true });
    return avgPool2d(x, [height / rows, width / columns]);
  }
  return adaptive(adaptive(x, 1, rows, mean), 2, columns, mean);
}

/** The largest element of such windows. */
export function adaptiveMaxPool2d(x: Tensor, output: number | readonly [number, number]): Tensor {
  requireTensors("adaptiveMaxPool2d", x);
  if (x.rank !== 4) throw shapeError("adaptiveMaxPool2d", "needs [N, H, W, C]", x.shape);
  const [rows, columns] = pair(output);
  checkWhole("adaptiveMaxPool2d", "output", [rows, columns], 1);
  return adaptive(adaptive(x, 1, rows, max), 2, columns, max);
}

function adaptive(x: Tensor, axis: number, count: number, combine: typeof mean): Tensor {
  const extent = x.shape[axis];
  const parts = Array.from({ length: count }, (_, i) => {
    const start = Math.floor(i * extent / count);
    const end = Math.ceil((i + 1) * extent / count);
    return combine(slice(x, axis, start, end), [axis], { keepDims: true });
  });
  return concat(parts, axis);
}
