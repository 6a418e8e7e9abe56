/** Groups of training images by their background, for the arms that are told them. */

import type { Split } from "../../data/dataset.ts";
import { ExitCode, UserError } from "../../errors.ts";

export const GROUPINGS = ["combinations", "pairings"] as const;

export interface TrainingGroups {
  /** Of each image, from 0 without gaps. */
  readonly of: Uint32Array<ArrayBuffer>;
  readonly count: number;
  /** Said where they can tell nothing of backgrounds. */
  readonly note?: string;
}

/** As an option of an arm. */
export const groupingOption = <const Name extends string>(arm: Name) =>
  ({
    type: "choice",
    choices: GROUPINGS,
    default: "combinations",
    help: `${arm}: groups by label and background (combinations, as in the paper), or by whether ` +
      "the background is the class's own (pairings)",
  }) as const;

/**
 * The groups that there are images of: those of a label and a background, or two.
 * @throws UserError (method) where the backgrounds are not known
 */
export function trainingGroups(
  { labels, backgrounds }: Split,
  by: typeof GROUPINGS[number],
): TrainingGroups {
  if (!backgrounds) {
    throw new UserError("the images' backgrounds are not known", ExitCode.method);
  }
  const numbers = new Map<string, number>();
  const of = Uint32Array.from(labels, (label, i) => {
    const ground = backgrounds[i];
    const group = by === "pairings" ? `${ground === label}` : `${label} on ${ground}`;
    if (!numbers.has(group)) numbers.set(group, numbers.size);
    return numbers.get(group)!;
  });
  const isAlone = numbers.size === (by === "pairings" ? 1 : new Set(labels).size);
  const note = isAlone
    ? "each class has one kind of background in training, so no group shows it on another"
    : undefined;
  return { of, count: numbers.size, note };
}
