/** From a graph to the first list of items, and from the last one to dispatches. */

import { mapKernel } from "../gpu/kernels/map.ts";
import { chainReduceKernel, withTail } from "../gpu/kernels/reduce.ts";
import type { Target } from "../gpu/kernels/target.ts";
import { splitReduction } from "../tensor/split.ts";
import type { Step, Tensor } from "../tensor/tensor.ts";
import { chainOf } from "./fused_chain.ts";
import {
  type BundledItem,
  type ChainItem,
  chainItem,
  type Item,
  kernelItem,
  type ReduceItem,
  type TailedItem,
} from "./item.ts";

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
export function stepsOf(item: BundledItem, target: Target): readonly Step[] {
  switch (item.kind) {
    case "kernels":
      return item.steps;
    case "chain":
      return [mapStep(item, target)];
    case "reduce":
      return reduceSteps(item, target);
    case "tailed":
      return tailedSteps(item, target);
  }
}

function mapStep(item: ChainItem, target: Target): Step {
  const inPlace = overwrittenBy(item);
  return { kernel: mapKernel(item.chain, target, inPlace), buffers: boundBy(item, inPlace) };
}

/** For each result of a chain the leaf whose memory it is written to. */
function overwrittenBy({ leaves, writes }: ChainItem): (number | undefined)[] {
  return writes.map((result) => {
    const own = leaves.findIndex(({ tensor }) => tensor === result);
    return own < 0 ? undefined : own;
  });
}

/** What a chain reads, without what it overwrites and its first `computed` leaves, and writes. */
function boundBy(
  { leaves, writes }: ChainItem,
  inPlace: readonly (number | undefined)[],
  computed = 0,
): Tensor[] {
  const read = leaves.filter((_, k) => k >= computed && !inPlace.includes(k));
  return [...read.map(({ tensor }) => tensor), ...writes];
}

function reduceSteps(item: ReduceItem, target: Target): Step[] {
  const { chain, leaves, extents, combine, writes } = item;
  const split = chainReduceKernel(chain, extents, combine, target);
  return splitReduction(leaves.map(({ tensor }) => tensor), writes, split, combine, target);
}

/** The head's kernels, with the tail in the last one; behind it where vectors don't match. */
function tailedSteps({ head, tail }: TailedItem, target: Target): Step[] {
  const steps = stepsOf(head, target);
  const last = steps.at(-1)!;
  const inPlace = overwrittenBy(tail);
  const kernel = withTail(last.kernel, { chain: tail.chain, inPlace }, target);
  if (!kernel) return [...steps, mapStep(tail, target)];
  const count = head.writes.length;
  const buffers = [...last.buffers.slice(0, -count), ...boundBy(tail, inPlace, count)];
  return [...steps.slice(0, -1), { kernel, buffers }];
}
