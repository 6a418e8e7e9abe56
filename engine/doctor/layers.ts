/** Which layers are diagnosed and constrained, by name. */

import { ExitCode, UserError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import type { Module } from "../nn/module.ts";
import { INPUT_LAYER } from "../nn/observe.ts";

/**
 * The modules that a choice of layers names.
 *
 * - `features`  the final feature map that feeds the head
 * - `last`      the last registered convolution, the choice of the method's authors
 * - `convs`     every convolution; of a perceptron every hidden layer, and `last` is the last of them
 * - `input`     the images themselves
 * - otherwise   a module's path, such as `conv5_x.2.residual_function.3`, or a pattern of paths:
 *               `conv5_x.*` are its parts, `conv5_x.**` theirs too
 *
 * @param choices such names; several are constrained together
 * @param featureLayer the module behind `features`
 * @throws UserError (usage) with the nearest name
 */
export function resolveLayers(
  network: Module,
  choices: readonly string[],
  featureLayer: string,
): string[] {
  const modules = new Map(network.namedModules());
  const convolutions = [...modules].filter(([, m]) => m.isConvolution)
    .map(([name]) => name);
  const layers = choices.flatMap((choice) => {
    if (choice === INPUT_LAYER) return [INPUT_LAYER];
    if (choice === "features") return [featureLayer];
    if (choice === "last") return convolutions.slice(-1);
    if (choice === "convs") return convolutions;
    if (choice !== "" && modules.has(choice)) return [choice];
    const matching = [...modules.keys()].filter((name) => matches(choice, name));
    if (matching.length > 0) return matching;
    const names = ["features", "last", "convs", INPUT_LAYER, ...modules.keys()].filter(Boolean);
    throw new UserError(
      `there is no layer ${choice}${didYouMean(choice, names)}`,
      ExitCode.usage,
      `besides module paths there are features, last, convs and ${INPUT_LAYER}`,
    );
  });
  return [...new Set(layers)];
}

/** Whether a pattern describes a path: `*` stands for characters other than dots, `**` for any. */
function matches(pattern: string, path: string): boolean {
  if (!pattern.includes("*") || path === "") return false;
  const parts = pattern.split(/(\*+)/).map((part) => {
    if (part.startsWith("*")) return part.length > 1 ? ".*" : "[^.]*";
    return part.replace(/[^\w]/g, "\\$&");
  });
  return new RegExp(`^${parts.join("")}$`).test(path);
}
