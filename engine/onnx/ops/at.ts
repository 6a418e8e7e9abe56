/** A node under way: its inputs and attributes, asked for by what they must be. */

import { ExitCode, UserError } from "../../errors.ts";
import type { Pass } from "../../nn/module.ts";
import { printable } from "../../printable.ts";
import type { OnnxNode } from "../model.ts";
import { isKnown, type Known, type Value } from "../value.ts";

/** What an operator makes of a node: the values of its outputs, those that are used at least. */
export type Operator = (at: At) => Value | readonly Value[];

export class At {
  constructor(
    readonly node: OnnxNode,
    readonly inputs: readonly (Value | undefined)[],
    readonly pass: Pass,
    /** The name of the node as a layer. */
    readonly layer: string,
    readonly opset: number,
    /** Images in the batch, and those that the file was exported for, where it says so. */
    readonly batch: { readonly here: number; readonly there?: number },
  ) {}

  /** The first input. */
  get x(): Value {
    return this.input(0);
  }

  has(i: number): boolean {
    return this.inputs[i] !== undefined;
  }

  input(i: number): Value {
    return this.inputs[i] ?? this.refuse(`lacks its input ${i}`);
  }

  /** An input that must be known when the graph is built. */
  known(i: number): Known {
    const value = this.input(i);
    return isKnown(value) ? value : this.refuse(`has an input ${i} that depends on the images`);
  }

  /** The numbers of an attribute or, as in later sets of operators, of an input. */
  numbers(attribute: string, i: number): readonly number[] | undefined {
    return this.ints(attribute) ?? (this.has(i) ? this.known(i).values : undefined);
  }

  int(name: string, otherwise: number): number {
    return this.node.attributes.get(name)?.i ?? otherwise;
  }

  /** As it was meant: a file has 1e-5 as the nearest number of 32 bits, 0.0000099999997. */
  float(name: string, otherwise: number): number {
    const stored = this.node.attributes.get(name)?.f;
    return stored === undefined ? otherwise : shortestDecimal(stored);
  }

  ints(name: string): readonly number[] | undefined {
    const ints = this.node.attributes.get(name)?.ints;
    return ints && ints.length > 0 ? ints : undefined;
  }

  text(name: string, otherwise: string): string {
    const bytes = this.node.attributes.get(name)?.s;
    return bytes ? new TextDecoder().decode(bytes) : otherwise;
  }

  /** @throws UserError (weights) that names the node */
  refuse(problem: string): never {
    const { name, op } = this.node;
    throw new UserError(`node ${printable(name)} (${op}) ${problem}`, ExitCode.weights);
  }
}

/** The number of fewest digits whose nearest number of 32 bits is that of `value`. */
export function shortestDecimal(value: number): number {
  const nearest = Math.fround(value);
  for (let digits = 1; digits < 9; digits++) {
    const rounded = Number(nearest.toPrecision(digits));
    if (Math.fround(rounded) === nearest) return rounded;
  }
  return nearest;
}

/**
 * A negative axis counts from the end.
 * @throws UserError (weights) where there is no such axis
 */
export function axisOf(axis: number, rank: number): number {
  const d = axis < 0 ? axis + rank : axis;
  if (Number.isInteger(d) && d >= 0 && d < rank) return d;
  throw new UserError(`takes axis ${axis} of ${rank}`, ExitCode.weights);
}
