/**
 * What a treatment leaves in result.json, for reports and tables, and what several seeds of it say
 * together. `RESULT_VERSION` grows whenever a reader of an older file would be misled; what is
 * merely added doesn't change it. Shares are in 0 .. 1.
 *
 *     result.json       a `ResultFile`
 *     summary.json      a `SummaryFile`, over the result.json of several seeds
 *     predictions.json  labels [n], and of each model predicted [n] and confidence [n], in the order
 *                       of the test images (`atMost(set.test, testLimit, seed)`)
 */

import { readVersioned } from "../io/files.ts";
import type { Schema } from "../io/json.ts";
import type { Accuracy } from "../train/predictions.ts";
import type { Constraint } from "./constraint.ts";
import { type ClassMeasures, classScalars } from "./class_measures.ts";
import { resultSchema, summarySchema } from "./schemas.ts";
import { type ProbeResults, probeScalars } from "./probes/probes.ts";
import {
  type Interval,
  type McNemar,
  type PairedSample,
  pairedSample,
  type Sample,
  sample,
} from "./significance.ts";

export const RESULT_VERSION = 2;

export const MODELS = ["baseline", "control", "treated"] as const;
export type ModelName = typeof MODELS[number];

/** Something of each model. */
export function mapModels<T>(value: (model: ModelName) => T): Record<ModelName, T> {
  return { baseline: value("baseline"), control: value("control"), treated: value("treated") };
}

/** A model's place in the comparison. */
export interface Outcome {
  readonly test: Accuracy & {
    /** Wilson's 95 % interval of the accuracy. */
    readonly interval: Interval;
  };
  /** Accuracy on the validation split in the epoch that was kept; absent for given weights. */
  readonly validation?: number;
  readonly best_epoch?: number;
  readonly measures: ClassMeasures & { readonly probes: ProbeResults };
}

export interface ResultFile extends Readonly<Record<ModelName, Outcome>> {
  readonly version: number;
  readonly model: string;
  readonly data: string;
  /** The classes' names, in the order of their labels. */
  readonly classes: readonly string[];
  readonly seed: number;
  readonly adapter: string;
  /** Number of trained values. */
  readonly parameters: number;
  /** Where control and treated started from: "baseline" or "scratch". */
  readonly start: string;
  readonly constraint: Constraint;
  readonly theta: number;
  /** Numbers of images; `probed` are those of the test images that the probes looked at. */
  readonly images: Readonly<Record<"train" | "validation" | "test" | "probed", number>>;
  /** The names of the groups in `measures.groups`, where the test images belong to some. */
  readonly groups?: readonly string[];
  /** Test accuracy, treated minus control. */
  readonly delta_vs_control: number;
  /** 95 % interval of that difference on the same images. */
  readonly delta_interval: Interval;
  /** Control against treated: b only control right, c only treated right. */
  readonly mcnemar: McNemar;
  /** Wall-clock seconds by stage. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** @throws UserError (io) where the file is damaged or of another version */
export const readResult = (path: string): Promise<ResultFile> =>
  readVersioned(path, RESULT_VERSION, resultSchema as Schema<ResultFile>);

/** As `readResult`. */
export const readSummary = (path: string): Promise<SummaryFile> =>
  readVersioned(path, RESULT_VERSION, summarySchema as Schema<SummaryFile>);

/** A number of every model over seeds. */
export interface MetricSummary extends Readonly<Record<ModelName, Sample>> {
  /** Treated minus control, seed by seed. */
  readonly difference: PairedSample;
}

export interface SummaryFile {
  readonly version: number;
  readonly seeds: readonly number[];
  /** By the names of `scalars`. */
  readonly metrics: Readonly<Record<string, MetricSummary>>;
}

/** What the results of several seeds, which differ in nothing else, say together. */
export function summarizeSeeds(results: readonly ResultFile[]): SummaryFile {
  const all = results.map((result) => ({
    baseline: scalars(result.baseline),
    control: scalars(result.control),
    treated: scalars(result.treated),
  }));
  const everywhere = (name: string) =>
    all.every((models) => MODELS.every((model) => models[model][name] !== undefined));
  const metrics = Object.keys(all[0].control).filter(everywhere).map((name) => {
    const values = (model: ModelName) => all.map((models) => models[model][name]!);
    const [control, treated] = [values("control"), values("treated")];
    const difference = pairedSample(treated.map((value, i) => value - control[i]));
    const of = { baseline: sample(values("baseline")), control: sample(control) };
    return [name, { ...of, treated: sample(treated), difference }] as const;
  });
  const seeds = results.map(({ seed }) => seed);
  return { version: RESULT_VERSION, seeds, metrics: Object.fromEntries(metrics) };
}

/** The numbers of a model that are worth comparing, by name; those that it has. */
export function scalars({ test, measures }: Outcome): Partial<Record<string, number>> {
  const { accuracy, loss } = test;
  const all = { accuracy, loss, ...classScalars(measures), ...probeScalars(measures.probes) };
  const known = Object.entries(all).filter((entry): entry is [string, number] => entry[1] != null);
  return Object.fromEntries(known);
}
