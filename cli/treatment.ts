/** A treatment as `treat` and `table` run it: what the flags ask for, and what is printed. */

import { type DataSet, trainingSplits } from "../engine/data/dataset.ts";
import { undiagnosed } from "../engine/doctor/penalty.ts";
import { Notes } from "../engine/data/notes.ts";
import type { Constraint } from "../engine/doctor/constraint.ts";
import { forDrawnMasks } from "../engine/doctor/leverage.ts";
import { lackingFor, type ProbeName, probesOf } from "../engine/doctor/probes/probes.ts";
import type { Budget } from "../engine/doctor/arms/budget.ts";
import type { ArmSubject } from "../engine/doctor/arms/needs.ts";
import type { ResultFile } from "../engine/doctor/result.ts";
import { checkTreatment, type TreatReporter } from "../engine/doctor/stages.ts";
import {
  type ArmName,
  armOf,
  armsOf,
  lackingForArm,
  requireArms,
  USUAL_ARMS,
} from "../engine/doctor/arms/arms.ts";
import { treat, type TreatOptions } from "../engine/doctor/treat.ts";
import type { Module } from "../engine/nn/module.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import type { RunFolder } from "../engine/run/run_folder.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { requireRoom } from "../engine/train/room.ts";
import { openModel } from "./open_model.ts";
import { StageBars } from "./stage_bars.ts";
import { constraintOf } from "./constraint_flags.ts";
import { describeFindings } from "./findings.ts";
import type { Context } from "./framework/command.ts";
import type { Values } from "./framework/flags.ts";
import { Forecast } from "./framework/forecast.ts";
import { WIDTH, wrap } from "../engine/prose.ts";
import { writeReport } from "./report_file.ts";
import { treatFlags } from "./treat_flags.ts";
import { describeResult } from "./treat_tables.ts";
import { fittingWeights, type GivenWeights } from "./weights.ts";

/** A network with the starting values of its seed, and how it is to be treated. */
export interface Prepared {
  readonly network: Module;
  readonly set: DataSet;
  readonly options: TreatOptions;
}

/** What the flags ask of a treatment of the model that they name. Throws what `preparedOf` does. */
export async function prepare(
  args: Values<typeof treatFlags>,
  set: DataSet,
  file?: GivenWeights,
  print?: (line: string) => void,
): Promise<Prepared> {
  return preparedOf(await openModel(args, set, args.seed), args, set, file, print);
}

/**
 * What the flags ask of a treatment of a network.
 * @param file the weights that it starts from instead of training a baseline
 * @throws UserError as `checkTreatment` does, before anything is written
 */
export function preparedOf(
  { network, entry: { featureLayer } }: Awaited<ReturnType<typeof openModel>>,
  args: Values<typeof treatFlags>,
  set: DataSet,
  file?: GivenWeights,
  print: (line: string) => void = () => {},
): Prepared {
  const weights = file && fittingWeights(file, network, set, print);
  const notes = set.notes?.copy() ?? new Notes();
  const constraint = constraintFor(args, network, set, featureLayer, notes);
  checkTreatment(network, set, { constraint, weights });
  const arms = armsFor(args.arms, { network, set, constraint, microBatch: args.microBatch }, notes);
  const options: TreatOptions = {
    ...args,
    ...{ weights, featureLayer, constraint, arms, armOptions: args },
    testLimit: args.testLimit ?? trialTestLimit(args.limit),
    measures: { probes: probesOf(args.measures), images: args.measureImages, options: args },
  };
  warnOfUnmeasured(args, options.measures.probes, set, notes);
  return { network, set: { ...set, notes }, options };
}

/** What was asked for and the test images can't tell is said; of the usual measures it is left out. */
function warnOfUnmeasured(
  { measures, masks }: Values<typeof treatFlags>,
  asked: readonly ProbeName[],
  set: DataSet,
  notes: Notes,
): void {
  const isUsual = String(measures) === String(treatFlags.measures.default);
  if (isUsual && masks === undefined) return;
  for (const name of asked) {
    const why = lackingFor(name, set.test);
    if (why !== undefined) notes.warn(`--measures ${name} is left out: ${why}`);
  }
}

/** The arms that are asked for. Of the usual ones it is said which can't be had. */
function armsFor(names: readonly string[], subject: ArmSubject, notes: Notes): ArmName[] {
  const arms = armsOf(names);
  if (arms.length === 1) {
    throw new UserError(
      "the control alone is no trial: there is nothing to compare it with",
      ExitCode.usage,
      "name another arm, such as --arms treated; deno task train trains one model",
    );
  }
  if (!names.includes(arms[0])) notes.guess(`${arms[0]} is an arm too`, "--arms");
  if (String(names) !== String(USUAL_ARMS)) {
    requireArms(arms, subject);
    return arms;
  }
  return arms.filter((name) => {
    const why = lackingForArm(name, subject);
    if (why !== undefined) notes.guess(`no arm ${name}: ${why}`, "--arms");
    return why === undefined;
  });
}

