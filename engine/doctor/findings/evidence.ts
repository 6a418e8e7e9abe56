/** What findings are made from: an examination, and passes over images that were left out of it. */

import { type DataSet, limit, type Split } from "../../data/dataset.ts";
import type { Module } from "../../nn/module.ts";
import type { Runtime } from "../../plan/runtime.ts";
import type { Observer } from "../../train/observer.ts";
import { type Logits, predictSplit } from "../../train/predict.ts";
import { predictions } from "../../train/predictions.ts";
import type { Examination } from "../examine.ts";
import { exchange, ExchangeMeasure, WAYS } from "../probes/exchange.ts";
import { ForegroundMeasure } from "../probes/foreground.ts";
import type { Measure } from "../probes/probe.ts";
import type { Evidence } from "./finding.ts";

/** Most images with masks that are looked at, the same number of each class. */
const MASKED = 600;

/** A network in the state that was examined, and its data. */
export interface Patient {
  readonly runtime: Runtime;
  readonly network: Module;
  readonly set: DataSet;
  /** What was examined. */
  readonly training: Split;
  /** Images that were not trained on, where some were left out. */
  readonly heldOut?: Split;
  readonly batch: number;
  readonly seed: number;
}

/** Figures on other backgrounds, where the gradient lies, and predictions of what was left out. */
export async function evidenceOf(
  patient: Patient,
  found: Examination,
  { signal, onProgress }: Observer = {},
): Promise<Evidence> {
  const { runtime, network, set, training, heldOut, batch, seed } = patient;
  const masked = maskedOf(patient);
  const subject = masked && { runtime, network, set, batch, seed, split: masked };
  const [left, looked] = [heldOut, masked].map((split) => split?.labels.length ?? 0);
  const all = (WAYS + 1) * looked + left;
  /** A pass after which so many images are still to be looked at. */
  const before = (rest: number): Observer => ({
    signal,
    onProgress: onProgress && ((done, total) => onProgress(all - rest - total + done, all)),
  });
  const judged = (name: "training" | "validation", split: Split, logits: Logits) => (
    { name, split, logits, predicted: predictions(logits) }
  );
  const read = async (split: Split) =>
    await predictSplit(runtime, network, set, split, { batch, ...before(0) });
  return {
    classes: set.classes,
    layers: found.layers,
    exchange: subject && await measured(ExchangeMeasure.make(subject), before(looked + left)),
    foreground: subject && await measured(ForegroundMeasure.make(subject), before(left)),
    training: judged("training", training, found.logits),
    heldOut: heldOut && judged("validation", heldOut, await read(heldOut)),
  };
}

/** The images with masks that are looked at: of those left out, or else of those trained on. */
function maskedOf({ training, heldOut, seed }: Patient): Split | undefined {
  const masked = [heldOut, training].find((split) => split && !exchange.lacking!(split));
  return masked && (masked.labels.length > MASKED ? limit(masked, MASKED, seed) : masked);
}

async function measured<Result>(
  making: Promise<Measure<Result>>,
  observer: Observer,
): Promise<Result> {
  const measure = await making;
  try {
    return await measure.measure(observer);
  } finally {
    measure.destroy();
  }
}
