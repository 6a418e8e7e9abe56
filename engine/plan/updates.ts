/**
 * A pass: a variable's new value is computed as soon as all that it takes is there and everybody has
 * read the old one, not after everything else: the memory of its gradient is free again, and the kernel
 * that adds the gradient up can go on with the update.
 */

import type { AssignmentPair, Tensor, Variable } from "../tensor/tensor.ts";
import { type Item, readersOf, sourceOf } from "./item.ts";

/** @param assign variables and the nodes among what the items compute that they become */
export function updateEarly(items: readonly Item[], assign: readonly AssignmentPair[]): Item[] {
  const readers = readersOf(items);
  const makers = new Map(items.flatMap(({ writes }, at) => writes.map((node) => [node, at])));
  const targets = new Map<Tensor, Variable[]>();
  for (const [variable, node] of assign) {
    targets.set(sourceOf(node), [...targets.get(sourceOf(node)) ?? [], variable]);
  }
  /** For each item the place of the one behind which it comes; its own where it stays. */
  const places = items.map((_, at) => at);
  for (const [at, item] of items.entries()) {
    if (item.kind !== "chain" || !item.writes.every((node) => targets.has(node))) continue;
    const sources = item.reads.flatMap((node) => makers.get(sourceOf(node)) ?? []);
    const gradients = sources.filter((maker) => isSumFor(at, items[maker], readers));
    const others = item.writes.flatMap((node) => targets.get(node)!)
      .flatMap((variable) => readers.get(variable) ?? [])
      .filter((reader) => reader !== at && !gradients.includes(reader));
    if (others.some((reader) => reader > at)) continue;
    places[at] = Math.max(0, ...[...sources, ...others].map((before) => places[before]));
    for (const gradient of gradients) places[gradient] = places[at];
  }
  const moved = (at: number) => places[at] === at ? 0 : 1;
  const order = [...items.keys()].sort((a, b) =>
    places[a] - places[b] || moved(a) - moved(b) || a - b
  );
  return order.map((at) => items[at]);
}

/** Whether the item adds up what the item at `reader` alone reads. */
function isSumFor(
  reader: number,
  item: Item,
  readers: ReadonlyMap<Tensor, readonly number[]>,
): boolean {
  return item.kind === "kernels" && item.steps.at(-1)!.kernel.takesTail === true &&
    readers.get(item.writes[0])!.every((at) => at === reader);
}
