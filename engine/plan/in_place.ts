/**
 * A pass: an assigned value is computed right into its variable where everybody else has read the
 * old value by then, and where its own kernel reads it, if at all, element by element. What can't
 * be is copied after everything else, so that all new values are computed from the old ones.
 */

import { Scratch } from "../gpu/kernel.ts";
import type { AssignmentPair, Tensor, Variable } from "../tensor/tensor.ts";
import type { Storage } from "./dispatch.ts";
import { chainItem, type Item, kernelItem, readersOf, readsOnce, sourceOf } from "./item.ts";

export interface Placed {
  /** The items, each node replaced by that in whose memory it lies. */
  readonly items: readonly Item[];
  /** The memory of a node: its own, that which it is a view of, or a variable's. */
  storageOf(node: Tensor): Tensor;
}

/**
 * @param assign variables and the nodes among what the items compute that they become
 * @throws Error where a variable is assigned another assigned variable's old value
 */
export function writeInPlace(items: readonly Item[], assign: readonly AssignmentPair[]): Placed {
  const inPlace = variablesOf(items, assign);
  const storageOf = (node: Tensor) => inPlace.get(sourceOf(node)) ?? sourceOf(node);
  const late = assign.filter(([target, node]) => storageOf(node) !== target);
  const targets = new Set<Tensor>(assign.map(([target]) => target));
  const copies = late.map(([target, node]) => {
    if (targets.has(sourceOf(node))) {
      throw new Error(`${target.label} is assigned another assigned variable's old value`);
    }
    return copy(target, node);
  });
  return { items: [...items, ...copies].map((item) => moved(item, storageOf)), storageOf };
}

/** The variables that nodes can be computed right into. */
function variablesOf(
  items: readonly Item[],
  assign: readonly AssignmentPair[],
): ReadonlyMap<Tensor, Variable> {
  const readers = readersOf(items);
  const writers = new Map(
    items.flatMap(({ writes }, at) => writes.map((node) => [node, at] as const)),
  );
  const inPlace = new Map<Tensor, Variable>();
  for (const [target, node] of assign) {
    const at = writers.get(node);
    if (at === undefined || inPlace.has(node)) continue;
    const reading = readers.get(target) ?? [];
    if (reading.some((reader) => reader > at)) continue;
    if (!reading.includes(at) || readsByElement(items[at], node, target)) inPlace.set(node, target);
  }
  return inPlace;
}

/** Whether the item reads of the variable, for an element of the node, that same element only. */
function readsByElement(item: Item, node: Tensor, target: Variable): boolean {
  // Under one shape, that is: a variable has the size of its new value, so nothing is repeated.
  return item.kind === "chain" && node.operation.kind === "pointwise" &&
    readsOnce(item, target);
}

/** Stores an assigned value that could not be computed in place. */
function copy(target: Variable, node: Tensor): Item {
  const { shape, dtype } = node;
  const chain = {
    label: `assign ${target.label}`,
    leaves: [{ shape, dtype }],
    values: [],
    results: ["x0"],
    ...{ shape, dtype },
  };
  return { ...chainItem({ chain, leaves: [{ tensor: node, shape }], node: target }), node };
}

/** The item on the memory that its nodes have. */
function moved(item: Item, storageOf: (node: Tensor) => Tensor): Item {
  if (item.kind === "kernels") {
    const place = (buffer: Storage) => buffer instanceof Scratch ? buffer : storageOf(buffer);
    const steps = item.steps.map((step) => ({ ...step, buffers: step.buffers.map(place) }));
    return kernelItem(steps, item.node);
  }
  const leaves = item.leaves.map(({ tensor, shape }) => ({ tensor: storageOf(tensor), shape }));
  const [reads, writes] = [item.reads, item.writes].map((nodes) => nodes.map(storageOf));
  return { ...item, leaves, reads, writes };
}
