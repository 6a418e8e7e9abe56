/**
 * The oracle: evaluates any graph of the engine on the CPU in float64, node by node, with one plain
 * implementation for each operation name. It takes nothing from the engine but the graph itself,
 * that is names, shapes and attributes; never a kernel, a WGSL expression or a gradient rule. So it
 * says what they should compute: to tests, and to who studies a gradient or changes a kernel.
 */

import { ancestors } from "../tensor/autograd.ts";
import { type Tensor, Variable } from "../tensor/tensor.ts";
import { arrays } from "./arrays.ts";
import { images } from "./images.ts";
import { pointwise } from "./pointwise.ts";
import type { Evaluate, Value } from "./value.ts";

/** Every operation that the oracle knows. Variables and inputs have their values from outside. */
export const operations: ReadonlyMap<string, Evaluate> = new Map(
  Object.entries({ ...pointwise, ...arrays, ...images }),
);

/**
 * The values of `outputs`, each row-major.
 * @param given values of leaves: of every input, and of variables that differ from their initial
 * @param rounded round every f32 node's value to float32: how far the results are then off tells how
 *   much of float32's precision the graph itself loses
 * @throws Error for an operation that the oracle lacks
 */
export function interpret(
  outputs: readonly Tensor[],
  given: ReadonlyMap<Tensor, ArrayLike<number>> = new Map(),
  rounded = false,
): Value[] {
  const values = new Map<Tensor, Value>();
  for (const node of ancestors(...outputs)) {
    const value = valueOf(node, given.get(node), node.inputs.map((input) => values.get(input)!));
    if (value.length !== node.size) throw new Error(`${value.length} values for ${node}`);
    values.set(node, rounded && node.dtype === "f32" ? value.map(Math.fround) : value);
  }
  return outputs.map((output) => values.get(output)!);
}

function valueOf(node: Tensor, given: ArrayLike<number> | undefined, inputs: Value[]): Value {
  if (given) return Float64Array.from(given);
  if (node instanceof Variable) return Float64Array.from(node.initial);
  const evaluate = operations.get(node.operation.name);
  if (!evaluate) throw new Error(`the oracle has no ${node}`);
  return evaluate(node, inputs);
}
