/**
 * A set with another normalisation than its own, or another order of colours: those that a network
 * was trained with elsewhere.
 * An image's byte becomes (byte / scale - mean) / std. The GPU divides by 255 always, so mean and
 * std of another scale are converted once.
 */
import { ExitCode, UserError } from "../errors.ts";
import type { Colour, DataSet } from "./dataset.ts";

export interface NormaliseOptions {
  /** By channel, or one for all; by default the set's own, or with a scale 0. */
  readonly mean?: readonly number[];
  /** The same; with a scale 1. */
  readonly std?: readonly number[];
  /** What a byte is divided by; 255 by default. */
  readonly scale?: number;
  /** The order of the colours, and so of mean and std; the set's own by default. */
  readonly colour?: Colour;
}

const BYTE = 255;

/** What settles a guess of the normalisation. */
export const NORMALISE_FLAGS = "--mean, --std, --scale, --colour";

/** @throws UserError (usage) where there are not as many values as channels, or no colours */
export function normalised(set: DataSet, options: NormaliseOptions): DataSet {
  const { mean, std, scale } = options;
  if (!isNormalised(options)) return set;
  const own = set.colour ?? "rgb";
  const { colour = own } = options;
  if (colour === "bgr" && set.channels !== 3) {
    throw new UserError(
      `--colour bgr: the images of ${set.name} have ${set.channels} ` +
        `channel${set.channels === 1 ? "" : "s"}, and no order of colours`,
      ExitCode.usage,
    );
  }
  // The set's own values go with their colours.
  const ordered = (values: readonly number[]) => colour === own ? values : values.toReversed();
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
    colour: colour === "bgr" ? colour : undefined,
    mean: values("--mean", mean, ordered(set.mean), 0),
    std: values("--std", std, ordered(set.std), 1),
  };
}

/** Whether any of it is asked for. */
export const isNormalised = ({ mean, std, scale, colour }: NormaliseOptions): boolean =>
  [mean, std, scale, colour].some((value) => value !== undefined);
