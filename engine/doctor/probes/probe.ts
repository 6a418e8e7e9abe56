/**
 * A probe: a measure that takes passes of its own over the images. It is one file here and a line
 * in the table (probes.ts). Flags, their help, tables, reports and summaries over seeds follow from
 * what the file says.
 */

import * as v from "valibot";
import type { DataSet, Split } from "../../data/dataset.ts";
import { finite, fraction, type Schema } from "../../io/json.ts";
import type { Module } from "../../nn/module.ts";
import type { OptionTable, Values } from "../../options.ts";
import type { Runtime } from "../../plan/runtime.ts";
import type { Observer } from "../../train/observer.ts";
import type { Curve } from "../curve.ts";

/** A network and images to measure it on. */
export interface Subject {
  readonly runtime: Runtime;
  readonly network: Module;
  /** The module whose output is the final map that feeds the head. */
  readonly featureLayer: string;
  readonly set: DataSet;
  readonly split: Split;
  readonly batch: number;
  /** Of what is drawn. */
  readonly seed: number;
}

/** A plan that measures the network in whatever state it is; asked again after training on. */
export interface Measure<Result> {
  measure(observer?: Observer): Promise<Result>;
  destroy(): void;
}

export interface Probe<
  Name extends string = string,
  Options extends OptionTable = OptionTable,
  Result = unknown,
> {
  /** Its name, by which it is asked for and under which its result is kept. */
  readonly name: Name;
  /** What it measures, in a few words: "accuracy under ..." */
  readonly help: string;
  /** What it does to images, in a word or two, for "gradients and FGSM on 200 images". */
  readonly words: string;
  /** Whether it is made where nothing else is asked for. */
  readonly usual: boolean;
  /** What can be set; keys are unique among all probes. */
  readonly options: Options;
  /** What these images lack for it; undefined where it can be had of them, as always if absent. */
  lacking?(split: Split): string | undefined;
  /** What its result is, where a file holds one. */
  readonly schema: Schema<Result>;
  make(subject: Subject, options: Values<Options>): Promise<Measure<Result>>;
  /** The numbers that are worth comparing, by name; null where there is none. */
  scalars(found: Result): Readonly<Record<string, number | null>>;
  curves(found: Result): readonly Curve[];
}

/** Declares a probe, so that its functions know the types of its options and its result. */
export const defineProbe = <const Name extends string, const Options extends OptionTable, Result>(
  probe: Probe<Name, Options, Result>,
): Probe<Name, Options, Result> => probe;

export const pointSchema = v.looseObject({ strength: finite, accuracy: fraction });

/** A point of a curve: the share that is right at some strength of what is done to the images. */
export interface Point {
  readonly strength: number;
  readonly accuracy: number;
}

/** Accuracy by strength, in percent. */
export const accuracyPoints = (of: readonly Point[]) =>
  of.map(({ strength, accuracy }) => [strength, 100 * accuracy] as const);

/** The accuracy at every strength but none, by name. */
export const accuracyScalars = (of: readonly Point[], name: (strength: number) => string) =>
  Object.fromEntries(
    of.filter(({ strength }) => strength > 0)
      .map(({ strength, accuracy }) => [name(strength), accuracy]),
  );
