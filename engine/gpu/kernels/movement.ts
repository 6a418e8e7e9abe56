/** Permutation, windows (slices and padding) and concatenation; see shaders/pointwise/move.wgsl. */

import moveShader from "../../../shaders/pointwise/move.wgsl" with { type: "text" };
import { elementOf, type Kernel, read, type Scalar, written } from "../kernel.ts";
import { product, strides } from "./extents.ts";

type Shape = readonly number[];

/** A copy over `shape`: for each axis the steps it takes in source and target. */
interface Movement {
  label: string;
  dtype: Scalar;
  shape: Shape;
  sourceStrides: Shape;
  targetStrides: Shape;
  targetOffset: number;
  /** Where the source's first element lies along each axis, and the source's extents. */
  starts?: Shape;
  sourceShape?: Shape;
}

/**
 * The same movement of elements of four floats, if everything that moves comes in whole fours:
 * a GPU has bytes enough under way only so, and the indices are worked out a fourth as often.
 */
function inVectors(m: Movement): Movement | undefined {
  const last = m.shape.length - 1;
  const whole = (extents: Shape) => extents.every((n, d) => d === last || n % 4 === 0);
  const along = [m.shape, m.starts, m.sourceShape].map((extents) => extents?.[last] ?? 0);
  const fits = m.sourceStrides[last] === 1 && m.targetStrides[last] === 1 &&
    whole(m.sourceStrides) && whole(m.targetStrides) && m.targetOffset % 4 === 0 &&
    along.every((n) => n % 4 === 0);
  if (!fits) return undefined;
  const across = (steps: Shape) => steps.map((n, d) => (d === last ? 1 : n / 4));
  const shorter = (extents: Shape) => extents.map((n, d) => (d === last ? n / 4 : n));
  return {
    ...m,
    shape: shorter(m.shape),
    sourceStrides: across(m.sourceStrides),
    targetStrides: across(m.targetStrides),
    targetOffset: m.targetOffset / 4,
    starts: m.starts && shorter(m.starts),
    sourceShape: m.sourceShape && shorter(m.sourceShape),
  };
}

function moveKernel(movement: Movement): Kernel {
  const vectors = inVectors(movement);
  const m = vectors ?? movement;
  const element = elementOf(m.dtype, vectors ? 4 : 1);
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
  return {
    label: m.label,
    shader: moveShader,
    operands: [read("x", element), written("y", element)],
    slots: { types: `alias E = ${element};`, movement: text.join("\n") },
    constants: { COUNT: size },
    workgroups: Math.ceil(size / 64),
    flops: 0,
    bytes: 8 * product(movement.shape),
  };
}

/** Axis d of y is axis `axes[d]` of x. Operands: x, y. */
export function permuteKernel(shape: Shape, axes: Shape, dtype: Scalar): Kernel {
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

/** y = the block of `shape` at `starts`, zero outside of x. Operands: x, y. */
export function windowKernel(
  sourceShape: Shape,
  starts: Shape,
  shape: Shape,
  dtype: Scalar,
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

/** Copies x to the place in y that starts at `start` along `axis`. Operands: x, y. */
export function concatPart(
  shape: Shape,
  axis: number,
  start: number,
  whole: Shape,
  dtype: Scalar,
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
