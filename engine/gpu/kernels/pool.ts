/** Max pooling and its gradients; see shaders/pool. */

import gatherScalarsShader from "../../../shaders/pool/gather_scalars.wgsl" with { type: "text" };
import gatherShader from "../../../shaders/pool/gather.wgsl" with { type: "text" };
import indicesShader from "../../../shaders/pool/indices.wgsl" with { type: "text" };
import scatterShader from "../../../shaders/pool/scatter.wgsl" with { type: "text" };
import {
  type Constants,
  elementOf,
  type Kernel,
  read,
  type Scalar,
  type Slots,
  written,
} from "../kernel.ts";
import { slotOf } from "../render.ts";
import { types } from "./chain.ts";
import { storageOf, streamThreads, type Target } from "./target.ts";

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
  /** Every which pixel of a window counts, where not every one does. */
  readonly dilation?: readonly [number, number];
}

/** Rows and columns from a window's first pixel to its last, both included. */
export const reachOf = ({ kernel, dilation = [1, 1] }: Pick<PoolShape, "kernel" | "dilation">) =>
  [0, 1].map((d) => dilation[d] * (kernel[d] - 1) + 1);

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
  const every = p.dilation ? `, dilation ${p.dilation.join(" x ")}` : "";
  return `${name} ${image} by ${p.kernel.join(" x ")}, stride ${p.stride.join(" x ")}${every}`;
}

/** A name, a type and a number of values. */
type Values = readonly [name: string, scalar: Scalar, count: number];

/** What all pooling shaders have alike; elements are four channels where they come in fours. */
function poolKernel(
  name: string,
  shader: string,
  p: PoolShape,
  inputs: readonly Values[],
  [output, scalar, count]: Values,
  constants: Constants,
  target: Target,
) {
  const width = p.channels % 4 === 0 ? 4 : 1;
  const operands = inputs.map(([name, scalar, count]) => {
    const element = elementOf(scalar, width);
    return read(name, element, storageOf(element, count / width, "few", target));
  });
  return {
    label: describe(name, p),
    shader,
    operands: [...operands, written(output, elementOf(scalar, width))],
    slots: { types: types(width) },
    constants: {
      COUNT: count / width,
      ...constants,
      CHANNELS: p.channels / width,
      WORKGROUP: streamThreads(target),
    },
    workgroups: Math.ceil(count / width / streamThreads(target)),
  };
}

/** Operands: x, indices. */
export function poolIndicesKernel(p: PoolShape, target: Target): Kernel {
  const x: Values = ["x", "f32", inSize(p)], y: Values = ["y", "u32", outSize(p)];
  return {
    ...poolKernel("maxPoolIndices", indicesShader, p, [x], y, {
      ...geometry(p),
      ...p.dilation && { DILATION_H: p.dilation[0], DILATION_W: p.dilation[1] },
    }, target),
    flops: outSize(p) * p.kernel[0] * p.kernel[1],
    bytes: 4 * (inSize(p) + outSize(p)),
  };
}

/** Operands: x, indices, y. */
export function poolGatherKernel(p: PoolShape, target: Target): Kernel {
  const pixels = { IN_PIXELS: p.inHeight * p.inWidth, OUT_PIXELS: p.outHeight * p.outWidth };
  const x: Values = ["x", "f32", inSize(p)], y: Values = ["y", "f32", outSize(p)];
  const indices: Values = ["indices", "u32", outSize(p)];
  const kernel = poolKernel("poolGather", gatherShader, p, [x, indices], y, pixels, target);
  const pick: Slots = p.channels % 4 === 0 ? {} : { pick: slotOf(gatherScalarsShader, "pick") };
  return {
    ...kernel,
    slots: { ...kernel.slots, ...pick },
    flops: 0,
    bytes: 4 * 3 * outSize(p),
  };
}

/** Operands: y, indices, x. */
export function poolScatterKernel(p: PoolShape, target: Target): Kernel {
  const x: Values = ["x", "f32", inSize(p)], y: Values = ["y", "f32", outSize(p)];
  const indices: Values = ["indices", "u32", outSize(p)];
  return {
    ...poolKernel("poolScatter", scatterShader, p, [y, indices], x, {
      ...geometry(p),
      ...p.dilation && { KERNEL_H: reachOf(p)[0], KERNEL_W: reachOf(p)[1] },
    }, target),
    flops: outSize(p),
    bytes: 4 * (2 * outSize(p) + inSize(p)),
  };
}
