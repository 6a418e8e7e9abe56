/** From a graph to the first list of items, and from the last one to dispatches. */

import { mapKernel } from "../gpu/kernels/map.ts";
import { chainReduceKernel, type Middle } from "../gpu/kernels/reduce.ts";
import type { Target } from "../gpu/kernels/target.ts";
import { splitReduction } from "../tensor/split.ts";
import type { Step, Tensor } from "../tensor/tensor.ts";
import { chainOf } from "./fused_chain.ts";
import { type ChainItem, chainItem, type Item, kernelItem } from "./item.ts";

/**
 * An item for every node that has to be computed.
 * @param nodes all nodes, inputs before results
 * @param stored those whose values lie in memory; see fuse.ts
 */
export function itemsOf(
  nodes: readonly Tensor[],
  stored: ReadonlySet<Tensor>,
  target: Target,
): Item[] {
  return nodes.flatMap((node): Item[] => {
    const { operation } = node;
    switch (operation.kind) {
      case "kernels":
        return [kernelItem(operation.lower(node, target))];
      case "reduce":
        return [chainItem(chainOf(node, stored))];
      case "pointwise":
      case "broadcast":
      case "constant":
        return stored.has(node) ? [chainItem(chainOf(node, stored))] : [];
      default:
        return [];
    }
  });
}

/** The kernels of an item, on the memory that it names. */
export function stepsOf(item: Item, target: Target): readonly Step[] {
  if (item.kind === "kernels") return item.steps;
  return item.combine ? reduceSteps(item, target) : [mapStep(item, target)];
}

function mapStep({ chain, leaves, writes }: ChainItem, target: Target): Step {
  const overwritten = writes.map((result) => {
    const own = leaves.findIndex(({ tensor }) => tensor === result);
    return own < 0 ? undefined : own;
  });
  const others = leaves.filter((_, k) => !overwritten.includes(k)).map(({ tensor }) => tensor);
  return { kernel: mapKernel(chain, target, overwritten), buffers: [...others, ...writes] };
}

function reduceSteps({ node, chain, leaves, writes, combine }: ChainItem, target: Target): Step[] {
  const extents = node.inputs[0].shape as Middle;
  const split = chainReduceKernel(chain, extents, combine!, target);
  const inputs = leaves.map(({ tensor }) => tensor);
  return splitReduction(inputs, writes[0], split, combine!, target);
}
