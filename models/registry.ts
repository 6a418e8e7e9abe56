/** The classifiers by name. A new one is a file beside this and a line here. */

import { ExitCode, UserError } from "../engine/errors.ts";
import { didYouMean } from "../engine/nearest.ts";
import { alexnet } from "./alexnet.ts";
import type { ClassifierEntry } from "./classifier.ts";
import { resnet34 } from "./resnet.ts";
import { small } from "./small.ts";
import { vgg16 } from "./vgg.ts";

export const classifiers: readonly ClassifierEntry[] = [small, alexnet, vgg16, resnet34];

/** @throws UserError (usage) that names the nearest classifier */
export function classifier(name: string): ClassifierEntry {
  const entry = classifiers.find((c) => c.name === name);
  if (entry) return entry;
  const names = classifiers.map((c) => c.name);
  throw new UserError(
    `there is no model ${name}${didYouMean(name, names)}`,
    ExitCode.usage,
    `the models are ${names.join(", ")}`,
  );
}
