/**
 * Whole networks in float64: what interpreter.ts does, with fast loops for what networks spend their
 * time on, values freed after their last use, and optionally the decisions of another run.
 *
 * Decisions are what a network computes that is not continuous: on which side of zero ReLU's input
 * lies, which element of a window is the largest, a sign. Rounding can turn one where two values
 * nearly meet, and then gradients differ by that element's whole share, however exact the rest is.
 * With the same decisions, two runs differ by rounding alone.
 */

import { simplify } from "../plan/simplify.ts";
import { ancestors, type Tensor, Variable } from "../tensor/mod.ts";
import { fast } from "./fast.ts";
import { operations } from "./interpreter.ts";
import type { Value } from "./value.ts";

const DECIDING = ["relu", "relu6", "maxPoolIndices", "sign"];

/** The nodes of a graph that decide. */
export function decisions(outputs: readonly Tensor[]): Tensor[] {
  return ancestors(...outputs).filter((node) => DECIDING.includes(node.operation.name));
}

export interface Float64Run {
  readonly values: Value[];
  /** How many elements would have been decided otherwise. */
  readonly turned: number;
}

/**
 * The values of `outputs`.
 * @param given values of variables that differ from their initial ones
 * @param decided what another run computed for deciding nodes: those decisions are taken over
 * @param options.rounded round every operation's result to float32: the best float32 could do
 * @param options.simplified as plans have the graph: the same values in fewer operations; without,
 *   nothing is computed that only what is given depends on
 */
export function float64(
  outputs: readonly Tensor[],
  given: ReadonlyMap<Tensor, ArrayLike<number>>,
  decided: ReadonlyMap<Tensor, ArrayLike<number>> = new Map(),
  { rounded = false, simplified = true } = {},
): Float64Run {
  const graph = simplified ? simplify(outputs) : asWritten(outputs, given);
  const taken = new Map([...decided].map(([node, value]) => [graph.of(node), value]));
  const wanted = outputs.map((output) => graph.of(output));
  const uses = new Map<Tensor, number>();
  const use = (node: Tensor, by: number) => uses.set(node, (uses.get(node) ?? 0) + by);
  for (const node of [...graph.nodes.flatMap((n) => n.inputs), ...wanted]) use(node, 1);

  const values = new Map<Tensor, Value>();
  let turned = 0;
  for (const node of graph.nodes) {
    let value = given.has(node) || node instanceof Variable
      ? Float64Array.from(given.get(node) ?? (node as Variable).initial)
      : evaluate(node, node.inputs.map((input) => values.get(input)!));
    const decision = taken.get(node);
    if (decision) [value, turned] = takeOver(node.operation.name, value, decision, turned);
    if (rounded && node.inputs.length > 0) value = value.map(Math.fround);
    values.set(node, value);
    for (const input of node.inputs) {
      use(input, -1);
      if (uses.get(input) === 0) values.delete(input);
    }
  }
  return { values: wanted.map((node) => values.get(node)!), turned };
}

/** The graph as it was built, as far as nothing is given. */
function asWritten(outputs: readonly Tensor[], given: ReadonlyMap<Tensor, unknown>) {
  const seen = new Set(outputs);
  for (const node of seen) {
    if (!given.has(node)) node.inputs.forEach((input) => seen.add(input));
  }
  return { nodes: [...seen].sort((a, b) => a.id - b.id), of: (node: Tensor) => node };
}

function evaluate(node: Tensor, inputs: Value[]): Value {
  return (fast(node) ?? operations.get(node.operation.name)!)(node, inputs);
}

/** A deciding node's value, changed as little as it takes to decide as `other` did. */
function takeOver(
  name: string,
  value: Value,
  other: ArrayLike<number>,
  turned: number,
): [Value, number] {
  const side = (x: number) => {
    if (name === "relu") return x > 0 ? 1 : 0;
    if (name === "relu6") return x <= 0 ? 0 : x < 6 ? 1 : 6;
    return x;
  };
  const result = value.slice();
  for (let i = 0; i < value.length; i++) {
    const wanted = side(other[i]);
    if (side(value[i]) === wanted) continue;
    turned++;
    // Just inside of ReLU's open interval, or at its end.
    const inside = name === "relu6" && value[i] >= 6 ? 6 - 1e-12 : 1e-300;
    result[i] = name.startsWith("relu") && wanted === 1 ? inside : wanted;
  }
  return [result, turned];
}
