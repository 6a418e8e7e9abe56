/**
 * A search over the constraint's settings, on the validation split only: the test set is never
 * looked at, so that what a search finds can still be tested. From one baseline, and beside one
 * control, of each seed a model is treated in every cell of a grid. A cell that is finished leaves a
 * file and is not done again.
 */

import { pairingsOf } from "../../data/groups.ts";
import { join } from "node:path";
import {
  fileExists,
  makeFolder,
  readText,
  removeIfThere,
  writeFileAtomic,
} from "../../io/files.ts";
import { loadStateDict } from "../../nn/state.ts";
import { accuracy, type Prediction, predictions } from "../../train/predictions.ts";
import { Predictor } from "../../train/predict.ts";
import type { RunFolder, StageResult } from "../../run/run_folder.ts";
import { classMeasures } from "../class_measures.ts";
import { constrainedLayers, type ConstraintSettings, Stages } from "../stages.ts";
import {
  type Interval,
  type McNemar,
  mcnemar,
  pairedDifference,
  type PairedSample,
  pairedSample,
} from "../significance.ts";
import type { ConstraintForm } from "../penalty.ts";

export const SWEEP_VERSION = 1;

/** The values of each setting; a layer stands for a choice of `resolveLayers`. */
export interface Grid {
  readonly form: readonly ConstraintForm[];
  readonly alpha: readonly number[];
  readonly beta: readonly number[];
  readonly theta: readonly number[];
  readonly layer: readonly string[];
  readonly imagesPerClass: readonly number[];
}

/** One setting of everything. */
export type Cell = { readonly [Key in keyof Grid]: Grid[Key][number] };

/**
 * The cells of a grid, each once: without a channel-wise constraint neither theta nor the number of
 * images counts, and what has neither constraint is the control.
 */
export function cellsOf(grid: Grid): Cell[] {
  let cells: Partial<Cell>[] = [{}];
  for (const [key, values] of Object.entries(grid)) {
    cells = cells.flatMap((cell) => [...values].map((value) => ({ ...cell, [key]: value })));
  }
  const distinct = new Map<string, Cell>();
  for (const cell of cells as Cell[]) {
    if (cell.alpha === 0 && cell.beta === 0) continue;
    const counting = cell.alpha !== 0
      ? cell
      : { ...cell, theta: grid.theta[0], imagesPerClass: grid.imagesPerClass[0] };
    distinct.set(cellName(counting), counting);
  }
  return [...distinct.values()];
}

/** A cell's name, and so its file's. */
export function cellName({ form, alpha, beta, theta, layer, imagesPerClass }: Cell): string {
  const place = layer.replace(/[^\w.+-]/g, "_");
  return `${form} ${place} alpha ${alpha} beta ${beta} theta ${theta} images ${imagesPerClass}`;
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
  readonly cell: Cell;
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
  /** The settings that the grid does not vary. */
  readonly constraint: Pick<ConstraintSettings, "strength">;
  /** The modules behind a cell's layer. */
  readonly layersOf: (cell: Cell) => readonly string[];
  readonly batch: number;
  /** Told before each cell that is yet to be done. */
  readonly begin: (cell: Cell, index: number) => void;
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
  stages.requireMasks(Math.max(...options.cells.map(({ beta }) => beta)));
  await makeFolder(folder.file("cells"));
  const fileOf = (cell: Cell) => join(folder.file("cells"), `${cellName(cell)}.json`);
  const baseline = await stages.baseline();
  const control = await stages.control(baseline.state);
  const judge = await Judge.make(stages, options.batch);
  try {
    const reference = await judge.judge(control);
    const results: CellResult[] = [];
    for (const [index, cell] of options.cells.entries()) {
      const file = fileOf(cell);
      if (!await fileExists(file)) {
        options.begin(cell, index);
        const result = await sweepCell(stages, baseline, cell, options, judge, reference);
        await writeFileAtomic(file, JSON.stringify(result, null, 2) + "\n");
      }
      results.push(JSON.parse(await readText(file)));
      await removeIfThere(folder.file(`${cellName(cell)}.safetensors`));
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
  const constraint = { ...options.constraint, ...cell, layers: options.layersOf(cell) };
  const found = await stages.diagnose(baseline.state, constraint);
  const masks = constrainedLayers(found);
  const stage = cellName(cell);
  const treated = await judge.judge(
    await stages.treated(stage, baseline.state, masks, constraint),
  );
  const [first, second] = [control, treated].map(({ predicted }) =>
    predicted.map((p) => p.label === p.predicted)
  );
  const test = mcnemar(first, second);
  return {
    ...{ cell, seed: options.seed, control: control.validated, treated: treated.validated },
    mcnemar: test,
    interval: pairedDifference(test, first.length),
    seconds: (performance.now() - begun) / 1000,
  };
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
export function summarizeSweep(
  cells: readonly Cell[],
  results: readonly CellResult[],
): CellSummary[] {
  const summaries = cells.map((cell): CellSummary => {
    const own = results.filter((result) => cellName(result.cell) === cellName(cell));
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
