/**
 * A pass: two sums over the same elements that read a large operand in common become one kernel, which
 * reads it once: batch normalisation's backward pass sums g and g (x - mean). The first waits for the
 * second where nothing in between needs it.
 */

import { MAX_SUMS } from "../gpu/kernels/reduce.ts";
import type { Target } from "../gpu/kernels/target.ts";
import type { Shape } from "../tensor/shape.ts";
import { MAX_VALUES } from "./fuse.ts";
import { type Item, type ReduceItem, sourceOf } from "./item.ts";
import { isWhole, sideBySide, spaceOf } from "./join.ts";

export function joinTwins(items: readonly Item[], target: Target): Item[] {
  const joined = [...items];
  const gone = new Set<number>();
  for (const [at, item] of items.entries()) {
    const first = joined[at];
    if (item.kind !== "reduce" || first.kind !== "reduce") continue;
    const twin = twinOf(item, items, at);
    const both = twin && first.writes.length < MAX_SUMS
      ? bothOf(first, twin.item, target)
      : undefined;
    if (!both) continue;
    joined[twin!.at] = both;
    gone.add(at);
  }
  return joined.filter((_, at) => !gone.has(at));
}

/** The next reduction that can take this one in, and where it is. */
function twinOf(item: ReduceItem, items: readonly Item[], at: number) {
  for (let next = at + 1; next < items.length; next++) {
    const other = items[next];
    if (other.reads.some((tensor) => item.writes.includes(sourceOf(tensor)))) return undefined;
    if (other.kind === "reduce" && areTwins(item, other)) return { item: other, at: next };
  }
  return undefined;
}

function areTwins(a: ReduceItem, b: ReduceItem): boolean {
  const size = a.extents[0] * a.extents[1] * a.extents[2];
  const large = ({ leaves }: ReduceItem) =>
    leaves.map(({ tensor }) => sourceOf(tensor)).filter((tensor) => tensor.size === size);
  return a.combine === "sum" && b.combine === "sum" && a.chain.dtype === b.chain.dtype &&
    a.extents.join() === b.extents.join() &&
    large(a).some((tensor) => large(b).includes(tensor));
}

/** Both side by side; undefined where their elements are seen in two ways, or there is too much. */
function bothOf(
  first: ReduceItem,
  second: ReduceItem,
  { bindings }: Target,
): ReduceItem | undefined {
  const [a, b] = [seenAs(first, second.chain.shape), seenAs(second, first.chain.shape)];
  const both = a ? sideBySide(a, second) : b ? sideBySide(first, b) : undefined;
  // The results take bindings of their own.
  const fits = both && both.leaves.length + both.writes.length <= bindings &&
    both.chain.values.length <= MAX_VALUES;
  return fits ? both : undefined;
}

/** The reduction with its elements seen under another shape, where it reads each by its own place. */
function seenAs(item: ReduceItem, shape: Shape): ReduceItem | undefined {
  const { chain, leaves } = item;
  if (chain.shape.join() === shape.join()) return item;
  if (!leaves.every((leaf) => isWhole(leaf, spaceOf(chain)))) return undefined;
  const seen = <Leaf extends object>(leaf: Leaf) => ({ ...leaf, shape });
  return {
    ...item,
    chain: { ...chain, shape, leaves: chain.leaves.map(seen) },
    leaves: leaves.map(seen),
  };
}
