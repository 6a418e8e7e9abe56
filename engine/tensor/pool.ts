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
} from "../gpu/kernels/pool.ts";
import { conv2d, pair } from "./conv.ts";
import { broadcastTo } from "./broadcast.ts";
import { concat, slice } from "./movement.ts";
import { defineKernels, type KernelOperation } from "./operation.ts";
import { div } from "./pointwise.ts";
import { mean } from "./reduce.ts";
import { checkWhole, shapeError } from "./shape.ts";
import { constant, requireTensors, type Tensor } from "./tensor.ts";

export interface PoolOptions {
  /** The kernel's size if absent. */
  stride?: number | readonly [number, number];
  padding?: number | readonly [number, number];
  /** Windows may start inside the image and reach beyond it (PyTorch's ceil_mode). */
  ceilMode?: boolean;
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
  options: PoolOptions = {},
): Tensor {
  requireTensors("maxPool2d", x);
  if (x.rank !== 4) throw shapeError("maxPool2d", "needs [N, H, W, C]", x.shape);
  const kernel = pair(kernelSize);
  const stride = pair(options.stride ?? kernel);
  const padding = pair(options.padding ?? 0);
  checkWhole("maxPool2d", "window", kernel, 1);
  checkWhole("maxPool2d", "stride", stride, 1);
  checkWhole("maxPool2d", "padding", padding, 0);
  const [batch, inHeight, inWidth, channels] = x.shape;
  const [outHeight, outWidth] = [inHeight, inWidth].map((extent, d) =>
    windows(extent, kernel[d], stride[d], padding[d], options.ceilMode ?? false)
  );
  if (padding.some((p, d) => 2 * p > kernel[d]) || outHeight < 1 || outWidth < 1) {
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
  };
  const indices = INDICES.node([x], outputShape(pool), pool, "u32");
  return poolGather(x, indices, pool);
}

export interface AvgPoolOptions extends Omit<PoolOptions, "ceilMode"> {
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
  const { stride = [height, width], padding = 0, countIncludePad = true } = options;
  const box = (channels: number) =>
    broadcastTo(constant(1 / (height * width)), [height, width, 1, channels]);
  const channels = x.shape[3];
  const average = conv2d(x, box(channels), { stride, padding, groups: channels });
  if (countIncludePad || pair(padding).every((p) => p === 0)) return average;
  const inside = broadcastTo(constant(1), [1, x.shape[1], x.shape[2], 1]);
  return div(average, conv2d(inside, box(1), { stride, padding }));
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
  return adaptiveMean(adaptiveMean(x, 1, rows), 2, columns);
}

function adaptiveMean(x: Tensor, axis: number, count: number): Tensor {
  const extent = x.shape[axis];
  const parts = Array.from({ length: count }, (_, i) => {
    const start = Math.floor(i * extent / count);
    const end = Math.ceil((i + 1) * extent / count);
    return mean(slice(x, axis, start, end), [axis], { keepDims: true });
  });
  return concat(parts, axis);
}
