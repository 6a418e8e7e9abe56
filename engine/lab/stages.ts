/**
 * A function on its way to kernels: its graph as it was written, with the nodes that each gradient
 * adds, and what every pass of a plan (plan/schedule.ts) makes of that. Each stage lists nodes with
 * the tensors whose values they are, so that any of them can be computed and shown.
 */

import type { Target } from "../gpu/kernels/target.ts";
import { written } from "../plan/dispatch.ts";
import { storedNodes } from "../plan/fuse.ts";
import { sourceOf } from "../plan/item.ts";
import { type SimpleGraph, simplify } from "../plan/simplify.ts";
import { constantValue, Tensor } from "../tensor/mod.ts";
import type { Subject } from "./gradcheck.ts";
import {
  addedBy,
  differentiated,
  type GraphNode,
  nameOf,
  type Names,
  nodeOf,
  type PlanNode,
  planOf,
  type Results,
  shownOf,
} from "./graph.ts";

/** A node, and the tensor whose value it is. */
export interface Shown<Node extends GraphNode = GraphNode> {
  readonly node: Node;
  readonly tensor: Tensor;
  /** How often it has been differentiated. */
  readonly order: number;
}

/** What simplifying made of a node. */
export interface Fate {
  readonly name: string;
  readonly what: string;
  readonly kind: "stays" | "merged" | "rewritten" | "constant" | "dropped";
  /** The name of what stands for it now, or the constant's value. */
  readonly by?: string;
}

export interface Stages {
  /** As it was written, gradients included. */
  readonly written: readonly Shown[];
  readonly simplified: readonly Shown[];
  /** What became of each node that was written. */
  readonly fates: readonly Fate[];
  /** The simplified nodes again, those without memory marked. */
  readonly fused: readonly Shown[];
  readonly kernels: readonly Shown<PlanNode>[];
}

/** @param count the orders of gradients */
export function stagesOf(subject: Subject, count: number, target: Target): Stages {
  const { orders, results, names } = differentiated(subject, count);
  const added = addedBy(orders);
  const orderOf = new Map(added.flatMap((nodes, k) => nodes.map((node) => [node, k] as const)));
  const show = (node: Tensor, titles: Results): Shown => ({
    node: nodeOf(node, names, titles),
    tensor: node,
    order: orderOf.get(node) ?? node.origin.order,
  });
  const written = shownOf(added.flat()).map((node) => show(node, results));
  const outputs = orders.flat();
  const graph = simplify(outputs);
  const titles = titlesAfter(graph, results);
  const simplified = shownOf(graph.nodes).map((node) => show(node, titles));
  const kept = new Set(outputs.map((t) => sourceOf(graph.of(t))));
  const stored = storedNodes(graph.nodes, kept, target);
  const hasMemory = (node: Tensor) => node.inputs.length === 0 || stored.has(sourceOf(node));
  return {
    ...{ written, simplified },
    fates: written.map(({ tensor, node }) => fateOf(tensor, node, graph, names)),
    fused: simplified.map((shown) => ({
      ...shown,
      node: { ...shown.node, fused: !hasMemory(shown.tensor) },
    })),
    kernels: kernelsOf(outputs, results, names, target),
  };
}

/** What the nodes of the simplified graph are of the whole. */
function titlesAfter(graph: SimpleGraph, results: Results): Results {
  const titles = new Map<Tensor, string[]>();
  for (const [tensor, own] of results) {
    const node = graph.of(tensor);
    titles.set(node, [...titles.get(node) ?? [], ...own]);
  }
  return titles;
}

function fateOf(tensor: Tensor, { name, what }: GraphNode, graph: SimpleGraph, names: Names): Fate {
  const now = graph.of(tensor);
  const literal = constantValue(now);
  if (literal !== undefined) return { name, what, kind: "constant", by: `${literal}` };
  if (!graph.nodes.includes(now)) return { name, what, kind: "dropped" };
  if (now === tensor) return { name, what, kind: "stays" };
  const kind = now.operation === tensor.operation ? "merged" : "rewritten";
  return { name, what, kind, by: nameOf(now, names, "n") };
}

function kernelsOf(
  outputs: readonly Tensor[],
  results: Results,
  names: Names,
  target: Target,
): Shown<PlanNode>[] {
  const { plan, dispatches } = planOf(outputs, results, names, target);
  return dispatches.flatMap((dispatch, i) => {
    // Parts of a sum that is split are nobody's value.
    const tensor = written(dispatch).find((storage) => storage instanceof Tensor);
    return tensor ? [{ node: plan[i], tensor, order: dispatch.node.origin.order }] : [];
  });
}
