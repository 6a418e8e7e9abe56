/**
 * Two items over the same elements as one: what the second reads of the first stays in registers,
 * and what both read is loaded once.
 */

import type { Chain } from "../gpu/kernels/chain.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ChainLeaf } from "./fused_chain.ts";
import {
  type ChainItem,
  type KernelItem,
  type ReduceItem,
  sourceOf,
  type TailedItem,
} from "./item.ts";

/** The elements that a chain runs over: its shape without what is 1 in front. */
export function spaceOf({ shape }: Pick<Chain, "shape">): Shape {
  const begin = shape.findIndex((extent) => extent !== 1);
  return begin < 0 ? [] : shape.slice(begin);
}

/**
 * A chain that computes `first` and then `second`, which reads results of `first` by their own
 * elements, if at all. Both run over the same elements and have results of one type.
 */
export function joined(first: ChainItem, second: ChainItem): ChainItem {
  const writes = [...first.writes, ...second.writes];
  return { kind: "chain", node: second.node, ...jointChain(first, second), writes };
}

/** Two reductions of as many elements, neither of which needs the other, side by side. */
export function sideBySide(first: ReduceItem, second: ReduceItem): ReduceItem {
  const writes = [...first.writes, ...second.writes];
  return { ...first, ...jointChain(first, second), writes };
}

/** The item that goes on with a chain over what its last kernel adds up. */
export function continued(
  item: ReduceItem | KernelItem | TailedItem,
  chain: ChainItem,
): TailedItem {
  const { head, tail: before } = item.kind === "tailed"
    ? item
    : { head: item, tail: unchanged(item) };
  const tail = joined(before, chain);
  const others = tail.reads.filter((tensor) => !head.writes.includes(tensor));
  const reads = [...head.reads, ...others];
  return { kind: "tailed", node: head.node, reads, writes: tail.writes, head, tail };
}

/** What an item writes as the chain that it is where nothing is made of it. */
function unchanged({ writes }: ReduceItem | KernelItem): ChainItem {
  const [{ shape, dtype }] = writes;
  const leaves = writes.map((tensor) => ({ tensor, shape }));
  const chain = {
    label: showShape(shape),
    leaves: writes.map(() => ({ shape, dtype })),
    values: [],
    results: writes.map((_, k) => `x${k}`),
    ...{ shape, dtype },
  };
  return { kind: "chain", node: writes[0], reads: writes, writes, chain, leaves };
}

function jointChain(
  first: ChainItem | ReduceItem,
  second: ChainItem | ReduceItem,
): Pick<ChainItem, "chain" | "leaves" | "reads"> {
  const shape = spaceOf(first.chain);
  const joint = new JointChain(shape);
  const results = [first, second].flatMap((item) => joint.add(item));
  const { leaves, values } = joint;
  const chain = {
    label: jointLabel([first.chain, second.chain], shape),
    leaves: leaves.map(({ tensor, shape }) => ({ shape, dtype: tensor.dtype })),
    ...{ shape, values, results, dtype: first.chain.dtype },
  };
  return { chain, leaves, reads: leaves.map(({ tensor }) => tensor) };
}

/** Chains written one after the other, with each operand and each value once. */
class JointChain {
  readonly leaves: ChainLeaf[] = [];
  readonly values: string[] = [];
  /** What is computed so far, by where it goes. */
  private readonly computed = new Map<Tensor, string>();

  constructor(private readonly shape: Shape) {}

  /** @returns the names of the item's results, which those that are added later may read */
  add({ chain, leaves, writes }: ChainItem | ReduceItem): string[] {
    const names = new Map<string, string>();
    const renamed = (text: string) => text.replace(/\b[xv]\d+\b/g, (name) => names.get(name)!);
    for (const [k, leaf] of leaves.entries()) names.set(`x${k}`, this.operand(leaf));
    for (const [k, value] of chain.values.entries()) names.set(`v${k}`, this.value(renamed(value)));
    const results = chain.results.map(renamed);
    for (const [k, tensor] of writes.entries()) this.computed.set(sourceOf(tensor), results[k]);
    return results;
  }

  private operand({ tensor, shape }: ChainLeaf): string {
    const computed = this.computed.get(sourceOf(tensor));
    if (computed) return computed;
    const seen = shape.slice(Math.max(0, shape.length - this.shape.length));
    const known = this.leaves.findIndex((leaf) =>
      sourceOf(leaf.tensor) === sourceOf(tensor) && leaf.shape.join() === seen.join()
    );
    return `x${known >= 0 ? known : this.leaves.push({ tensor, shape: seen }) - 1}`;
  }

  private value(text: string): string {
    const known = this.values.indexOf(text);
    return `v${known >= 0 ? known : this.values.push(text) - 1}`;
  }
}

/** The distinct operations of both, and the shape. */
function jointLabel(chains: readonly Chain[], shape: Shape): string {
  const operations = chains.flatMap(({ label }) => label.slice(0, label.indexOf("[")).split(" "));
  return [...new Set(operations)].filter(Boolean).concat(showShape(shape)).join(" ");
}

/** Whether the leaf is read by the chain's own elements: not repeated, and in the same order. */
export function isWhole({ shape: own }: ChainLeaf, shape: Shape): boolean {
  return spaceOf({ shape: own }).join() === shape.join();
}

/** The buffers that a chain binds beside `computed`: what it overwrites is bound once. */
export function bindingsOf(
  { leaves, writes }: ChainItem,
  computed: readonly Tensor[] = [],
): number {
  const known = new Set([...writes, ...computed]);
  return leaves.filter(({ tensor }) => !known.has(tensor)).length + writes.length;
}
