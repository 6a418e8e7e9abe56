/**
 * A search over the constraint's settings, on the validation split only: the test set is never
 * looked at, so that what a search finds can still be tested. From one baseline, and beside one
 * control, of each seed a model is treated in every cell of a grid. A cell that is finished leaves a
 * file and is not done again.
 */

import { join } from "node:path";
import { pairingsOf } from "../../data/groups.ts";
import { canonicalText, type Settings } from "../../io/canonical.ts";
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
import { accuracy, type Prediction, predictions } from "../../train/predictions.ts";
import { Predictor } from "../../train/predict.ts";
import { classMeasures } from "../class_measures.ts";
import { usualArmOptions } from "../arms/arms.ts";
import { termsOf } from "../constraint.ts";
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
import type { Treatment } from "../treatment.ts";

export const SWEEP_VERSION = 2;

/** The values of each setting that is searched, by its name; a list of layers is written a+b. */
export type Grid = Readonly<Record<string, readonly (string | number)[]>>;

/** One value of each setting, and what it comes to. */
export interface Cell {
  /** Tells it from the others of its sweep: the settings that vary. Its file's and stage's name. */
  readonly name: string;
  readonly settings: Readonly<Record<string, string | number>>;
  readonly treatment: Treatment;
}

/**
 * The cells of a grid, each once: of a term that is off nothing counts, nor do the images and the
 * threshold that kernels are found by where the channel-wise term is. What has neither term is the
 * control and no cell.
 * @param treatmentOf what settings come to
 */
export function cellsOf(
  grid: Grid,
  treatmentOf: (settings: Cell["settings"]) => Treatment,
): Cell[] {
  let combinations: Cell["settings"][] = [{}];
  for (const [key, values] of Object.entries(grid)) {
    combinations = combinations.flatMap((of) => values.map((value) => ({ ...of, [key]: value })));
  }
  const varied = variedAxes(grid);
  const distinct = new Map<string, Cell>();
  for (const settings of combinations) {
    const treatment = treatmentOf(settings);
    if (termsOf(treatment.constraint).length === 0) continue;
    const key = canonicalText(whatCounts(treatment));
    if (distinct.has(key)) continue;
    const words = varied.map((axis) => `${axis} ${settings[axis]}`).join(" ") || "cell";
    distinct.set(key, { name: words, settings, treatment });
  }
  return withFileNames([...distinct.values()]);
}

/** The cells with names that files can have, still different from each other. */
function withFileNames(cells: readonly Cell[]): Cell[] {
  const taken = new Map<string, number>();
  return cells.map((cell) => {
    const plain = cell.name.replace(/[^\w.+ -]/g, "_");
    const times = (taken.get(plain) ?? 0) + 1;
    taken.set(plain, times);
    return { ...cell, name: times > 1 ? `${plain} (${times})` : plain };
  });
}

/** The settings of which there are several values. */
export const variedAxes = (grid: Grid): string[] =>
  Object.keys(grid).filter((axis) => grid[axis].length > 1);

/** A treatment without what has no effect in it. */
function whatCounts({ constraint, theta, imagesPerClass }: Treatment): Settings {
  const terms = termsOf(constraint).map((term) => [term, constraint[term]]);
  const kernels = constraint.channel.weight !== 0 && { theta, imagesPerClass };
  return { ...Object.fromEntries(terms), ...kernels };
}

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
  readonly treated: Validated;
  /** Control against treated on the validation images. */
  readonly mcnemar: McNemar;
  readonly interval: Interval;
  readonly seconds: number;
}

/** A cell over the seeds: treated minus control. */
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
  for (const { treatment } of options.cells) stages.requireMasks(treatment.constraint);
  await makeFolder(folder.file("cells"));
  const fileOf = ({ name }: Cell) => join(folder.file("cells"), `${name}.json`);
  const baseline = await stages.baseline();
  const control = await stages.arm("control", trialOf(baseline, options.cells[0].treatment));
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
  const { name } = cell;
  const kernels = classKernels(await stages.diagnose(baseline.state, cell.treatment));
  const { treatment } = await stages.weigh(baseline.state, cell.treatment, kernels);
  const treated = await judge.judge(
    await stages.arm("treated", trialOf(baseline, treatment, kernels), name),
  );
  const [first, second] = [control, treated].map(({ predicted }) =>
    predicted.map((p) => p.label === p.predicted)
  );
  const test = mcnemar(first, second);
  return {
    ...{ cell: name, seed: options.seed, control: control.validated, treated: treated.validated },
    mcnemar: test,
    interval: pairedDifference(test, first.length),
    seconds: (performance.now() - begun) / 1000,
  };
}

const trialOf = (
  { state }: StageResult,
  treatment: Treatment,
  kernels: Trial["kernels"] = new Map(),
): Trial => ({ baseline: state, treatment, kernels, options: usualArmOptions });

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
