/** Shapes: dense, row-major, right-aligned when they broadcast (NumPy's and PyTorch's rule). */

import { ExitCode, UserError } from "../errors.ts";

export { product as numel, strides as rowMajorStrides } from "../gpu/kernels/extents.ts";

export type Shape = readonly number[];

export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((extent, i) => extent === b[i]);
}

/** `[8, 32, 32, 3]`, as it stands in messages. */
export function showShape(shape: Shape): string {
  return `[${shape.join(", ")}]`;
}

/** The error of an operation that can't take these shapes. */
export function shapeError(operation: string, problem: string, ...shapes: Shape[]): UserError {
  const given = shapes.length ? ` (shapes ${shapes.map(showShape).join(" and ")})` : "";
  return new UserError(`${operation}: ${problem}${given}`, ExitCode.failure);
}

/** The shape that two operands take together. */
export function broadcastShapes(operation: string, a: Shape, b: Shape): Shape {
  const rank = Math.max(a.length, b.length);
  return Array.from({ length: rank }, (_, d) => {
    const x = a[d - rank + a.length] ?? 1;
    const y = b[d - rank + b.length] ?? 1;
    if (x !== y && x !== 1 && y !== 1) throw shapeError(operation, "can't broadcast", a, b);
    return x === 1 ? y : x;
  });
}

/** Axes as sorted, distinct, non-negative numbers; every axis where none is given. */
export function normalizeAxes(operation: string, rank: number, axes?: readonly number[]): number[] {
  if (!axes) return Array.from({ length: rank }, (_, d) => d);
  const normal = axes.map((axis) => (axis < 0 ? axis + rank : axis)).sort((a, b) => a - b);
  for (const [i, axis] of normal.entries()) {
    if (!Number.isInteger(axis) || axis < 0 || axis >= rank || axis === normal[i - 1]) {
      throw shapeError(operation, `axes ${axes.join(", ")} don't fit ${rank} dimensions`);
    }
  }
  return normal;
}

/** Throws unless all of an option's values are whole numbers of at least `least`. */
export function checkWhole(
  operation: string,
  option: string,
  values: readonly number[],
  least: number,
): void {
  if (values.every((value) => Number.isSafeInteger(value) && value >= least)) return;
  throw shapeError(
    operation,
    `${option} ${values.join(" x ")} is no whole number from ${least} on`,
  );
}

/** Throws unless every extent is a positive whole number. */
export function checkExtents(operation: string, shape: Shape): void {
  if (!shape.every((extent) => Number.isInteger(extent) && extent > 0)) {
    throw shapeError(operation, "every extent must be a positive whole number", shape);
  }
}
