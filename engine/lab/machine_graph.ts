/** The operations of a step, and which kernel of its plan computes each. */

import { type Dispatch, written } from "../plan/dispatch.ts";
import { sourceOf } from "../plan/item.ts";
import type { PlanSpec } from "../plan/plan.ts";
import type { SimpleGraph } from "../plan/simplify.ts";
import { Tensor, Variable } from "../tensor/tensor.ts";
import { type GraphNode, type Names, nodeOf, shownOf } from "./graph.ts";

/** An operation of the simplified graph. */
export interface StepNode extends GraphNode {
  /** How often it has been differentiated. */
  readonly order: number;
  /**
   * The kernel that is made for it, or whose result it is; "alias" where it is another shape of its
   * operand, and absent where it is computed on the way from one to the other.
   */
  readonly kernel?: number | "alias";
}

/** A step of the graph as it was simplified. */
export function simplified<Name extends string>(
  { outputs, assign = [] }: PlanSpec<Name>,
  graph: SimpleGraph,
): PlanSpec<Name> {
  const named = Object.entries<Tensor>(outputs ?? {});
  return {
    outputs: Object.fromEntries(
      named.map(([name, tensor]) => [name, graph.of(tensor)]),
    ) as Record<Name, Tensor>,
    assign: assign.map(([variable, value]) => [variable, graph.of(value)] as const),
  };
}

/**
 * @param dispatches of the simplified step
 * @param names what is named already; the others are added
 */
export function stepNodes(
  { assign = [] }: PlanSpec,
  { nodes }: SimpleGraph,
  dispatches: readonly Dispatch[],
  names: Names,
): StepNode[] {
  // A new value may be written right into its variable.
  const values = new Map(assign.map(([variable, value]) => [variable, sourceOf(value)]));
  const kernels = new Map<unknown, number>();
  for (const [at, dispatch] of dispatches.entries()) {
    kernels.set(dispatch.node, at);
    for (const storage of written(dispatch)) {
      kernels.set(storage instanceof Variable ? values.get(storage) : storage, at);
    }
  }
  return shownOf(nodes).filter(({ inputs }) => inputs.length > 0).map((node): StepNode => ({
    ...nodeOf(node, names, new Map()),
    order: node.origin.order,
    kernel: node.operation.kind === "alias" ? "alias" : kernels.get(node),
  }));
}
