/**
 * A pass: what the forward pass leaves for the gradients waits for them as halves (f16), in half the
 * memory. Behind its last reader of the forward pass an activation is packed, and unpacked before the
 * gradients that read it; its own memory is free in between. All arithmetic stays in float32, and so
 * do weights, gradients and sums.
 *
 * A gradient is then that of activations with 11 bits: it is off by some 1e-4 of its size. What decides by equal
 * bits stays as it is: random draws, and operands of a gradient that looks for the largest element.
 */

import { HALVES, packKernel, unpackKernel } from "../gpu/kernels/half.ts";
import { withOrigin } from "../tensor/origin.ts";
import { type Kernels, Tensor } from "../tensor/tensor.ts";
import { type Item, kernelItem, readersOf, sourceOf } from "./item.ts";

/** Numbers from which memory counts; with fewer a kernel takes longer to start than to run. */
const LARGE = 1 << 14;
/** Items for which an unpacked activation waits for its next reader. */
const REACH = 8;

/** Nodes that only plans know. */
const internal = (name: string): Kernels => ({
  name,
  kind: "kernels",
  lower: () => {
    throw new Error(`${name} is lowered where it is made`);
  },
});
const PACK = internal("pack");
const UNPACK = internal("unpack");

/** @param wanted nodes whose values must be in memory, whoever reads them */
export function keepAsHalves(items: readonly Item[], wanted: ReadonlySet<Tensor>): Item[] {
  const readers = readersOf(items);
  const [behind, before] = [new Map<number, Item[]>(), new Map<number, Item[]>()];
  /** For each item what stands in the place of what it reads. */
  const replaced = new Map<number, Map<Tensor, Tensor>>();
  for (const [at, item] of items.entries()) {
    for (const node of item.writes) {
      const reading = readers.get(node) ?? [];
      const later = reading.filter((reader) => orderOf(items[reader]) > 0);
      const last = Math.max(at, ...reading.filter((reader) => orderOf(items[reader]) === 0));
      const waits = later.length > 0 && later[0] > last + REACH;
      if (orderOf(item) > 0 || !waits || wanted.has(node) || !mayBeHalves(node)) continue;
      if (later.some((reader) => decidesByBits(items[reader]))) continue;

      const packed = nodeLike(node, PACK, [node], [node.size / 2], "u32");
      push(behind, last, stepItem(packKernel(node.size), node, packed));
      for (let k = 0, since = -Infinity, unpacked = node; k < later.length; k++) {
        if (later[k] - since > REACH) {
          unpacked = nodeLike(items[later[k]].node, UNPACK, [packed], node.shape, "f32");
          push(before, later[k], stepItem(unpackKernel(node.size), packed, unpacked));
        }
        since = later[k];
        const own = replaced.get(later[k]) ?? new Map<Tensor, Tensor>();
        replaced.set(later[k], own.set(node, unpacked));
      }
    }
  }
  return items.flatMap((item, at) => [
    ...before.get(at) ?? [],
    reading(item, replaced.get(at)),
    ...behind.get(at) ?? [],
  ]);
}

const orderOf = ({ node }: Item) => node.origin.order;

/** Whether a node's values are such that halves of them do. */
function mayBeHalves({ dtype, size, operation }: Tensor): boolean {
  return dtype === "f32" && size >= LARGE && size % HALVES === 0 && operation.name !== "uniform";
}

/** Comparing for equality, but not with a literal. */
const EQUALITY = /== (?![FU]\()/;

/** Whether an item asks of what it reads whether it is equal to something. */
function decidesByBits(item: Item): boolean {
  const texts = item.kind === "kernels"
    ? item.steps.map(({ kernel: { slots } }) => slots?.result ?? "")
    : item.chain.values;
  return texts.some((text) => EQUALITY.test(text));
}

function nodeLike(
  { origin }: Tensor,
  operation: Kernels,
  inputs: readonly Tensor[],
  shape: readonly number[],
  dtype: "f32" | "u32",
): Tensor {
  return withOrigin(origin, () => new Tensor(operation, inputs, shape, dtype));
}

const stepItem = (kernel: ReturnType<typeof packKernel>, from: Tensor, to: Tensor) =>
  kernelItem([{ kernel, buffers: [from, to] }]);

function push(lists: Map<number, Item[]>, at: number, item: Item): void {
  const list = lists.get(at);
  if (list) list.push(item);
  else lists.set(at, [item]);
}

/** The item with other operands. */
function reading(item: Item, others: ReadonlyMap<Tensor, Tensor> | undefined): Item {
  if (!others) return item;
  const other = (tensor: Tensor) => others.get(sourceOf(tensor)) ?? tensor;
  if (item.kind === "kernels") {
    const steps = item.steps.map((step) => ({
      ...step,
      buffers: step.buffers.map((buffer) => buffer instanceof Tensor ? other(buffer) : buffer),
    }));
    return kernelItem(steps, item.node);
  }
  const leaves = item.leaves.map(({ tensor, shape }) => ({ tensor: other(tensor), shape }));
  return { ...item, leaves, reads: item.reads.map(other) };
}
