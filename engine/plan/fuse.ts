/**
 * Decides which nodes of a graph get memory of their own; the others are computed on the way, by
 * the kernels that use them (fused_chain.ts).
 *
 * A pointwise node is computed on the way, inside its consumers, if all of them are pointwise or
 * reductions and either there is only one or computing it again costs no more loads than reading
 * it would (at most one full-size operand). Repetition is index arithmetic and never costs memory
 * unless a kernel of its own kind wants the repeated tensor.
 */

import type { Target } from "../gpu/kernels/target.ts";
import type { Tensor } from "../tensor/tensor.ts";

/**
 * Operations of one chain. So many take longer than the store and the load that a cut costs, and
 * shader compilers take their time for long texts. No network here comes near: the longest chain
 * of a training step has twelve.
 */
export const MAX_VALUES = 64;

/** What it takes to compute a node on the way. */
interface Cost {
  /** What is read from memory. */
  readonly reads: ReadonlySet<Tensor>;
  /** The pointwise nodes that are computed, itself among them. */
  readonly values: ReadonlySet<Tensor>;
}

const FREE: Cost = { reads: new Set(), values: new Set() };

/**
 * The nodes whose values lie in memory.
 * @param nodes all nodes, inputs before results
 * @param wanted nodes whose value must be in memory: outputs and assigned values
 * @param bindings most buffers of a kernel, of which one is for its result
 */
export function storedNodes(
  nodes: readonly Tensor[],
  wanted: ReadonlySet<Tensor>,
  { bindings }: Pick<Target, "bindings">,
): ReadonlySet<Tensor> {
  const stored = new Set<Tensor>();
  const consumers = consumersOf(nodes);
  const costs = new Map<Tensor, Cost>();

  /** What a consumer of `node` reads and computes on its behalf. */
  const costOf = (node: Tensor): Cost => {
    const repeats = node.operation.kind === "broadcast" && !stored.has(node);
    const source = repeats ? node.inputs[0] : node;
    if (stored.has(source)) return { ...FREE, reads: new Set([source]) };
    return costs.get(source) ?? FREE;
  };

  /** The cost of a pointwise node, after storing as many of its inputs as it takes. */
  const fittingCost = (node: Tensor): Cost => {
    for (;;) {
      const inputs = node.inputs.map(costOf);
      const reads = union(inputs.map((input) => input.reads));
      const values = union(inputs.map((input) => input.values)).add(node);
      if (reads.size < bindings && values.size <= MAX_VALUES) return { reads, values };
      const what = reads.size >= bindings ? "reads" : "values";
      const sizes = inputs.map((input) => input[what].size);
      stored.add(node.inputs[sizes.indexOf(Math.max(...sizes))]);
    }
  };

  const mustStore = (node: Tensor): boolean => {
    const uses = consumers.get(node) ?? [];
    const needed = wanted.has(node) || uses.some((use) => needsMemory(use, consumers));
    switch (node.operation.kind) {
      case "constant":
      case "broadcast":
        return needed;
      case "alias":
        return stored.has(node.inputs[0]);
      case "pointwise": {
        const fullSize = [...costs.get(node)!.reads].filter((leaf) => leaf.size === node.size);
        const places = uses.flatMap((use) =>
          use.operation.kind === "alias" ? consumers.get(use)! : [use]
        );
        return needed || uses.some((use) => use.operation.kind === "broadcast") ||
          (places.length > 1 && fullSize.length > 1);
      }
      default:
        return true;
    }
  };

  // A node with many operands stores inputs that were passed over before, which changes what their
  // other consumers and aliases read: repeat until nothing is added.
  for (let before = -1; before < stored.size;) {
    before = stored.size;
    for (const node of nodes) {
      if (node.operation.kind === "pointwise") costs.set(node, fittingCost(node));
      if (mustStore(node)) stored.add(node);
    }
  }
  return stored;
}

function union([first, ...others]: readonly ReadonlySet<Tensor>[]): Set<Tensor> {
  const all = new Set(first);
  for (const set of others) for (const node of set) all.add(node);
  return all;
}

function consumersOf(nodes: readonly Tensor[]): Map<Tensor, Tensor[]> {
  const consumers = new Map<Tensor, Tensor[]>();
  for (const node of nodes) {
    for (const input of new Set(node.inputs)) {
      const list = consumers.get(input);
      if (list) list.push(node);
      else consumers.set(input, [node]);
    }
  }
  return consumers;
}

/** Whether `use` takes its input from memory only. A reshape before reductions looks through, a part
 * of what lies in memory does not. */
function needsMemory(use: Tensor, consumers: ReadonlyMap<Tensor, readonly Tensor[]>): boolean {
  const { operation } = use;
  // The gradient of a maximum compares it with its elements: both must see the very same bits, and
  // an element computed twice, in two kernels, may be rounded in two ways.
  if (operation.kind === "reduce") return operation.combine === "max";
  if (operation.kind !== "alias") return operation.kind === "kernels";
  if (use.size !== use.inputs[0].size) return true;
  const next = consumers.get(use);
  return !next?.every((node) => node.operation.kind === "reduce" && !needsMemory(node, consumers));
}
