/**
 * A pass: small chains that run over as many elements and may run at one time become one kernel with
 * several results, and what is made of a reduction's sums is computed as they are stored. A step has
 * hundreds of them, a channel's statistics and the updates of vectors, and each takes longer to start
 * than to compute.
 *
 * The list is gone through once. A small chain waits, with others like it, until an item comes that
 * needs what they compute or overwrites what they read; so what waits is independent of what waits
 * beside it, and of all that has passed it. What adds up waits only for chains that follow at once: it
 * reads much, and that memory is wanted. A result whose last reader has joined is not stored: so many
 * more chains fit the bindings of one kernel.
 */

import type { Target } from "../gpu/kernels/target.ts";
import { product } from "../gpu/kernels/extents.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { MAX_VALUES } from "./fuse.ts";
import type { ChainLeaf } from "./fused_chain.ts";
import { type BundledItem, type ChainItem, type Item, readersOf, type TailedItem } from "./item.ts";
import { bindingsOf, continued, isWhole, joined, spaceOf } from "./join.ts";

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
): BundledItem[] {
  const bundled: BundledItem[] = [];
  const waiting = new Map<string, BundledItem>();
  const pass = (kind: string) => {
    bundled.push(waiting.get(kind)!);
    waiting.delete(kind);
  };
  const readers = readersOf(items);
  for (const [at, item] of items.entries()) {
    // Who has read a result of what still waits was joined to it.
    const needed: Needed = (tensor) => kept.has(tensor) || (readers.get(tensor)?.at(-1) ?? 0) > at;
    const kind = isSmall(item) ? kindOf(item) : addsUp(item) ? SUMS : undefined;
    // What follows a reduction at once is better computed there than with others.
    const joins = item.kind === "chain" && firstOf([SUMS, kindOf(item)], (kind) => {
      const before = waiting.get(kind);
      const both = before && bothOf(before, item, needed, target);
      return both && { kind, both };
    });
    for (const [other, before] of waiting) {
      if (joins && joins.kind === other) continue;
      if (mustFollow(item, before) || (other === SUMS && !isSmall(item))) pass(other);
    }
    if (joins) waiting.set(joins.kind, joins.both);
    else if (kind === undefined) bundled.push(item);
    else {
      if (waiting.has(kind)) pass(kind);
      waiting.set(kind, item);
    }
  }
  for (const kind of waiting.keys()) pass(kind);
  return bundled;
}

/** Whether somebody who comes later wants what lies in memory. */
type Needed = (tensor: Tensor) => boolean;

/** The kind of what adds up. */
const SUMS = "sums";

function firstOf<T, R>(list: readonly T[], make: (one: T) => R | undefined): R | undefined {
  for (const one of list) {
    const made = make(one);
    if (made) return made;
  }
}

function isSmall(item: Item): item is ChainItem {
  return item.kind === "chain" && product(item.chain.shape) <= SMALL;
}

/** Whether the item's last kernel may go on from what it adds up. */
function addsUp(item: Item): boolean {
  return item.kind === "reduce" ||
    (item.kind === "kernels" && item.steps.at(-1)!.kernel.takesTail === true);
}

/** What chains have in common that can be joined. */
const kindOf = ({ chain }: Pick<ChainItem, "chain">) => `${chain.dtype} ${spaceOf(chain).join()}`;

/** Whether the order of two items matters: one needs what the other overwrites or computes. */
function mustFollow(item: Item, before: BundledItem): boolean {
  const common = (a: readonly Tensor[], b: readonly Tensor[]) => a.some((one) => b.includes(one));
  return common(item.reads, before.writes) || common(item.writes, before.reads) ||
    common(item.writes, before.writes);
}

/**
 * Both as one; undefined where an element needs others of what the first one computes or of what is
 * overwritten, or too much.
 */
function bothOf(
  first: BundledItem,
  second: ChainItem,
  needed: Needed,
  target: Target,
): BundledItem | undefined {
  const own = (leaf: ChainLeaf) => isWhole(leaf, spaceOf(second.chain));
  if (!second.leaves.every((leaf) => !first.writes.includes(leaf.tensor) || own(leaf))) return;
  if (first.kind !== "chain") return withMore(first, second, needed, target);
  const both = trimmed(joined(first, second), needed);
  return fits(both, bindingsOf(both), target) ? both : undefined;
}

/** What adds up, going on with a chain; undefined if that is none over its sums. */
function withMore(
  first: Exclude<BundledItem, ChainItem>,
  chain: ChainItem,
  needed: Needed,
  target: Target,
): TailedItem | undefined {
  const head = first.kind === "tailed" ? first.head : first;
  const [sum] = head.writes;
  if (`${sum.dtype} ${spaceOf(sum).join()}` !== kindOf(chain)) return undefined;
  if (chain.writes.some((tensor) => head.reads.includes(tensor))) return undefined;
  const longer = continued(first, chain);
  const tail = trimmed(longer.tail, needed);
  // A kernel binds what it adds up, or, where that is in parts, the parts.
  const { length } = head.kind === "reduce" ? head.leaves : head.steps.at(-1)!.buffers;
  const inputs = Math.max(length, head.writes.length);
  if (!fits(tail, inputs + bindingsOf(tail, head.writes), target)) return undefined;
  return { ...longer, tail, writes: tail.writes };
}

function fits({ chain, leaves, writes }: ChainItem, bindings: number, target: Target): boolean {
  const space = spaceOf(chain);
  return leaves.every((leaf) => !writes.includes(leaf.tensor) || isWhole(leaf, space)) &&
    bindings <= target.bindings && chain.values.length <= MAX_VALUES;
}

/** The chain without the results that nobody reads any more. */
function trimmed(item: ChainItem, needed: Needed): ChainItem {
  const wanted = <T>(list: readonly T[]) => list.filter((_, k) => needed(item.writes[k]));
  const chain = { ...item.chain, results: wanted(item.chain.results) };
  return { ...item, chain, writes: wanted(item.writes) };
}
