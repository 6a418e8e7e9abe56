/**
 * A schedule is a list of items in the order in which they run, and every pass makes another list
 * of it. An item never changes; who reads what is asked of the list as it stands (`readersOf`).
 */

import type { Chain } from "../gpu/kernels/chain.ts";
import type { Combine } from "../gpu/kernels/reduce.ts";
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
  /** How the chain's result is combined over the middle of the node's input; stored where absent. */
  readonly combine?: Combine;
}

/** Kernels that run one after the other. */
export interface KernelItem extends Entry {
  readonly kind: "kernels";
  readonly steps: readonly Step[];
}

export type Item = ChainItem | KernelItem;

/** A reduction where its last node is one. */
export function chainItem({ chain, leaves, node }: FusedChain): ChainItem {
  const combine = node.operation.kind === "reduce" ? node.operation.combine : undefined;
  const reads = leaves.map(({ tensor }) => tensor);
  return { kind: "chain", node, reads, writes: [node], chain, leaves, combine };
}

/** @param node what the steps are known by, where it is not what they write */
export function kernelItem(steps: readonly Step[], node?: Tensor): KernelItem {
  const tensors = (buffers: readonly Storage[]) => buffers.filter((b) => b instanceof Tensor);
  const reads = tensors(steps.flatMap((step) => step.buffers.slice(0, -written(step).length)));
  const writes = [...new Set(tensors(steps.flatMap(written)))];
  return { kind: "kernels", node: node ?? writes[0], reads, writes, steps };
}

/** The tensor whose memory this one shares: a reshape has none of its own. */
export function sourceOf(tensor: Tensor): Tensor {
  let source = tensor;
  while (source.operation.kind === "alias") source = source.inputs[0];
  return source;
}

/**
 * Whether a chain reads what `node` holds as one operand alone. Where it is repeated beside that, or
 * seen under another shape, an element of the chain's may need more of it than its own element.
 */
export function readsOnce({ leaves }: Pick<ChainItem, "leaves">, node: Tensor): boolean {
  return leaves.filter(({ tensor }) => sourceOf(tensor) === sourceOf(node)).length === 1;
}

/** For everything in memory that is read the positions of the items that read it, in order. */
export function readersOf(items: readonly Item[]): ReadonlyMap<Tensor, readonly number[]> {
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
