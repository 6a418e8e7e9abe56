/** The end of a classifier: probabilities are taken off, for a loss wants the logits before them. */

import type { OnnxModel, OnnxNode } from "./model.ts";

const PROBABILITIES: readonly string[] = ["Softmax", "LogSoftmax", "Sigmoid"];

export interface Ending {
  /** What is computed: the nodes that the logits need, in their order. */
  readonly nodes: readonly OnnxNode[];
  /** The value that is the logits. */
  readonly output: string;
  /** The operator that was taken off, if one was. */
  readonly takenOff?: string;
}

export function ending({ nodes, output }: OnnxModel): Ending {
  const makers = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node])));
  let logits = output;
  let takenOff: string | undefined;
  for (let last = makers.get(output); last; last = makers.get(logits)) {
    const isEnd = !takenOff && PROBABILITIES.includes(last.op);
    if (!isEnd && last.op !== "Identity") break;
    if (isEnd) takenOff = last.op;
    logits = last.inputs[0];
  }
  const needed = new Set([logits]);
  const kept = [...nodes].reverse().filter((node) => {
    const isNeeded = node.outputs.some((name) => needed.has(name));
    if (isNeeded) node.inputs.forEach((name) => name && needed.add(name));
    return isNeeded;
  });
  return { nodes: kept.reverse(), output: logits, takenOff };
}
