/** The last layer of a network: the one whose parameters the logits meet last. */

import { type Module, Parameter, run } from "../nn/module.ts";
import { Input } from "../tensor/tensor.ts";
import type { DataSet } from "../data/dataset.ts";

/** The trained parameters of the module that is applied last, by their names in the state dict. */
export function headParameters(network: Module, set: DataSet): Map<string, Parameter> {
  const { height, width, channels } = set;
  const modules = new Map(network.namedModules());
  let head = new Map<string, Parameter>();
  const tap = <Output>(name: string, output: Output): Output => {
    const own = Object.entries(modules.get(name)!)
      .filter((entry): entry is [string, Parameter] =>
        entry[1] instanceof Parameter && entry[1].trainable
      );
    if (own.length > 0) head = new Map(own.map(([key, p]) => [name ? `${name}.${key}` : key, p]));
    return output;
  };
  run(network, new Input("image", [1, height, width, channels]), { training: false, tap });
  return head;
}
