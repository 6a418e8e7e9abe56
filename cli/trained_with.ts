/**
 * What weights were trained with, read back from what lies beside them in a run's folder: how images
 * became the network's input, as a network sees images as it saw them in training; and which images
 * were set aside.
 */
import { dirname, join } from "node:path";
import * as v from "valibot";
import { ACCOUNT } from "../engine/data/account.ts";
import { type Colour, COLOURS, type DataSet } from "../engine/data/dataset.ts";
import { RESIZE_MODES } from "../engine/data/fit.ts";
import { Notes } from "../engine/data/notes.ts";
import { fileExists, readJson } from "../engine/io/files.ts";
import { finite } from "../engine/io/json.ts";
import { CONFIG, settingsSchema } from "../engine/run/config_schema.ts";

export interface TrainedWith {
  /** The account that says so. */
  readonly path: string;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly colour?: Colour;
  readonly classes?: readonly string[];
  /** Pixels along a side. */
  readonly size: number;
  readonly resizeMode?: typeof RESIZE_MODES[number];
}

const values = v.pipe(v.array(finite), v.minLength(1));

/** What decides which training images choose the epoch. */
const SPLIT = ["data", "seed", "limit", "validation", "valFor", "testShare", "layout"] as const;

/**
 * Whether weights may have been trained on the images that choose the epoch here: where these are
 * of the training images, unless a run here left the weights, and set the same ones aside.
 */
export async function maySeeValidation(
  set: DataSet,
  { weights, seeds = 1, ...args }:
    & { readonly weights?: string; readonly seeds?: number }
    & Readonly<Partial<Record<typeof SPLIT[number], unknown>>>,
): Promise<boolean> {
  if (weights === undefined || set.validation) return false;
  const path = join(dirname(weights), CONFIG);
  if (seeds > 1 || !await fileExists(path)) return true;
  const config = await readJson(path, settingsSchema);
  return SPLIT.some((key) => (config[key] ?? undefined) !== args[key]);
}

/** The set with a warning where `maySeeValidation`. */
export async function warnOfSeen(
  set: DataSet,
  args: Parameters<typeof maySeeValidation>[1],
): Promise<DataSet> {
  if (!await maySeeValidation(set, args)) return set;
  const notes = set.notes?.copy() ?? new Notes();
  notes.warn(
    "the weights may have been trained on the validation images, which choose the epoch: data " +
      "with a val part (--val-for) has others",
  );
  return { ...set, notes };
}

/** What is used of an account. */
const SCHEMA = v.object({
  classes: v.optional(v.array(v.string())),
  normalisation: v.object({
    mean: values,
    std: v.pipe(values, v.everyItem((value) => value > 0)),
    colour: v.optional(v.picklist(COLOURS)),
  }),
  input: v.object({ height: v.pipe(v.number(), v.integer(), v.minValue(1)) }),
  resize_mode: v.optional(v.picklist(RESIZE_MODES)),
});

/**
 * @param weights a file of weights, or a run's folder
 * @returns undefined where there is no account
 * @throws UserError (io) where it is damaged
 */
export async function trainedWith(weights: string): Promise<TrainedWith | undefined> {
  for (const folder of [weights, dirname(weights)]) {
    const path = join(folder, ACCOUNT);
    if (!await fileExists(path)) continue;
    const { classes, normalisation, input, resize_mode } = await readJson(path, SCHEMA);
    return { path, classes, ...normalisation, size: input.height, resizeMode: resize_mode };
  }
  return undefined;
}
