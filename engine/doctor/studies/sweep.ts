/**
 * A search over the settings of arms, on the validation split only: the test set is never looked at,
 * so that what a search finds can still be tested. From one baseline, and beside one control, of each
 * seed a model is trained on in every cell of a grid. Where several arms are searched, each should
 * have as many cells: who tries more finds more by chance. Each cell of each seed has a folder, and
 * so has what those of a seed begin with; a cell that is finished leaves a file there and is not
 * done again.
 */

import { pairingsOf } from "../../data/groups.ts";
import { fileExists, readJson, removeIfThere } from "../../io/files.ts";
import type { Schema } from "../../io/json.ts";
import { loadStateDict } from "../../nn/state.ts";
import type { RunFolder, StageResult } from "../../run/run_folder.ts";
import { accuracy, isRight, type Prediction, predictions } from "../../train/predictions.ts";
import { Predictor } from "../../train/predict.ts";
import { armOf } from "../arms/arms.ts";
import { classMeasures } from "../class_measures.ts";
import {
  type Interval,
  type McNemar,
  mcnemar,
  pairedDifference,
  type PairedSample,
  pairedSample,
} from "../significance.ts";
import { cellResultSchema } from "../schemas.ts";
import { classKernels, type Stages, type Trial } from "../stages.ts";
import type { Cell, Grid, Tried } from "./cells.ts";

export const SWEEP_VERSION = 3;

/** How a model does on the validation split. */
export interface Validated {
  readonly accuracy: number;
  readonly loss: number;
  readonly best_epoch: number;
  /** Of the worst group, where the images belong to groups. */
  readonly worst_group?: number;
}

/** A cell of one seed. */
export interface CellResult {
  readonly cell: string;
  readonly seed: number;
  readonly control: Validated;
  /** The cell's own model. */
  readonly treated: Validated;
  /** Control against treated on the validation images. */
  readonly mcnemar: McNemar;
  readonly interval: Interval;
  readonly seconds: number;
}

/** A cell over the seeds: its models minus the controls. */
export interface CellSummary {
  readonly cell: Cell;
  readonly accuracy: PairedSample;
  readonly worst_group?: PairedSample;
  readonly results: readonly CellResult[];
}

/** sweep.json */
export interface SweepFile {
  readonly version: number;
  readonly model: string;
  readonly data: string;
  readonly seeds: readonly number[];
  readonly grid: Grid;
  /** The highest mean gain in validation accuracy first. */
  readonly cells: readonly CellSummary[];
}

/** What the cells of a seed begin with, and are held against. */
export interface Beginning {
  readonly seed: number;
  readonly batch: number;
  readonly baseline: StageResult;
  readonly control: Judged;
}

/** The file of a finished cell, in its folder. */
export const CELL = "cell.json";

/** The weights in the folder of a seed whose beginning is done. */
export const BEGINNING = ["baseline.safetensors", "control.safetensors"];

/**
 * Trains what the cells of a seed begin with, unless it lies in the stages' folder.
 * @throws UserError (method) where a cell lacks masks
 */
export async function beginSweep(
  stages: Stages,
  cells: readonly Cell[],
  { seed, batch }: Pick<Beginning, "seed" | "batch">,
): Promise<Beginning> {
  for (const { arm, treatment } of cells) {
    if (armOf(arm).isConstrained) stages.requireMasks(treatment.constraint);
  }
  const baseline = await stages.baseline();
  const control = await stages.arm("control", trialOf(baseline, cells[0]));
  return { seed, batch, baseline, control: await judge(stages, control, batch) };
}

/** Does a cell, unless it is finished. @param stages those of the cell's own folder */
export async function sweepCell(
  stages: Stages,
  folder: RunFolder,
  cell: Cell,
  { seed, batch, baseline, control }: Beginning,
): Promise<CellResult> {
  const path = folder.file(CELL);
  const { name, arm } = cell;
  if (!await fileExists(path)) {
    const begun = performance.now();
    const trial = armOf(arm).isConstrained
      ? await diagnosed(stages, baseline, cell)
      : trialOf(baseline, cell);
    const treated = await judge(stages, await stages.arm(arm, trial, name), batch);
    const [first, second] = [control, treated].map(({ predicted }) => predicted.map(isRight));
    const test = mcnemar(first, second);
    const result: CellResult = {
      ...{ cell: name, seed, control: control.validated, treated: treated.validated },
      mcnemar: test,
      interval: pairedDifference(test, first.length),
      seconds: (performance.now() - begun) / 1000,
    };
    await folder.writeJson(CELL, result);
  }
  await removeIfThere(folder.file(`${name}.safetensors`));
  return await readCell(path);
}

/** The result of a finished cell. */
export const readCell = (path: string): Promise<CellResult> =>
  readJson(path, cellResultSchema as Schema<CellResult>);

const trialOf = ({ state }: StageResult, { treatment, options }: Tried): Trial => ({
  ...{ baseline: state, treatment, kernels: new Map(), options },
});

/** A trial of a treatment, with the kernels that it rests on and its weights. */
async function diagnosed(stages: Stages, baseline: StageResult, tried: Tried): Promise<Trial> {
  const kernels = classKernels(await stages.diagnose(baseline.state, tried.treatment));
  const { treatment } = await stages.weigh(baseline.state, tried.treatment, kernels);
  return { ...trialOf(baseline, { ...tried, treatment }), kernels };
}

export interface Judged {
  readonly predicted: readonly Prediction[];
  readonly validated: Validated;
}

/** Looks at a model on the validation split. */
async function judge(
  { runtime, network, set, split: { validation } }: Stages,
  { state, bestEpoch }: StageResult,
  batch: number,
): Promise<Judged> {
  loadStateDict(network, state, runtime, "a finished stage");
  const predictor = await Predictor.make(runtime, network, set, validation, batch);
  try {
    const predicted = predictions(await predictor.predict());
    const { accuracy: share, loss } = accuracy(predicted);
    const { groups } = classMeasures(predicted, set.classes.length, pairingsOf(validation));
    const worst = groups?.shares[groups.worst]?.accuracy ?? undefined;
    return {
      predicted,
      validated: { accuracy: share, loss, best_epoch: bestEpoch, worst_group: worst },
    };
  } finally {
    predictor.destroy();
  }
}

/** Each cell over its seeds, the best first. */
export function rankCells(
  cells: readonly Cell[],
  results: readonly CellResult[],
): CellSummary[] {
  const summaries = cells.map((cell): CellSummary => {
    const own = results.filter((result) => result.cell === cell.name);
    const gains = (of: (validated: Validated) => number | undefined) =>
      own.map(({ treated, control }) => (of(treated) ?? NaN) - (of(control) ?? NaN));
    const groups = gains(({ worst_group }) => worst_group);
    return {
      cell,
      accuracy: pairedSample(gains(({ accuracy }) => accuracy)),
      ...groups.every(Number.isFinite) && { worst_group: pairedSample(groups) },
      results: own,
    };
  });
  return summaries.sort((a, b) => b.accuracy.mean - a.accuracy.mean);
}

/** The best cell of each arm. @param cells the best first */
export const bestOfArms = (cells: readonly CellSummary[]): CellSummary[] =>
  [...Map.groupBy(cells, ({ cell }) => cell.arm).values()].map(([best]) => best);
