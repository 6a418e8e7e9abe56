/** Two chains over the same elements as one: what the second reads of the first stays in registers. */

import type { Chain } from "../gpu/kernels/chain.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { ChainLeaf } from "./fused_chain.ts";
import { type ChainItem, sourceOf } from "./item.ts";

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
  const shape = spaceOf(first.chain);
  const joint = new JointChain(shape);
  const results = [first, second].flatMap((item) => joint.add(item));
  const { leaves, values } = joint;
  const { dtype } = first.chain;
  return {
    kind: "chain",
    node: second.node,
    reads: leaves.map(({ tensor }) => tensor),
    writes: [...first.writes, ...second.writes],
    chain: {
      label: jointLabel([first.chain, second.chain], shape),
      leaves: leaves.map(({ tensor, shape }) => ({ shape, dtype: tensor.dtype })),
      ...{ shape, values, results, dtype },
    },
    leaves,
  };
}

/** Chains written one after the other, with each operand and each value once. */
class JointChain {
  readonly leaves: ChainLeaf[] = [];
  readonly values: string[] = [];
  /** What is computed so far, by where it goes. */
  private readonly computed = new Map<Tensor, string>();

  constructor(private readonly shape: Shape) {}

  /** @returns the names of the item's results */
  add({ chain, leaves, writes }: ChainItem): string[] {
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
      leaf.tensor === tensor && leaf.shape.join() === seen.join()
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
  const operations = chains.flatMap(({ label }) => label.slice(0, label.indexOf(" [")).split(" "));
  return `${[...new Set(operations)].join(" ")} ${showShape(shape)}`;
}

/** Whether the leaf is read by the chain's own elements: not repeated, and in the same order. */
export function isWhole({ shape: own }: ChainLeaf, shape: Shape): boolean {
  return spaceOf({ shape: own }).join() === shape.join();
}

/** All that a chain keeps bound: what it overwrites is bound once. */
export function bindingsOf({ leaves, writes }: ChainItem): number {
  const written = new Set<Tensor>(writes);
  return leaves.filter(({ tensor }) => !written.has(tensor)).length + writes.length;
}
