/** A whole examination: predict, sift, aggregate gradients, mask; and the files it leaves. */

import { join } from "node:path";
import type { DataSet, Split } from "../data/dataset.ts";
import { writeFileAtomic } from "../io/files.ts";
import { encodeNpy } from "../io/npy.ts";
import type { Module } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { type Prediction, predictions } from "../train/predictions.ts";
import { type Logits, predictSplit } from "../train/predict.ts";
import {
  correlationMask,
  diagnose,
  type DiagnoseOptions,
  type LayerDiagnosis,
} from "./diagnose.ts";
import { type Sifted, siftHigh, siftLow } from "./sift.ts";

export interface ExamineOptions extends DiagnoseOptions {
  /** Share of a class's range of responses from which a kernel is its own. */
  readonly theta: number;
  readonly imagesPerClass: number;
}

export interface ExaminedLayer extends LayerDiagnosis {
  /** The kernels each class lives on, 0 or 1, row-major [classes, channels]. */
  readonly mask: Float32Array<ArrayBuffer>;
}

export interface Examination {
  readonly logits: Logits;
  readonly predicted: readonly Prediction[];
  /** The images that the gradients are aggregated over: right, with the highest confidence. */
  readonly high: Sifted;
  /** The images worth a closer look: right with the lowest confidence, wrong with the highest. */
  readonly low: { readonly right: Sifted; readonly wrong: Sifted };
  readonly layers: readonly ExaminedLayer[];
}

/** Examines the network in the state it is in, on the images of `split`. */
export async function examine(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  split: Split,
  options: ExamineOptions,
): Promise<Examination> {
  const logits = await predictSplit(runtime, network, set, split, options);
  const predicted = predictions(logits);
  const classes = set.classes.length;
  const high = siftHigh(predicted, classes, options.imagesPerClass);
  const low = siftLow(predicted, classes, options.imagesPerClass);
  const found = await diagnose(runtime, network, set, split, high, options);
  const layers = found.map((layer) => ({ ...layer, mask: correlationMask(layer, options.theta) }));
  return { logits, predicted, high, low, layers };
}

/** The classes of which no kernel is known. @param diagnosed the images of each, as in `high` */
export const withoutKernels = (
  classes: readonly string[],
  diagnosed: readonly number[],
): string[] => classes.filter((_, k) => diagnosed[k] === 0);

/** Why that is; undefined where there are none. */
export const withoutKernelsInWords = (names: readonly string[]): string | undefined =>
  names.length === 0 ? undefined : `no image of ${names.join(", ")} is classified right: ` +
    `${names.length === 1 ? "its" : "their"} kernels are not known`;

/** Writes sift.json and, for each layer, aggregate.<layer>.npy and mask.<layer>.npy. */
export async function saveExamination(folder: string, of: Examination): Promise<void> {
  const save = (name: string, content: string | Uint8Array) =>
    writeFileAtomic(join(folder, name), content);
  await save("sift.json", JSON.stringify({ high: of.high, low: of.low }) + "\n");
  for (const { layer, classes, channels, aggregate, mask } of of.layers) {
    const shape = [classes, channels];
    await save(`aggregate.${layer}.npy`, encodeNpy({ dtype: "F32", shape, data: aggregate }));
    await save(`mask.${layer}.npy`, encodeNpy({ dtype: "F32", shape, data: mask }));
  }
}
