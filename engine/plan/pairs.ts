/**
 * A pass: each pointwise node that has memory, because it is wanted, is joined with its only reader,
 * an optimiser's velocity with the weights that it moves. One kernel then computes both.
 */

import { sameShape } from "../tensor/shape.ts";
import type { Target } from "../gpu/kernels/target.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MAX_VALUES } from "./fuse.ts";
import { type ChainItem, type Item, readersOf, readsOnce } from "./item.ts";
import { joined } from "./join.ts";

export function joinPairs(items: readonly Item[], { bindings }: Target): Item[] {
  const readers = readersOf(items);
  /** The pointwise nodes so far that are computed alone, and their items. */
  const single = new Map<Tensor, ChainItem>();
  const gone = new Set<Item>();
  const paired = items.map((item) => {
    const { node } = item;
    if (item.kind !== "chain" || node.operation.kind !== "pointwise") return item;
    const before = item.leaves.map(({ tensor }) => tensor).find((tensor) =>
      single.has(tensor) && readers.get(tensor)!.length === 1 && readsOnce(item, tensor) &&
      tensor.dtype === node.dtype && sameShape(tensor.shape, node.shape)
    );
    const both = before && joined(single.get(before)!, item);
    const fits = both && both.leaves.length + both.writes.length <= bindings &&
      both.chain.values.length <= MAX_VALUES;
    if (fits) {
      gone.add(single.get(before)!);
      return both;
    }
    single.set(node, item);
    return item;
  });
  return paired.filter((item) => !gone.has(item));
}
