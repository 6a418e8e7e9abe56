/** A trained network and its data, as the commands open them that look at one. */

import type { DataSet } from "../engine/data/dataset.ts";
import type { Module } from "../engine/nn/module.ts";
import { loadStateDict } from "../engine/nn/state.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import type { ClassifierEntry } from "../models/classifier.ts";
import { openData } from "./data.ts";
import { openModel } from "./open_model.ts";
import { openRuntime } from "./exact.ts";
import type { Context } from "./framework/command.ts";
import { fittingWeights, openWeightsFile } from "./weights.ts";

export interface Trained {
  readonly runtime: Runtime;
  readonly set: DataSet;
  /** With the weights. */
  readonly network: Module;
  readonly entry: ClassifierEntry;
}

/**
 * @param print told which weights were taken, where a file holds several
 */
export async function openTrained(
  args:
    & Parameters<typeof openData>[0]
    & Parameters<typeof openModel>[0]
    & Parameters<typeof openRuntime>[1]
    & {
      readonly weights: string;
      readonly seed: number;
    },
  context: Context,
  print: (line: string) => void = context.print,
): Promise<Trained> {
  const gpu = await context.gpu();
  const file = await openWeightsFile(args.weights);
  const set = await openData(args, context.signal);
  const { network, entry } = await openModel(args, set, args.seed);
  const runtime = openRuntime(gpu, args);
  const weights = fittingWeights(file, network, set, print);
  loadStateDict(network, weights.state, runtime, weights.path);
  return { runtime, set, network, entry };
}
