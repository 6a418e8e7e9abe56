/** A forward pass that keeps what every module puts out, by the module's name. */

import { ExitCode, UserError } from "../errors.ts";
import type { AssignmentPair, Tensor } from "../tensor/tensor.ts";
import { type Module, type PassOptions, run } from "./module.ts";

/** The name under which the network's input is a layer. */
export const INPUT_LAYER = "input";

/** A network's logits, its updates of running averages, and its layers. */
export interface Observed {
  readonly logits: Tensor;
  readonly updates: readonly AssignmentPair[];
  /**
   * The output of a module by its name, the last one where it is applied several times.
   * @throws UserError (usage) where the network doesn't apply it
   */
  readonly layer: (name: string) => Tensor;
}

/**
 * Builds the graph of `network` applied to x; what `options.tap` makes of the outputs, and of the
 * input, is what is kept.
 */
export function observe(network: Module, x: Tensor, options: PassOptions): Observed {
  const outputs = new Map<string, Tensor>();
  const tap = (name: string, output: Tensor) => {
    const seen = options.tap?.(name, output) ?? output;
    outputs.set(name, seen);
    return seen;
  };
  const { output: logits, updates } = run(network, tap(INPUT_LAYER, x), { ...options, tap });
  const layer = (name: string): Tensor => {
    const output = outputs.get(name);
    if (output) return output;
    throw new UserError(
      `layer ${name} is a part of the network that is not applied as a whole and has no output`,
      ExitCode.usage,
      "choose one of the modules in it",
    );
  };
  return { logits, updates, layer };
}
