/** What a diagnosis leaves in diagnosis.json, beside the matrices of its layers. */

import type { DataSet, Split } from "../data/dataset.ts";
import { pairingsOf } from "../data/groups.ts";
import type { Module } from "../nn/module.ts";
import { parameterCount } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { type Accuracy, accuracy } from "../train/predictions.ts";
import { type ClassMeasures, classMeasures } from "./class_measures.ts";
import type { Examination } from "./examine.ts";
import { type Interval, wilson } from "./significance.ts";

export const DIAGNOSIS_VERSION = 1;

export interface DiagnosisFile {
  readonly version: number;
  readonly model: string;
  readonly data: string;
  readonly classes: readonly string[];
  readonly adapter: string;
  /** Number of trained values. */
  readonly parameters: number;
  readonly layers: readonly string[];
  readonly theta: number;
  /** On the images that were looked at. */
  readonly accuracy: Accuracy & { readonly interval: Interval };
  readonly measures: ClassMeasures;
  /** Numbers of images by which each class was diagnosed. */
  readonly diagnosed: readonly number[];
}

/** What an examination of the split says, beside its matrices. */
export function diagnosisOf(
  { predicted, layers, high }: Examination,
  runtime: Runtime,
  network: Module,
  set: DataSet,
  split: Split,
  { model, theta }: Pick<DiagnosisFile, "model" | "theta">,
): DiagnosisFile {
  const total = accuracy(predicted);
  return {
    version: DIAGNOSIS_VERSION,
    ...{ model, data: set.name, classes: set.classes },
    ...{ adapter: runtime.gpu.adapter.name, parameters: parameterCount(network) },
    ...{ layers: layers.map(({ layer }) => layer), theta },
    accuracy: { ...total, interval: wilson(total.correct, total.total) },
    measures: classMeasures(predicted, set.classes.length, pairingsOf(split)),
    diagnosed: high.map(({ length }) => length),
  };
}
