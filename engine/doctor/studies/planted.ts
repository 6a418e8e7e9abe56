/**
 * How far a diagnosis can be trusted: faults are planted (faults.ts), a network is trained on each
 * and diagnosed like any other. What is counted is how often a finding is made where its fault was
 * planted, and how often where it was not.
 */

import * as v from "valibot";
import { type DataSet, trainingSplits } from "../../data/dataset.ts";
import { count, fraction, type Schema } from "../../io/json.ts";
import type { Module } from "../../nn/module.ts";
import { loadStateDict, stateDict } from "../../nn/state.ts";
import type { Runtime } from "../../plan/runtime.ts";
import type { TrainOptions } from "../../train/options.ts";
import { train } from "../../train/train.ts";
import { examine } from "../examine.ts";
import { evidenceOf } from "../findings/evidence.ts";
import { FINDINGS, type FindingsFile, findingsOf } from "../findings/findings.ts";
import { type Fault, FAULTS, faulty, type Make } from "./faults.ts";
import { imagesAtATime } from "../treatment.ts";

export const PLANTED_VERSION = 1;

/** How networks are trained on the faults and diagnosed. */
export type PlantedOptions =
  & Omit<TrainOptions, "stage" | "set" | "train" | "validation" | "seed" | "signal" | "onProgress">
  & {
    /** Images to train on, validation included. */
    readonly images: number;
    /** The share of them that is left out of training, and judged by. */
    readonly validation: number;
    readonly theta: number;
    readonly imagesPerClass: number;
  };

/** A network that was trained on a fault, and what its diagnosis found. */
export interface PlantedCase {
  readonly fault: string;
  readonly seed: number;
  /** On the validation images in the epoch that was kept. */
  readonly accuracy: number;
  /** The names of the findings, the most serious first. */
  readonly found: readonly string[];
}

/** planted.json */
export interface PlantedFile {
  readonly version: number;
  readonly model: string;
  readonly cases: readonly PlantedCase[];
  readonly tallies: readonly Tally[];
}

export const plantedSchema = v.looseObject({
  ...{ version: v.number(), model: v.string() },
  cases: v.array(v.looseObject({
    ...{ fault: v.picklist(FAULTS.map(({ name }) => name)), seed: count },
    ...{ accuracy: fraction, found: v.array(v.string()) },
  })),
  tallies: v.array(v.looseObject({
    ...{ finding: v.string(), found: count, planted: count, seen: count, absent: count },
  })),
}) satisfies Schema<PlantedFile>;

/** How often a finding is made. */
export interface Tally {
  readonly finding: string;
  /** Where its fault was planted, and in so many cases. */
  readonly found: number;
  readonly planted: number;
  /** Where nothing was planted that it is true of, and in so many cases. */
  readonly seen: number;
  readonly absent: number;
}

/** What a fault is planted in: a network of starting values, and where its final map is. */
export interface Ground {
  readonly network: Module;
  readonly featureLayer: string;
}

/** Trains a network on a planted fault and diagnoses it. */
export async function plantedCase(
  runtime: Runtime,
  fault: Fault,
  make: Make,
  seed: number,
  ground: (set: DataSet) => Ground | Promise<Ground>,
  options: PlantedOptions,
  watch: Pick<TrainOptions, "signal" | "onProgress">,
): Promise<PlantedCase & { readonly file: FindingsFile }> {
  const set = faulty(fault, make, options.images, seed);
  const { network, featureLayer } = await ground(set);
  const split = trainingSplits(set, { ...options, seed });
  const { history, bestEpoch } = await train(runtime, network, {
    ...{ ...options, ...watch, stage: fault.name, set, seed },
    ...split,
  });
  if (fault.spoilWeights) {
    const spoilt = fault.spoilWeights(network, await stateDict(network, runtime));
    loadStateDict(network, spoilt, runtime, "a planted fault");
  }
  const batch = imagesAtATime(options);
  const { signal } = watch;
  const found = await examine(runtime, network, set, split.train, {
    ...{ ...options, batch, layers: [featureLayer], noise: 0, noiseCopies: 1, seed, signal },
  });
  const patient = { runtime, network, set, batch, seed };
  const file = findingsOf(
    await evidenceOf(
      { ...patient, training: split.train, heldOut: split.validation },
      found,
      { signal },
    ),
  );
  return {
    ...{ fault: fault.name, seed, file },
    accuracy: history[bestEpoch - 1].validation.accuracy,
    found: file.findings.map(({ name }) => name),
  };
}

/** Each finding's tally over the cases. */
export function talliesOf(cases: readonly PlantedCase[]): Tally[] {
  return FINDINGS.map(({ name }) => {
    const faultOf = (of: PlantedCase) => FAULTS.find((fault) => fault.name === of.fault)!;
    const planted = cases.filter((of) => faultOf(of).shows === name);
    const absent = cases.filter((of) =>
      faultOf(of).shows !== name && !faultOf(of).brings?.includes(name)
    );
    const made = (of: readonly PlantedCase[]) =>
      of.filter(({ found }) => found.includes(name)).length;
    return {
      ...{ finding: name, found: made(planted), planted: planted.length },
      ...{ seen: made(absent), absent: absent.length },
    };
  });
}
