/** The last layer of a network: the one whose parameters the logits meet last. */

import { type Module, type Parameter, run } from "../nn/module.ts";
import { Input } from "../tensor/tensor.ts";
import type { DataSet } from "../data/dataset.ts";
import { isInProportion } from "./homogeneous.ts";

/** The trained parameters of the module that is applied last, by their names in the state dict. */
export const headParameters = (network: Module, set: DataSet): Map<string, Parameter> =>
  headOf(network, set).parameters;

/** Those, and whether the logits of every image are in proportion to them. */
export function headOf(
  network: Module,
  set: DataSet,
): { readonly parameters: Map<string, Parameter>; readonly scales: boolean } {
  const { height, width, channels } = set;
  const modules = new Map(network.namedModules());
  const named = [...network.namedParameters()];
  let head = new Map<string, Parameter>();
  const tap = <Output>(name: string, output: Output): Output => {
    const parts = new Set<unknown>(Object.values(modules.get(name)!));
    const own = named.filter(([, parameter]) => parts.has(parameter));
    if (own.length > 0) head = new Map(own);
    return output;
  };
  const image = new Input("image", [1, height, width, channels]);
  const { output: logits } = run(network, image, { training: false, tap });
  return { parameters: head, scales: isInProportion(logits, new Set(head.values())) };
}
