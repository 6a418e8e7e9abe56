/**
 * A set with another normalisation than its own: the one that a network was trained with elsewhere.
 * An image's byte becomes (byte / scale - mean) / std. The GPU divides by 255 always, so mean and
 * std of another scale are converted once.
 */
import { ExitCode, UserError } from "../errors.ts";
import type { DataSet } from "./dataset.ts";

export interface NormaliseOptions {
  /** By channel, or one for all; by default the set's own, or with a scale 0. */
  readonly mean?: readonly number[];
  /** The same; with a scale 1. */
  readonly std?: readonly number[];
  /** What a byte is divided by; 255 by default. */
  readonly scale?: number;
}

const BYTE = 255;

/** What settles a guess of the normalisation. */
export const NORMALISE_FLAGS = "--mean, --std, --scale";

/** @throws UserError (usage) where there are not as many values as channels, or a std of 0 */
export function normalised(set: DataSet, { mean, std, scale }: NormaliseOptions): DataSet {
  if (mean === undefined && std === undefined && scale === undefined) return set;
  const factor = (scale ?? BYTE) / BYTE;
  const values = (
    flag: string,
    given: readonly number[] | undefined,
    own: readonly number[],
    none: number,
  ) => {
    if (given === undefined) return scale === undefined ? own : own.map(() => none * factor);
    const all = given.length === 1 ? own.map(() => given[0]) : given;
    if (all.length === set.channels) return all.map((value) => value * factor);
    throw new UserError(
      `${flag} has ${given.length} values, and the images of ${set.name} have ${set.channels} ` +
        `channel${set.channels === 1 ? "" : "s"}`,
      ExitCode.usage,
    );
  };
  return {
    ...set,
    mean: values("--mean", mean, set.mean, 0),
    std: values("--std", std, set.std, 1),
  };
}
