/**
 * How the images of a run's data became the network's input, read back from the account that lies
 * beside its weights: a network sees images as it saw them in training.
 */
import { dirname, join } from "node:path";
import * as v from "valibot";
import { ACCOUNT } from "../engine/data/account.ts";
import { RESIZE_MODES } from "../engine/data/fit.ts";
import { fileExists, readJson } from "../engine/io/files.ts";
import { finite } from "../engine/io/json.ts";

export interface TrainedWith {
  /** The account that says so. */
  readonly path: string;
  readonly mean: readonly number[];
  readonly std: readonly number[];
  /** Pixels along a side. */
  readonly size: number;
  readonly resizeMode?: typeof RESIZE_MODES[number];
}

const values = v.pipe(v.array(finite), v.minLength(1));

/** What is used of an account. */
const SCHEMA = v.object({
  normalisation: v.object({
    mean: values,
    std: v.pipe(values, v.everyItem((value) => value > 0)),
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
    const { normalisation, input, resize_mode } = await readJson(path, SCHEMA);
    return { path, ...normalisation, size: input.height, resizeMode: resize_mode };
  }
  return undefined;
}
