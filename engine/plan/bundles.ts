/**
 * A pass: small chains that run over as many elements and may run at one time become one kernel with
 * several results. A step has hundreds of them, a channel's statistics and the updates of vectors,
 * and each takes longer to start than to compute.
 *
 * The list is gone through once. A small chain waits, with others like it, until an item comes that
 * needs what they compute or overwrites what they read; so what waits is independent of what waits
 * beside it, and of all that has passed it.
 */

import type { Target } from "../gpu/kernels/target.ts";
import { product } from "../gpu/kernels/extents.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MAX_VALUES } from "./fuse.ts";
import { type ChainItem, type Item, readersOf } from "./item.ts";
import { bindingsOf, isWhole, joined, spaceOf } from "./join.ts";

/** Elements up to which a kernel takes longer to start than to run, and memory may wait. */
const SMALL = 4096;

/**
 * @param items on the memory that their nodes have
 * @param kept memory that is read after the last item
 */
export function bundle(
  items: readonly Item[],
  kept: ReadonlySet<Tensor>,
  target: Target,
): Item[] {
  const bundled: Item[] = [];
  const waiting = new Map<string, ChainItem>();
  const pass = (kind: string) => {
    bundled.push(waiting.get(kind)!);
    waiting.delete(kind);
  };
  for (const item of items) {
    const kind = isSmall(item) ? kindOf(item) : undefined;
    const alike = kind === undefined ? undefined : waiting.get(kind);
    const both = alike && isSmall(item) ? bundleOf(alike, item, target) : undefined;
    for (const [other, before] of waiting) {
      if (!(both && other === kind) && mustFollow(item, before)) pass(other);
    }
    if (kind === undefined) bundled.push(item);
    else {
      if (!both && waiting.has(kind)) pass(kind);
      waiting.set(kind, both ?? item as ChainItem);
    }
  }
  for (const kind of waiting.keys()) pass(kind);
  return withoutUnread(bundled, kept);
}

function isSmall(item: Item): item is ChainItem {
  return item.kind === "chain" && !item.combine && product(item.chain.shape) <= SMALL;
}

/** What chains have in common that can be joined. */
const kindOf = ({ chain }: ChainItem) => `${chain.dtype} ${spaceOf(chain).join()}`;

/** Whether the order of two items matters: one needs what the other overwrites or computes. */
function mustFollow(item: Item, before: Item): boolean {
  const common = (a: readonly Tensor[], b: readonly Tensor[]) => a.some((one) => b.includes(one));
  return common(item.reads, before.writes) || common(item.writes, before.reads) ||
    common(item.writes, before.writes);
}

/** Both chains as one; undefined where an element needs others of what is overwritten, or too much. */
function bundleOf(first: ChainItem, second: ChainItem, target: Target): ChainItem | undefined {
  const space = spaceOf(first.chain);
  const written = new Set([...first.writes, ...second.writes]);
  const touching = [...first.leaves, ...second.leaves].filter(({ tensor }) => written.has(tensor));
  if (!touching.every((leaf) => isWhole(leaf, space))) return undefined;
  const both = joined(first, second);
  const fits = bindingsOf(both) <= target.bindings && both.chain.values.length <= MAX_VALUES;
  return fits ? both : undefined;
}

/** The items without results that were for members of their own bundle alone. */
function withoutUnread(items: readonly Item[], kept: ReadonlySet<Tensor>): Item[] {
  const readers = readersOf(items);
  return items.map((item) => {
    if (item.kind !== "chain" || item.writes.length === 1) return item;
    const read = item.writes.map((tensor) => kept.has(tensor) || readers.has(tensor));
    const wanted = <T>(list: readonly T[]) => list.filter((_, k) => read[k]);
    const chain = { ...item.chain, results: wanted(item.chain.results) };
    return { ...item, chain, writes: wanted(item.writes) };
  });
}
