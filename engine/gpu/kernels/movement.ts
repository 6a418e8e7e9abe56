/** Permutation, windows (slices and padding) and concatenation; see shaders/pointwise/move.wgsl. */

import moveSource from "../../../shaders/pointwise/move.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import { bindBuffers, type ElementType } from "./chain.ts";
import { product } from "./cost.ts";

type Shape = readonly number[];

/** A copy over `shape`: for each axis the steps it takes in source and target. */
interface Movement {
  label: string;
  dtype: ElementType;
  shape: Shape;
  sourceStrides: Shape;
  targetStrides: Shape;
  targetOffset: number;
  /** Where the source's first element lies along each axis, and the source's extents. */
  starts?: Shape;
  sourceShape?: Shape;
}

function strides(shape: Shape): number[] {
  return shape.map((_, d) => product(shape.slice(d + 1)));
}

function moveKernel(m: Movement): Kernel {
  const own = strides(m.shape);
  const axes = m.shape.map((_, d) => d);
  const starts = m.starts ?? axes.map(() => 0);
  const position = (d: number) => `(i32(d${d}) + ${starts[d]}i)`;
  const checks = axes
    .filter((d) => m.sourceShape && (starts[d] < 0 || starts[d] + m.shape[d] > m.sourceShape[d]))
    .map((d) => `${position(d)} >= 0i && ${position(d)} < ${m.sourceShape![d]}i`);
  const affine = (at: (d: number) => string, steps: Shape) =>
    axes.map((d) => `${at(d)} * ${steps[d]}`).join(" + ") || "0";
  const text = [
    ...axes.map((d) => `let d${d} = i / ${own[d]}u % ${m.shape[d]}u;`),
    `let inside = ${checks.join(" && ") || "true"};`,
    `let source = u32(${affine(position, m.sourceStrides)});`,
    `let target_ = ${affine((d) => `d${d}`, m.targetStrides)} + ${m.targetOffset}u;`,
  ];
  const size = product(m.shape);
  const buffers = bindBuffers([
    `var<storage, read> x: array<${m.dtype}>;`,
    `var<storage, read_write> y: array<${m.dtype}>;`,
  ]);
  let source = replaceRegion(moveSource, "buffers", buffers);
  source = replaceRegion(source, "movement", text.join("\n"));
  return {
    label: m.label,
    source: specialize(source, { COUNT: size }),
    workgroups: linearWorkgroups(Math.ceil(size / 64)),
    flops: 0,
    bytes: 8 * size,
  };
}

/** Axis d of y is axis `axes[d]` of x. Buffers: x, y. */
export function permuteKernel(shape: Shape, axes: Shape, dtype: ElementType): Kernel {
  const permuted = axes.map((axis) => shape[axis]);
  const source = strides(shape);
  return moveKernel({
    label: `permute [${shape.join(", ")}] by [${axes.join(", ")}]`,
    dtype,
    shape: permuted,
    sourceStrides: axes.map((axis) => source[axis]),
    targetStrides: strides(permuted),
    targetOffset: 0,
  });
}

/** y = the block of `shape` at `starts`, zero outside of x. Buffers: x, y. */
export function windowKernel(
  sourceShape: Shape,
  starts: Shape,
  shape: Shape,
  dtype: ElementType,
): Kernel {
  return moveKernel({
    label: `window [${shape.join(", ")}] at [${starts.join(", ")}] of [${sourceShape.join(", ")}]`,
    dtype,
    shape,
    sourceStrides: strides(sourceShape),
    targetStrides: strides(shape),
    targetOffset: 0,
    starts,
    sourceShape,
  });
}

/** Copies x to the place in y that starts at `start` along `axis`. Buffers: x, y. */
export function concatPart(
  shape: Shape,
  axis: number,
  start: number,
  whole: Shape,
  dtype: ElementType,
): Kernel {
  const target = strides(whole);
  return moveKernel({
    label: `concat [${shape.join(", ")}] into [${whole.join(", ")}]`,
    dtype,
    shape,
    sourceStrides: strides(shape),
    targetStrides: target,
    targetOffset: start * target[axis],
  });
}
