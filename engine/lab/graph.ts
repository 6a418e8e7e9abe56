/**
 * A function's graph, the graphs of its gradients, and the plan that computes all of them, as lists
 * of nodes that can be printed or drawn (dot.ts).
 *
 * A gradient is listed by what it adds: it shares nodes with what it is the gradient of. The second
 * is that of the sum of all first gradients' elements, and so on.
 */

import type { Target } from "../gpu/kernels/target.ts";
import { layOut, type MemoryUse } from "../plan/allocate.ts";
import { type Dispatch, type Storage, written } from "../plan/dispatch.ts";
import { schedule } from "../plan/schedule.ts";
import {
  ancestors,
  broadcastTo,
  constant,
  constantValue,
  Input,
  type Shape,
  Tensor,
  Variable,
} from "../tensor/mod.ts";
import { derivativesOf } from "./derivatives.ts";
import type { Subject } from "./gradcheck.ts";

/** A node as it is shown. */
export interface GraphNode {
  /** What others call it. */
  readonly name: string;
  readonly kind: "input" | "operation" | "kernel";
  /** The operation or the kernel. */
  readonly what: string;
  readonly shape: Shape;
  /** The layer that it belongs to; "" where it belongs to none. */
  readonly layer: string;
  /** The names of its operands, and constants as they are. */
  readonly operands: readonly string[];
  /** What it is of the whole: "value", "d/dx". */
  readonly results: readonly string[];
  /** It has no memory: the kernels that read it compute it on the way. */
  readonly fused?: boolean;
}

export interface PlanNode extends GraphNode {
  readonly workgroups: number;
  readonly flops: number;
  readonly bytes: number;
}

export interface Graphs {
  /** The function's nodes, then those that each order of gradients adds. */
  readonly orders: readonly (readonly GraphNode[])[];
  readonly plan: readonly PlanNode[];
  readonly memory: MemoryUse;
}

export interface Planned extends Omit<Graphs, "orders"> {
  /** One for each node of the plan. */
  readonly dispatches: readonly Dispatch[];
}

/** @param count the orders of gradients */
export function graphsOf(subject: Subject, count: number, target: Target): Graphs {
  const { orders, results, names } = differentiated(subject, count);
  const { plan, memory } = planOf(orders.flat(), results, leavesOf(names), target);
  return {
    orders: addedBy(orders).map((nodes) =>
      shownOf(nodes).map((node) => nodeOf(node, names, results))
    ),
    ...{ plan, memory },
  };
}

/** The nodes that each order adds to those before. */
export function addedBy(orders: readonly (readonly Tensor[])[]): Tensor[][] {
  const listed = new Set<Tensor>();
  return orders.map((tensors) => {
    const added = ancestors(...tensors).filter((node) => !listed.has(node));
    for (const node of added) listed.add(node);
    return added;
  });
}

/** Of a plan only the inputs keep their names: its values are others than the graph's. */
const leavesOf = (names: Names): Names =>
  new Map([...names].filter(([leaf]) => leaf instanceof Variable));

/** A function and its gradients, with what each is of the whole and the names of its inputs. */
export interface Differentiated {
  /** The value, then the gradients of each order. */
  readonly orders: readonly (readonly Tensor[])[];
  readonly results: Results;
  readonly names: Names;
}

/** @param count the orders of gradients */
export function differentiated({ value, inputs }: Subject, count: number): Differentiated {
  const ones = (shape: Shape) => broadcastTo(constant(1), shape);
  const variables = inputs.map(({ variable }) => variable);
  const derivatives = derivativesOf(value, variables, count, ones);
  const results = new Map([[value, ["value"]]]);
  const orders = [
    [value],
    ...derivatives.map(({ gradients }, k) =>
      gradients.flatMap((gradient, i) => {
        if (!gradient) return [];
        const title = `d${k === 0 ? "" : k + 1}/d${inputs[i].name}`;
        results.set(gradient, [...results.get(gradient) ?? [], title]);
        return [gradient];
      })
    ),
  ];
  const names = new Map<Storage, string>(inputs.map(({ name, variable }) => [variable, name]));
  return { orders, results, names };
}

/** Names by what they name; new ones are added as they are given. */
export type Names = Map<Storage, string>;
export type Results = ReadonlyMap<Tensor, readonly string[]>;

/** Without the constants, which are shown in the operations that use them. */
export const shownOf = (nodes: readonly Tensor[]): Tensor[] =>
  nodes.filter((node) => constantValue(node) === undefined);

export function nodeOf(node: Tensor, names: Names, results: Results): GraphNode {
  return {
    name: nameOf(node, names, "n"),
    kind: node.inputs.length > 0 ? "operation" : "input",
    what: node.operation.name,
    shape: node.shape,
    layer: node.origin.layer,
    operands: node.inputs.map((input) => `${constantValue(input) ?? nameOf(input, names, "n")}`),
    results: results.get(node) ?? [],
  };
}

/** The name of a leaf; of everything else a letter and a number, given when it is first asked for. */
export function nameOf(storage: Storage, names: Names, letter: string): string {
  let name = names.get(storage);
  if (name === undefined) {
    const labelled = storage instanceof Variable || storage instanceof Input;
    name = labelled ? storage.label : `${letter}${names.size}`;
    names.set(storage, name);
  }
  return name;
}

/** The kernels that compute `outputs`, and the memory that they take. */
export function planOf(
  outputs: readonly Tensor[],
  titles: Results,
  names: Names,
  target: Target,
): Planned {
  const { dispatches, storageOf } = schedule(outputs, [], target);
  const results = Map.groupBy(outputs, storageOf);
  const plan = dispatches.map((dispatch): PlanNode => {
    const { kernel, buffers, node } = dispatch;
    const outputs = written(dispatch);
    const read = buffers.slice(0, -outputs.length);
    const operands = read.map((storage) => nameOf(storage, names, "m"));
    return {
      name: outputs.map((storage) => nameOf(storage, names, "m")).join(" "),
      kind: "kernel",
      what: kernel.label,
      shape: outputs[0].shape,
      layer: node.origin.layer,
      operands: [...new Set(operands)],
      results: outputs.flatMap((storage) =>
        results.get(storage as Tensor)?.flatMap((tensor) => titles.get(tensor)!) ?? []
      ),
      workgroups: kernel.workgroups,
      flops: kernel.flops,
      bytes: kernel.bytes,
    };
  });
  const { use } = layOut(dispatches, new Set(outputs.map(storageOf)));
  return { plan, memory: use, dispatches };
}
