/** Max pooling and its gradients; see shaders/pool. */

import gatherSource from "../../../shaders/pool/gather.wgsl" with { type: "text" };
import indicesSource from "../../../shaders/pool/indices.wgsl" with { type: "text" };
import scatterSource from "../../../shaders/pool/scatter.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, specialize } from "../kernel.ts";

export interface PoolShape {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly channels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly kernel: readonly [number, number];
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
}

const inSize = (p: PoolShape) => p.batch * p.inHeight * p.inWidth * p.channels;
const outSize = (p: PoolShape) => p.batch * p.outHeight * p.outWidth * p.channels;

function geometry(p: PoolShape) {
  return {
    IN_HEIGHT: p.inHeight,
    IN_WIDTH: p.inWidth,
    CHANNELS: p.channels,
    OUT_HEIGHT: p.outHeight,
    OUT_WIDTH: p.outWidth,
    KERNEL_H: p.kernel[0],
    KERNEL_W: p.kernel[1],
    STRIDE_H: p.stride[0],
    STRIDE_W: p.stride[1],
    PAD_H: p.padding[0],
    PAD_W: p.padding[1],
  };
}

function describe(name: string, p: PoolShape): string {
  const image = `[${p.batch}, ${p.inHeight}, ${p.inWidth}, ${p.channels}]`;
  return `${name} ${image} by ${p.kernel.join(" x ")}, stride ${p.stride.join(" x ")}`;
}

/** Buffers: x, indices. */
export function poolIndicesKernel(p: PoolShape): Kernel {
  return {
    label: describe("maxPoolIndices", p),
    source: specialize(indicesSource, { COUNT: outSize(p), ...geometry(p) }),
    workgroups: linearWorkgroups(Math.ceil(outSize(p) / 64)),
    flops: outSize(p) * p.kernel[0] * p.kernel[1],
    bytes: 4 * (inSize(p) + outSize(p)),
  };
}

/** Buffers: x, indices, y. */
export function poolGatherKernel(p: PoolShape): Kernel {
  return {
    label: describe("poolGather", p),
    source: specialize(gatherSource, {
      COUNT: outSize(p),
      IN_PIXELS: p.inHeight * p.inWidth,
      OUT_PIXELS: p.outHeight * p.outWidth,
      CHANNELS: p.channels,
    }),
    workgroups: linearWorkgroups(Math.ceil(outSize(p) / 64)),
    flops: 0,
    bytes: 4 * 3 * outSize(p),
  };
}

/** Buffers: y, indices, x. */
export function poolScatterKernel(p: PoolShape): Kernel {
  return {
    label: describe("poolScatter", p),
    source: specialize(scatterSource, { COUNT: inSize(p), ...geometry(p) }),
    workgroups: linearWorkgroups(Math.ceil(inSize(p) / 64)),
    flops: outSize(p),
    bytes: 4 * (2 * outSize(p) + inSize(p)),
  };
}
