/** Max pooling and its gradients; see shaders/pool. */

import gatherSource from "../../../shaders/pool/gather.wgsl" with { type: "text" };
import indicesSource from "../../../shaders/pool/indices.wgsl" with { type: "text" };
import scatterSource from "../../../shaders/pool/scatter.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import { declareOperands, type Operand } from "./operands.ts";
import { streamThreads, type Target } from "./target.ts";

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

const F32 = (name: string): Operand => ({ name, dtype: "f32" });
const U32 = (name: string): Operand => ({ name, dtype: "u32" });

/** A pooling shader for a target; `count` values are written, `width` to an element. */
function poolKernel(
  p: PoolShape,
  name: string,
  shader: string,
  inputs: readonly Operand[],
  output: Operand,
  count: number,
  constants: Record<string, number>,
  target: Target,
) {
  const width = p.channels % 4 === 0 ? 4 : 1;
  const { text, textures } = declareOperands(inputs, output, width, target);
  const elements = count / width;
  return {
    label: describe(name, p),
    source: specialize(replaceRegion(shader, "memory", text), {
      COUNT: elements,
      ...constants,
      CHANNELS: p.channels / width,
      WORKGROUP: streamThreads(target),
    }),
    textures,
    workgroups: linearWorkgroups(Math.ceil(elements / streamThreads(target))),
  };
}

/** Buffers: x, indices. */
export function poolIndicesKernel(p: PoolShape, target: Target): Kernel {
  const count = outSize(p);
  return {
    ...poolKernel(
      p,
      "maxPoolIndices",
      indicesSource,
      [F32("x")],
      U32("y"),
      count,
      geometry(p),
      target,
    ),
    flops: count * p.kernel[0] * p.kernel[1],
    bytes: 4 * (inSize(p) + count),
  };
}

/** Buffers: x, indices, y. */
export function poolGatherKernel(p: PoolShape, target: Target): Kernel {
  const constants = { IN_PIXELS: p.inHeight * p.inWidth, OUT_PIXELS: p.outHeight * p.outWidth };
  const inputs = [F32("x"), U32("indices")];
  const count = outSize(p);
  const shader = p.channels % 4 === 0
    ? gatherSource
    : replaceRegion(gatherSource, "pick", "y[i] = load_x(at);");
  return {
    ...poolKernel(p, "poolGather", shader, inputs, F32("y"), count, constants, target),
    flops: 0,
    bytes: 4 * 3 * count,
  };
}

/** Buffers: y, indices, x. */
export function poolScatterKernel(p: PoolShape, target: Target): Kernel {
  const inputs = [F32("y"), U32("indices")];
  const count = inSize(p);
  return {
    ...poolKernel(p, "poolScatter", scatterSource, inputs, F32("x"), count, geometry(p), target),
    flops: outSize(p),
    bytes: 4 * (2 * outSize(p) + count),
  };
}
