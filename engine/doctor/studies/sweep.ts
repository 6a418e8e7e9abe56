/**
 * A search over the settings of arms, on the validation split only: the test set is never looked at,
 * so that what a search finds can still be tested. From one baseline, and beside one control, of each
 * seed a model is trained on in every cell of a grid. Where several arms are searched, each should
 * have as many cells: who tries more finds more by chance. A cell that is finished leaves a file and
 * is not done again.
 */

import { join } from "node:path";
import { pairingsOf } from "../../data/groups.ts";
import {
  fileExists,
  makeFolder,
  readJson,
  removeIfThere,
  writeFileAtomic,
} from "../../io/files.ts";
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

export interface SweepOptions {
  readonly cells: readonly Cell[];
  readonly seed: number;
  readonly batch: number;
  /** Told before each cell that is yet to be done. */
  readonly begin: (cell: Cell, index: number) => void;
  /** Told of each cell that was finished before. */
  readonly skip?: (cell: Cell) => void;
}

/**
 * All cells of one seed.
 * @param stages those of the seed's folder
 */
export async function sweepSeed(
  stages: Stages,
  folder: RunFolder,
  options: SweepOptions,
): Promise<CellResult[]> {
  for (const { arm, treatment } of options.cells) {
    if (armOf(arm).isConstrained) stages.requireMasks(treatment.constraint);
  }
  await makeFolder(folder.file("cells"));
  const fileOf = ({ name }: Cell) => join(folder.file("cells"), `${name}.json`);
  const baseline = await stages.baseline();
  const control = await stages.arm("control", trialOf(baseline, options.cells[0]));
  const judge = await Judge.make(stages, options.batch);
  try {
    const reference = await judge.judge(control);
    const results: CellResult[] = [];
    for (const [index, cell] of options.cells.entries()) {
      const file = fileOf(cell);
      if (await fileExists(file)) {
        options.skip?.(cell);
      } else {
        options.begin(cell, index);
        const result = await sweepCell(stages, baseline, cell, options, judge, reference);
        await writeFileAtomic(file, JSON.stringify(result, null, 2) + "\n");
      }
      results.push(await readJson(file, cellResultSchema as Schema<CellResult>));
      await removeIfThere(folder.file(`${cell.name}.safetensors`));
    }
    return results;
  } finally {
    judge.destroy();
  }
}

async function sweepCell(
  stages: Stages,
  baseline: StageResult,
  cell: Cell,
  options: SweepOptions,
  judge: Judge,
  control: Judged,
): Promise<CellResult> {
  const begun = performance.now();
  const { name, arm } = cell;
  const trial = armOf(arm).isConstrained
    ? await diagnosed(stages, baseline, cell)
    : trialOf(baseline, cell);
  const treated = await judge.judge(await stages.arm(arm, trial, name));
  const [first, second] = [control, treated].map(({ predicted }) => predicted.map(isRight));
  const test = mcnemar(first, second);
  return {
    ...{ cell: name, seed: options.seed, control: control.validated, treated: treated.validated },
    mcnemar: test,
    interval: pairedDifference(test, first.length),
    seconds: (performance.now() - begun) / 1000,
  };
}

const trialOf = ({ state }: StageResult, { treatment, options }: Tried): Trial => ({
  ...{ baseline: state, treatment, kernels: new Map(), options },
});

/** A trial of a treatment, with the kernels that it rests on and its weights. */
async function diagnosed(stages: Stages, baseline: StageResult, tried: Tried): Promise<Trial> {
  const kernels = classKernels(await stages.diagnose(baseline.state, tried.treatment));
  const { treatment } = await stages.weigh(baseline.state, tried.treatment, kernels);
  return { ...trialOf(baseline, { ...tried, treatment }), kernels };
}

interface Judged {
  readonly predicted: readonly Prediction[];
  readonly validated: Validated;
}

/** Looks at models on the validation split. */
class Judge {
  private constructor(private readonly stages: Stages, private readonly predictor: Predictor) {}

  static async make(stages: Stages, batch: number): Promise<Judge> {
    const { runtime, network, set, split } = stages;
    return new Judge(
      stages,
      await Predictor.make(runtime, network, set, split.validation, batch),
    );
  }

  async judge({ state, bestEpoch }: StageResult): Promise<Judged> {
    const { runtime, network, set, split } = this.stages;
    loadStateDict(network, state, runtime, "a finished stage");
    const predicted = predictions(await this.predictor.predict());
    const { accuracy: share, loss } = accuracy(predicted);
    const { groups } = classMeasures(predicted, set.classes.length, pairingsOf(split.validation));
    const worst = groups?.shares[groups.worst]?.accuracy ?? undefined;
    return {
      predicted,
      validated: { accuracy: share, loss, best_epoch: bestEpoch, worst_group: worst },
    };
  }

  destroy(): void {
    this.predictor.destroy();
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
