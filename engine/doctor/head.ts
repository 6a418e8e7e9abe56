/** The last layer of a network: the one whose parameters the logits meet last. */

import { type Module, type Parameter, run } from "../nn/module.ts";
import { Input } from "../tensor/tensor.ts";
import type { DataSet } from "../data/dataset.ts";

/** The trained parameters of the module that is applied last, by their names in the state dict. */
export function headParameters(network: Module, set: DataSet): Map<string, Parameter> {
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
  run(network, new Input("image", [1, height, width, channels]), { training: false, tap });
  return head;
}
