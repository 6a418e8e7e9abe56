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
import type { Constraint, Weights } from "./constraint.ts";
import { type ClassMeasures, classScalars } from "./class_measures.ts";
import { resultSchema, summarySchema } from "./schemas.ts";
import { type ProbeResults, probeScalars } from "./probes/probes.ts";
import {
  type Contrast,
  CONTROL,
  type SeedsContrast,
  seedsContrasts,
  TREATED,
} from "./contrasts.ts";
import { type Interval, type Sample, sample } from "./significance.ts";
import { evidenceOfSeeds, verdictOf } from "./verdict.ts";

export const RESULT_VERSION = 3;

/** What all arms of a trial come from. */
export const BASELINE = "baseline";

/** Something of each model, by its name: the baseline's first, then the arms' in their order. */
export type OfModels<T> = Readonly<Record<string, T>>;

/** Something of each model. */
export const mapModels = <T>(
  models: readonly string[],
  value: (model: string) => T,
): Record<string, T> => Object.fromEntries(models.map((model) => [model, value(model)]));

/** A model's place in the comparison. */
export interface Outcome {
  readonly test: Accuracy & {
    /** Wilson's 95 % interval of the accuracy. */
    readonly interval: Interval;
  };
  /** Accuracy on the validation split in the epoch that was kept; absent for given weights. */
  readonly validation?: number;
  readonly best_epoch?: number;
  /** How many steps it was trained for. */
  readonly steps: number;
  readonly measures: ClassMeasures & { readonly probes: ProbeResults };
}

export interface ResultFile {
  readonly version: number;
  readonly model: string;
  readonly data: string;
  /** The classes' names, in the order of their labels. */
  readonly classes: readonly string[];
  readonly seed: number;
  readonly adapter: string;
  /** Number of trained values. */
  readonly parameters: number;
  /** Where the arms started from: "baseline" or "scratch". */
  readonly start: string;
  readonly constraint: Constraint;
  /** What its ratios came to, where it has any. */
  readonly weights?: Weights;
  readonly theta: number;
  /** Numbers of images; `probed` are those of the test images that the probes looked at. */
  readonly images: Readonly<Record<"train" | "validation" | "test" | "probed", number>>;
  /** The names of the groups in `measures.groups`, where the test images belong to some. */
  readonly groups?: readonly string[];
  readonly baseline: Outcome;
  /** By the arms' names, the control's first. */
  readonly arms: Readonly<Record<string, Outcome>>;
  /** Two arms on the same images; see `pairsOf`. */
  readonly contrasts: readonly Contrast[];
  /** What came out of it, in sentences. */
  readonly verdict: readonly string[];
  /** Wall-clock seconds by stage. */
  readonly seconds: Readonly<Record<string, number>>;
}

/** @throws UserError (io) where the file is damaged or of another version */
export const readResult = (path: string): Promise<ResultFile> =>
  readVersioned(path, RESULT_VERSION, resultSchema as Schema<ResultFile>);

/** As `readResult`. */
export const readSummary = (path: string): Promise<SummaryFile> =>
  readVersioned(path, RESULT_VERSION, summarySchema as Schema<SummaryFile>);

/** Every model's outcome, by its name. */
export const outcomesOf = ({ baseline, arms }: Pick<ResultFile, "baseline" | "arms">) =>
  ({ [BASELINE]: baseline, ...arms }) as OfModels<Outcome>;

/** The arm that is looked at closest beside the control: the treated one, or the first there is. */
export const mainArm = ({ arms }: { readonly arms: Readonly<Record<string, unknown>> }): string =>
  TREATED in arms ? TREATED : Object.keys(arms).find((arm) => arm !== CONTROL)!;

/** How long an arm's step takes beside the control's, an epoch's validation included. */
export function costOf({ arms, seconds }: ResultFile, arm: string): number {
  const perStep = (of: string) => seconds[of] / arms[of].steps;
  return perStep(arm) / perStep(CONTROL);
}

/** A number of every model over seeds. */
export interface MetricSummary {
  readonly models: OfModels<Sample>;
  /** Two arms, seed by seed. */
  readonly contrasts: readonly SeedsContrast[];
}

export interface SummaryFile {
  readonly version: number;
  /** What came out of it, in sentences. */
  readonly verdict: readonly string[];
  readonly seeds: readonly number[];
  readonly arms: readonly string[];
  /** By the names of `scalars`. */
  readonly metrics: Readonly<Record<string, MetricSummary>>;
}

/** What the results of several seeds, which differ in nothing else, say together. */
export function summarizeSeeds(results: readonly ResultFile[]): SummaryFile {
  const arms = Object.keys(results[0].arms);
  const models = [BASELINE, ...arms];
  const all = results.map((result) => {
    const outcomes = outcomesOf(result);
    return mapModels(models, (model) => scalars(outcomes[model]));
  });
  const everywhere = (name: string) =>
    all.every((of) => models.every((model) => of[model][name] !== undefined));
  const metrics = Object.keys(all[0][CONTROL]).filter(everywhere).map((name) => {
    const values = (model: string) => all.map((of) => of[model][name]!);
    const contrasts = seedsContrasts(arms, values);
    return [name, { models: mapModels(models, (model) => sample(values(model))), contrasts }];
  });
  const [seeds, of] = [results.map(({ seed }) => seed), Object.fromEntries(metrics)];
  const { constraint } = results[0];
  const verdict = verdictOf(arms, evidenceOfSeeds(of), constraint, seeds.length);
  return { version: RESULT_VERSION, verdict, seeds, arms, metrics: of };
}

/** The numbers of a model that are worth comparing, by name; those that it has. */
export function scalars({ test, measures }: Outcome): Partial<Record<string, number>> {
  const { accuracy, loss } = test;
  const all = { accuracy, loss, ...classScalars(measures), ...probeScalars(measures.probes) };
  const known = Object.entries(all).filter((entry): entry is [string, number] => entry[1] != null);
  return Object.fromEntries(known);
}
