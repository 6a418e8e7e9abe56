/**
 * The account of a data set: what was found, what of it is used, what was left out and why, what
 * was guessed, and how images become the network's input. Every run prints it before it begins and
 * keeps it as account.json.
 */
import { type Colour, type DataSet, type Size, type Split, storedSize } from "./dataset.ts";
import type { ResizeMode } from "./fit.ts";
import { ImageFiles } from "./image_files.ts";
import type { Guess, LeftOut } from "./notes.ts";

export const ACCOUNT = "account.json";

/** Numbers of images by part, then class in the order of the classes. */
export type Counts = Readonly<Record<string, readonly number[]>>;

export interface Account {
  /** Of this file's form. */
  readonly version: 1;
  readonly data: string;
  readonly source: string;
  readonly classes: readonly string[];
  readonly found: Counts;
  readonly used: Counts;
  /** Images of the parts in use that have a mask; of no part where the data has none. */
  readonly masked: Readonly<Record<string, number>>;
  readonly left_out: readonly LeftOut[];
  readonly guesses: readonly Guess[];
  readonly warnings: readonly string[];
  /** The network's input, and the size in which the images wait for it. */
  readonly input: Size & { readonly channels: number; readonly stored: Size };
  /** How the images came to that size. */
  readonly resized: string;
  /** How images of another form became square; where they are files. */
  readonly resize_mode?: ResizeMode;
  /** Of bytes from 0 to 1, by channel. */
  readonly normalisation: {
    readonly mean: readonly number[];
    readonly std: readonly number[];
    /** The order of the channels; rgb where absent. */
    readonly colour?: Colour;
  };
}

/** @param used the images that are worked with, by part: training, validation, test */
export function accountOf(
  set: DataSet,
  used: Readonly<Record<string, Split | undefined>>,
): Account {
  const { name, source, classes, notes, height, width, channels, mean, std, colour } = set;
  const count = ({ labels }: Split) => {
    const counts = new Array<number>(classes.length).fill(0);
    labels.forEach((label) => counts[label]++);
    return counts;
  };
  const counts = (splits: Readonly<Record<string, Split | undefined>>): Counts =>
    Object.fromEntries(
      Object.entries(splits).flatMap(([part, split]) => split ? [[part, count(split)]] : []),
    );
  const found = counts({ training: set.train, validation: set.validation, test: set.test });
  const masked = Object.entries(used).flatMap(([part, split]) =>
    split?.masks ? [[part, split.masks.count]] : []
  );
  const unseen = classes.filter((_, k) => found.training[k] === 0);
  const stored = storedSize(set);
  return {
    version: 1,
    ...{ data: name, source, classes, found, used: counts(used) },
    masked: Object.fromEntries(masked),
    left_out: notes?.leftOut ?? [],
    guesses: notes?.guesses ?? [],
    warnings: [
      ...notes?.warnings ?? [],
      ...unseen.map((name) => `the class ${name} has no image to train on`),
    ],
    input: { height, width, channels, stored },
    resized: notes?.resized ?? resizedFrom(stored, { height, width }),
    resize_mode: set.train.images instanceof ImageFiles ? set.train.images.mode : undefined,
    normalisation: { mean, std, colour },
  };
}

export const sizeText = ({ height, width }: Size): string => `${width} x ${height}`;

const resizedFrom = (from: Size, to: Size): string =>
  from.height === to.height && from.width === to.width
    ? "as they are"
    : `stretched from ${sizeText(from)} (bilinear)`;
