/**
 * A schedule is a list of items in the order in which they run, and every pass makes another list
 * of it. An item never changes; who reads what is asked of the list as it stands (`readersOf`).
 */

import type { Chain } from "../gpu/kernels/chain.ts";
import type { Combine, Middle } from "../gpu/kernels/reduce.ts";
import { type Step, Tensor } from "../tensor/tensor.ts";
import type { ChainLeaf, FusedChain } from "./fused_chain.ts";
import { type Storage, written } from "./dispatch.ts";

interface Entry {
  /** The node under which it is known: its operation, its layer. */
  readonly node: Tensor;
  /** What lies in memory before. */
  readonly reads: readonly Tensor[];
  /** What lies in memory after. */
  readonly writes: readonly Tensor[];
}

/** Operations that become one kernel, not made yet: passes still move other items' work into it. */
export interface ChainItem extends Entry {
  readonly kind: "chain";
  readonly chain: Chain;
  readonly leaves: readonly ChainLeaf[];
}

/** A chain of which each result is combined over the middle of `extents`. */
export interface ReduceItem extends Entry {
  readonly kind: "reduce";
  readonly chain: Chain;
  readonly leaves: readonly ChainLeaf[];
  readonly combine: Combine;
  readonly extents: Middle;
}

/** Kernels that run one after the other. */
export interface KernelItem extends Entry {
  readonly kind: "kernels";
  readonly steps: readonly Step[];
}

/** An item whose last kernel adds up, and a chain that goes on from its sums in that kernel. */
export interface TailedItem extends Entry {
  readonly kind: "tailed";
  readonly head: ReduceItem | KernelItem;
  /** Its first leaves are what the head writes. */
  readonly tail: ChainItem;
}

export type Item = ChainItem | ReduceItem | KernelItem;
/** What bundles.ts makes of items. */
export type BundledItem = Item | TailedItem;

export function chainItem({ chain, leaves, node }: FusedChain): ChainItem | ReduceItem {
  const { operation, inputs } = node;
  const entry = { node, reads: leaves.map(({ tensor }) => tensor), writes: [node], chain, leaves };
  if (operation.kind !== "reduce") return { kind: "chain", ...entry };
  const { combine } = operation;
  return { kind: "reduce", ...entry, combine, extents: inputs[0].shape as Middle };
}

/** @param node what the steps are known by, where it is not what they write */
export function kernelItem(steps: readonly Step[], node?: Tensor): KernelItem {
  const tensors = (buffers: readonly Storage[]) => buffers.filter((b) => b instanceof Tensor);
  const reads = tensors(steps.flatMap((step) => step.buffers.slice(0, -written(step).length)));
  const writes = [...new Set(tensors(steps.flatMap(written)))];
  return { kind: "kernels", node: node ?? writes[0], reads, writes, steps };
}

/** The tensor whose memory this one shares, from its beginning on: a reshape has none of its own. */
export function sourceOf(tensor: Tensor): Tensor {
  let source = tensor;
  while (source.operation.kind === "alias") source = source.inputs[0];
  return source;
}

/**
 * Whether a chain reads what `node` holds as one operand alone, all of it. Where it is repeated beside
 * that, or seen under another shape, an element of the chain's may need more of it than its own element.
 */
export function readsOnce({ leaves }: Pick<ChainItem, "leaves">, node: Tensor): boolean {
  const source = sourceOf(node);
  const own = leaves.filter(({ tensor }) => sourceOf(tensor) === source);
  return own.length === 1 && own[0].tensor.size === source.size;
}

/** For everything in memory that is read the positions of the items that read it, in order. */
export function readersOf(items: readonly BundledItem[]): ReadonlyMap<Tensor, readonly number[]> {
  const readers = new Map<Tensor, number[]>();
  for (const [at, { reads }] of items.entries()) {
    for (const source of new Set(reads.map(sourceOf))) {
      const known = readers.get(source);
      if (known) known.push(at);
      else readers.set(source, [at]);
    }
  }
  return readers;
}
