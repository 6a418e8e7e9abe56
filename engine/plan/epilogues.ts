/**
 * A pass: a chain is put at the end of the kernel that computes one of its operands, where nothing
 * else reads that: the bias and the ReLU behind a convolution. The kernel then runs when the chain
 * would.
 */

import { withEpilogue } from "../gpu/kernels/epilogue.ts";
import type { Target } from "../gpu/kernels/target.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import {
  type ChainItem,
  type Item,
  type KernelItem,
  kernelItem,
  readersOf,
  readsOnce,
} from "./item.ts";

/** @param wanted nodes whose values must be in memory, whoever reads them */
export function joinEpilogues(
  items: readonly Item[],
  wanted: ReadonlySet<Tensor>,
  target: Target,
): Item[] {
  const readers = readersOf(items);
  /** Items by what their last kernel computes for nobody but one reader. */
  const open = new Map<Tensor, KernelItem>();
  const gone = new Set<Item>();
  const joined = items.map((item) => {
    if (item.kind === "kernels") {
      const [result] = item.writes;
      const read = readers.get(result) ?? [];
      if (read.length === 1 && !wanted.has(result)) open.set(result, item);
      return item;
    }
    if (item.kind === "reduce") return item;
    const { node, leaves, writes } = item;
    const fits = node.operation.kind === "pointwise" && writes.length === 1 && node.dtype === "f32";
    for (const [own, { tensor }] of fits ? leaves.entries() : []) {
      const inPlace = sameShape(tensor.shape, node.shape) && readsOnce(item, tensor);
      const host = inPlace ? open.get(tensor) : undefined;
      const longer = host && withChain(host, item, own, target);
      if (!longer) continue;
      gone.add(host);
      return longer;
    }
    return item;
  });
  return joined.filter((item) => !gone.has(item));
}

/** The item with the chain behind it, whose leaf `own` it computes; undefined if it takes none. */
function withChain(
  host: KernelItem,
  { chain, leaves, writes }: ChainItem,
  own: number,
  target: Target,
): KernelItem | undefined {
  const { kernel, buffers } = host.steps.at(-1)!;
  const inputs = buffers.slice(0, -1);
  const longer = withEpilogue(kernel, chain, own, target);
  const others = leaves.filter((_, k) => k !== own).map(({ tensor }) => tensor);
  if (!longer) return undefined;
  const last = { kernel: longer, buffers: [...inputs, ...others, ...writes] };
  return kernelItem([...host.steps.slice(0, -1), last], host.node);
}
