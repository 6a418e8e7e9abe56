/** Classifiers for data sets. */

import type { DataSet } from "../engine/data/dataset.ts";
import type { Module } from "../engine/nn/module.ts";
import { initialize } from "../engine/nn/state.ts";
import { type ClassifierEntry, createClassifier } from "../models/classifier.ts";
import { classifierOrFile } from "./model_file.ts";
import type { ModelArgs } from "./model_flags.ts";

/** The classifier for a data set, with starting weights: those of its file, or what the seed says. */
export async function openModel(
  { model, width, newHead = false }: ModelArgs & { readonly newHead?: boolean },
  set: DataSet,
  seed: number,
) {
  const head = newHead ? { classes: set.classes.length, seed } : undefined;
  const entry = await classifierOrFile(model, head);
  return { network: buildModel(entry, set, width, seed), entry };
}

/** A classifier for a data set, with the starting weights of a seed. */
export function buildModel(
  entry: ClassifierEntry,
  set: DataSet,
  width: number | undefined,
  seed: number,
): Module {
  const network = createClassifier(entry, {
    inChannels: set.channels,
    numClasses: set.classes.length,
    imageSize: set.height,
    width,
  });
  initialize(network, seed);
  return network;
}
