/**
 * The cells of a sweep: of each seed what its cells begin with, and then every combination. Each
 * has a folder of its own in the sweep's, so that each may be done by another process.
 */

import { join } from "node:path";
import type { Cell } from "../../engine/doctor/studies/cells.ts";
import {
  BEGINNING,
  type Beginning,
  beginSweep,
  CELL,
  type CellResult,
  readCell,
  sweepCell,
} from "../../engine/doctor/studies/sweep.ts";
import type { Stages } from "../../engine/doctor/stages.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { mapAtOnce } from "../../engine/io/at_once.ts";
import { fileExists } from "../../engine/io/files.ts";
import { isInUse } from "../../engine/run/lock.ts";
import { RunFolder } from "../../engine/run/run_folder.ts";
import { type FolderCell, inWords } from "../cells/work.ts";

export interface SweepCell extends FolderCell {
  readonly seed: number;
  /** None where it is what the others of the seed begin with. */
  readonly tried?: Cell;
}

/** By seed; the same list for the same flags, on every machine. */
export const sweepCells = (
  folder: RunFolder,
  cells: readonly Cell[],
  seeds: readonly number[],
): SweepCell[] =>
  seeds.flatMap((seed) => {
    const beginning = `seed-${seed}`;
    const first = { name: beginning, path: folder.file(beginning) };
    return [
      { ...first, seed, title: `baseline and control, seed ${seed}` },
      ...cells.map((tried) => {
        const name = `${beginning} ${tried.name}`;
        const path = folder.file(join("cells", name));
        return { seed, tried, name, path, title: `${tried.name}, seed ${seed}` };
      }),
    ];
  });

/** The cell that has to be done before another: what its seed begins with. */
export function before(cells: readonly SweepCell[], index: number): number | undefined {
  const { tried, seed } = cells[index];
  if (tried === undefined) return undefined;
  return cells.findIndex((cell) => cell.seed === seed && cell.tried === undefined);
}

export async function isFinished({ tried, path }: SweepCell): Promise<boolean> {
  const files = tried === undefined ? BEGINNING : [CELL];
  return (await Promise.all(files.map((name) => fileExists(join(path, name))))).every(Boolean);
}

/** @throws UserError (io) where other processes are at some, which this one would bar from the folder */
export async function refuseBusy(folder: RunFolder, cells: readonly SweepCell[]): Promise<void> {
  const busy = (await mapAtOnce(cells, ({ path }) => isInUse(path))).filter(Boolean).length;
  if (busy === 0) return;
  throw new UserError(
    `the folder ${folder.path} is in use by processes that are at ${inWords(busy)}`,
    ExitCode.io,
    "wait for them to end, or join them with --on local",
  );
}

/** The results of those that are finished. */
export async function resultsOf(cells: readonly SweepCell[]): Promise<CellResult[]> {
  const results = await mapAtOnce(
    cells,
    async (cell) =>
      cell.tried && await isFinished(cell) ? await readCell(join(cell.path, CELL)) : undefined,
  );
  return results.filter((result) => result !== undefined);
}

/** What cells are done with. */
export interface Doing {
  readonly cells: readonly Cell[];
  readonly batch: number;
  readonly signal: AbortSignal;
  print(line: string): void;
  /** Those of a seed, whose network has its first weights. */
  stages(seed: number, folder: RunFolder): Stages;
}

/** Does cells in this process, each of which may be of any seed. */
export class Sweeping {
  private begun?: { readonly stages: Stages; readonly beginning: Beginning };

  constructor(private readonly doing: Doing) {}

  async do({ seed, tried, path }: SweepCell, beginning: SweepCell): Promise<void> {
    const begun = await this.begin(beginning);
    if (tried === undefined) return;
    const folder = await RunFolder.open(path, {
      ...{ command: "study sweep cell", cell: tried.name, seed },
    });
    await sweepCell(begun.stages.in(folder), folder, tried, begun.beginning);
    await folder.leave();
  }

  /** What the cells of a seed begin with, done here unless it is done. */
  private async begin({ seed, path }: SweepCell) {
    if (this.begun?.beginning.seed === seed) return this.begun;
    const { doing } = this;
    if (await isInUse(path)) {
      doing.print(`another process trains the baseline or the control of seed ${seed}: waiting`);
    }
    const config = { command: "study sweep part", seed };
    const folder = await RunFolder.open(path, config, doing.signal);
    const stages = doing.stages(seed, folder);
    const beginning = await beginSweep(stages, doing.cells, { seed, batch: doing.batch });
    await folder.leave();
    return this.begun = { stages, beginning };
  }
}
