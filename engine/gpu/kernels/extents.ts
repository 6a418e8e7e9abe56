/** Extents of what lies dense and row-major. */

/** Number of elements. */
export function product(shape: readonly number[]): number {
  return shape.reduce((all, extent) => all * extent, 1);
}

/** From one element to the next along each axis, in elements. */
export function strides(shape: readonly number[]): number[] {
  return shape.map((_, d) => product(shape.slice(d + 1)));
}