/** The constraint that the flags ask for; what had to be chosen for it is noted. */
function constraintFor(
  args: Values<typeof treatFlags>,
  network: Module,
  set: DataSet,
  features: string,
  notes: Notes,
): Constraint {
  const constraint = constraintOf(args, network, set, features);
  const isMeasured = (args.beta ?? args.betaKappa) === 0 && set.test.masks &&
    args.measures.includes("foreground");
  if (args.masks !== undefined && !isMeasured) {
    const masked = forDrawnMasks(network, set, constraint, {
      ...{ features, weightIsGiven: (args.beta ?? args.betaKappa) !== undefined },
      layersAreGiven: args.spaceLayer !== undefined,
    });
    if (masked.chosen) notes.guess(masked.chosen, "--beta, --space-layer");
    return masked.constraint;
  }
  if (
    (args.beta ?? args.betaKappa) === undefined && set.train.masks && constraint.space.weight === 0
  ) {
    notes.guess("no space-wise constraint, though the data has masks", "--beta, --space-layer");
  }
  return constraint;
}

/**
 * Finds out before anything is trained whether the largest of its steps has room on the device.
 * @throws UserError (usage) with the batch that has
 */
export function requireRoomFor(
  { network, set, options }: Pick<Prepared, "network" | "set"> & {
    readonly options:
      & Pick<
        TreatOptions,
        "batch" | "microBatch" | "optimizer" | "constraint" | "limit" | "validation" | "seed"
      >
      & Partial<Pick<TreatOptions, "arms">>;
  },
  runtime: Runtime,
): void {
  const { batch, microBatch, optimizer, constraint, arms = [] } = options;
  const penalty = undiagnosed(network, set.classes.length, constraint);
  const { train } = trainingSplits(set, options);
  const larger = arms.flatMap((name) => armOf(name).room ?? []);
  for (const own of [{ penalty }, ...larger]) {
    requireRoom(runtime, network, set, train, { batch, microBatch, optimizer, ...own });
  }
}

/** A run on a few training images is a trial, which a whole test set would make long. */
function trialTestLimit(limit: number | undefined): number | undefined {
  return limit === undefined ? undefined : Math.max(limit, 1000);
}

/**
 * When runs of a trial will be over.
 * @param stages of each run, after the baseline
 * @param runs how many there are
 * @param armNameOf the arm that a stage is of, where it has another name
 */
export function treatForecast(
  { weights, epochs, treatEpochs, budget = "steps" }: {
    readonly weights?: unknown;
    readonly epochs: number;
    readonly treatEpochs: number;
    readonly budget?: Budget;
  },
  stages: readonly string[],
  runs = 1,
  armNameOf = (stage: string): string => stage,
): Forecast {
  const arms = Map.groupBy(stages, armNameOf);
  const costs = [...arms.keys()].map((name) => armOf(name).cost ?? 1);
  const kinds = [...arms].map(([name, { length }], i) => {
    // With a budget of compute, each takes as long as the dearest.
    const cost = budget === "steps" ? costs[i] : Math.max(...costs);
    return [name, { count: runs * length, epochs: treatEpochs, cost }] as const;
  });
  return new Forecast({
    baseline: { count: weights === undefined ? runs : 0, epochs },
    ...Object.fromEntries(kinds),
  }, armNameOf);
}

/** One run, with its report. @param forecast of all runs, of which this is one */
export async function treatOnce(
  { network, set, options }: Prepared,
  folder: RunFolder,
  runtime: Runtime,
  context: Context,
  forecast = treatForecast(options, options.arms),
): Promise<void> {
  const bars = new StageBars(context, forecast);
  try {
    const report = reporter(context, bars);
    const result = await treat(runtime, network, set, folder, options, report);
    await finish(folder, result, context);
  } finally {
    bars.abandon();
    runtime.destroy();
  }
}

/** Writes a finished run's report, and prints its numbers. */
export async function finish(
  folder: RunFolder,
  result: ResultFile,
  { print }: Context,
): Promise<void> {
  await writeReport(folder.path);
  print(`\n${describeResult(result)}`);
}

/** Tells of the stages on the terminal. */
export const reporter = ({ print, signal }: Context, bars: StageBars): TreatReporter => ({
  signal,
  stage: (name, what) => {
    bars.stage(name, what);
    print(`\n${name}: ${what}`);
  },
  progress: (stage, progress) => bars.progress(stage, progress),
  epoch: (record) => bars.epoch(record),
  looked: (stage, done, total) => bars.looked(stage, done, total),
  found: (findings) => print(`\n${describeFindings(findings)}`),
  note: (text) => print(wrap(`  ${text}`, WIDTH, "  ")),
});
