/**
 * A function's graph, the graphs of its gradients, and the plan that computes all of them, as lists
 * of nodes that can be printed or drawn (dot.ts).
 *
 * A gradient is listed by what it adds: it shares nodes with what it is the gradient of. The second
 * is that of the sum of all first gradients' elements, and so on.
 */

import type { Target } from "../gpu/kernels/target.ts";
import { layOut, type MemoryUse } from "../plan/allocate.ts";
import { type Storage, written } from "../plan/dispatch.ts";
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

/** @param count the orders of gradients */
export function graphsOf(subject: Subject, count: number, target: Target): Graphs {
  const inputs = subject.inputs.map(({ variable }) => variable);
  const ones = (shape: Shape) => broadcastTo(constant(1), shape);
  const derivatives = derivativesOf(subject.value, inputs, count, ones);
  const results = new Map([[subject.value, ["value"]]]);
  const orders = [
    [subject.value],
    ...derivatives.map(({ gradients }, k) =>
      gradients.flatMap((gradient, i) => {
        if (!gradient) return [];
        const title = `d${k === 0 ? "" : k + 1}/d${subject.inputs[i].name}`;
        results.set(gradient, [...results.get(gradient) ?? [], title]);
        return [gradient];
      })
    ),
  ];
  const names = new Map<Storage, string>(
    subject.inputs.map(({ name, variable }) => [variable, name]),
  );
  const listed = new Set<Tensor>();
  return {
    orders: orders.map((tensors) => {
      const added = ancestors(...tensors).filter((node) => !listed.has(node));
      for (const node of added) listed.add(node);
      return added.filter((node) => constantValue(node) === undefined)
        .map((node) => nodeOf(node, names, results));
    }),
    ...planOf(orders.flat(), results, names, target),
  };
}

type Names = Map<Storage, string>;
type Results = ReadonlyMap<Tensor, readonly string[]>;

function nodeOf(node: Tensor, names: Names, results: Results): GraphNode {
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
function nameOf(storage: Storage, names: Names, letter: string): string {
  let name = names.get(storage);
  if (name === undefined) {
    const labelled = storage instanceof Variable || storage instanceof Input;
    name = labelled ? storage.label : `${letter}${names.size}`;
    names.set(storage, name);
  }
  return name;
}

function planOf(
  outputs: readonly Tensor[],
  titles: Results,
  known: ReadonlyMap<Storage, string>,
  target: Target,
) {
  const { dispatches, storageOf } = schedule(outputs, [], target);
  const results = Map.groupBy(outputs, storageOf);
  const names: Names = new Map([...known].filter(([leaf]) => leaf instanceof Variable));
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
  return { plan, memory: layOut(dispatches, new Set(outputs.map(storageOf))).use };
}
