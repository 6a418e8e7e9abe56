/** Float64 arrays and the places in them, for the oracle. */

import type { Tensor } from "../tensor/tensor.ts";

/** A node's elements in row-major order. */
export type Value = Float64Array;

/** Computes a node from its inputs' values. */
export type Evaluate = (node: Tensor, inputs: readonly Value[]) => Value;

type Index = readonly number[];

/** A value of `shape` from a function of the position. */
export function build(shape: Index, element: (position: Index) => number): Value {
  const value = new Float64Array(shape.reduce((a, b) => a * b, 1));
  for (let i = 0; i < value.length; i++) value[i] = element(positionOf(i, shape));
  return value;
}

/** The position of element i of a row-major array. */
export function positionOf(i: number, shape: Index): number[] {
  const position = new Array<number>(shape.length);
  for (let d = shape.length - 1; d >= 0; d--) {
    position[d] = i % shape[d];
    i = Math.floor(i / shape[d]);
  }
  return position;
}

/** Where the element at a position lies in a row-major array. */
export function offsetOf(position: Index, shape: Index): number {
  return position.reduce((offset, p, d) => offset * shape[d] + p, 0);
}

/** Whether a position lies in an array of `shape`. */
export function inside(position: Index, shape: Index): boolean {
  return position.every((p, d) => p >= 0 && p < shape[d]);
}
