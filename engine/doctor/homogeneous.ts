/**
 * Whether a value is as many times as large as parameters are: what is c times the parameters, c above
 * zero, makes the value c times what it was. Read off the graph, before anything is computed, so "no"
 * may only mean that it can't be seen.
 */

import { ancestors } from "../tensor/autograd.ts";
import type { Tensor } from "../tensor/tensor.ts";

/** How a value depends on the parameters: not, in proportion, or in another way. */
type Dependence = "free" | "scaled" | "other";

/** In proportion where all operands are. */
const SUMS = new Set([
  "add",
  "sub",
  "maximum",
  "concat",
  "relu",
  "abs",
  "neg",
  "permute",
  "window",
]);
/** In proportion where one operand is, and the others are free. */
const PRODUCTS = new Set(["mul", "matmul", "conv2d", "conv2dInputGrad"]);
/** In proportion where the first operand is, and the others are free. */
const QUOTIENTS = new Set(["div"]);
/** Kinds of operations that move, repeat or combine what they are given. */
const KEEPING = new Set(["alias", "broadcast", "reduce"]);

/** Whether `value` is in proportion to the parameters. */
export function isInProportion(value: Tensor, parameters: ReadonlySet<Tensor>): boolean {
  const known = new Map<Tensor, Dependence>();
  for (const node of ancestors(value)) {
    known.set(node, parameters.has(node) ? "scaled" : dependence(node, (of) => known.get(of)!));
  }
  return known.get(value) === "scaled";
}

function dependence({ operation, inputs }: Tensor, of: (input: Tensor) => Dependence): Dependence {
  const operands = inputs.map(of);
  if (operands.every((operand) => operand === "free")) return "free";
  const { kind, name } = operation;
  const free = (others: readonly Dependence[]) => others.every((operand) => operand === "free");
  const scaled = operands.filter((operand) => operand === "scaled").length;
  const is = KEEPING.has(kind) || SUMS.has(name)
    ? scaled === operands.length
    : PRODUCTS.has(name)
    ? scaled === 1 && free(operands.filter((operand) => operand !== "scaled"))
    : QUOTIENTS.has(name) && operands[0] === "scaled" && free(operands.slice(1));
  return is ? "scaled" : "other";
}
