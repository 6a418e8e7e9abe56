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

/** What merging, or merging and simplifying, made of a node. */
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
  /** Equal nodes once. */
  readonly merged: readonly Shown[];
  readonly simplified: readonly Shown[];
  /** What has become of each node that was written, at the two stages. */
  readonly fates: { readonly merged: readonly Fate[]; readonly simplified: readonly Fate[] };
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
  // A plan merges and simplifies at one go; one after the other the nodes keep their names.
  const alone = simplify(outputs, { rules: false });
  const graph = after(alone, simplify(outputs.map(alone.of)));
  const shownAfter = (graph: SimpleGraph) => {
    keepNames(written, graph, names);
    const titles = titlesAfter(graph, results);
    return shownOf(graph.nodes).map((node) => show(node, titles));
  };
  const merged = shownAfter(alone);
  const simplified = shownAfter(graph);
  const kept = new Set(outputs.map((t) => sourceOf(graph.of(t))));
  const stored = storedNodes(graph.nodes, kept, target);
  const hasMemory = (node: Tensor) => node.inputs.length === 0 || stored.has(sourceOf(node));
  return {
    ...{ written, merged, simplified },
    fates: {
      merged: fatesOf(written, alone, names),
      simplified: fatesOf(written, graph, names),
    },
    fused: simplified.map((shown) => ({
      ...shown,
      node: { ...shown.node, fused: !hasMemory(shown.tensor) },
    })),
    kernels: kernelsOf(outputs, results, names, target),
  };
}

/** What the second graph makes of the first one's nodes. */
const after = (first: SimpleGraph, second: SimpleGraph): SimpleGraph => ({
  nodes: second.nodes,
  of: (tensor) => second.of(first.of(tensor)),
});

/** What the nodes of the simplified graph are of the whole. */
function titlesAfter(graph: SimpleGraph, results: Results): Results {
  const titles = new Map<Tensor, string[]>();
  for (const [tensor, own] of results) {
    const node = graph.of(tensor);
    titles.set(node, [...titles.get(node) ?? [], ...own]);
  }
  return titles;
}

/** What does the same to other operands is a node of its own, and called as the first that it stands for. */
function keepNames(written: readonly Shown[], graph: SimpleGraph, names: Names): void {
  for (const { tensor, node: { name } } of written) {
    const now = graph.of(tensor);
    if (now.operation === tensor.operation && !names.has(now)) names.set(now, name);
  }
}

function fatesOf(written: readonly Shown[], graph: SimpleGraph, names: Names): Fate[] {
  return written.map(({ tensor, node: { name, what } }): Fate => {
    const now = graph.of(tensor);
    const literal = constantValue(now);
    if (literal !== undefined) return { name, what, kind: "constant", by: `${literal}` };
    if (!graph.nodes.includes(now)) return { name, what, kind: "dropped" };
    const by = nameOf(now, names, "n");
    if (now.operation !== tensor.operation) return { name, what, kind: "rewritten", by };
    return by === name ? { name, what, kind: "stays" } : { name, what, kind: "merged", by };
  });
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
