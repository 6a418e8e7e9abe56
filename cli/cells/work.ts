/**
 * Work that a command divides into cells, each in a folder of its own inside the command's. Where
 * they are done (local.ts, slurm.ts, kubernetes.ts) is nothing that a cell knows of: it is done by
 * `--cell` and its index.
 */

import type { Cells } from "../../engine/cluster/pool.ts";
import { fingerprint } from "../../engine/doctor/table.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { fileExists, realPathOf } from "../../engine/io/files.ts";
import { isInUse } from "../../engine/run/lock.ts";
import type { AllValues } from "../../engine/options.ts";
import type { FlagTable } from "../framework/flags.ts";
import { reasonIn, reasonsInWords } from "./reason.ts";

export interface FolderCell {
  /** "small on shapes, seed 1" */
  readonly title: string;
  /** A file's name, different for each. */
  readonly name: string;
  /** Its folder. */
  readonly path: string;
}

export interface CellWork {
  /** "table" */
  readonly name: string;
  /** The folder that all cells lie in. */
  readonly out: string;
  readonly cells: readonly FolderCell[];
  /** This command's words and flags, to which `--cell` and the cell's index are added. */
  readonly command: readonly string[];
  /** What the cells read besides. */
  readonly files: readonly string[];
  isFinished(index: number): Promise<boolean>;
  /** The cell that has to be done before it, where there is one. */
  after?(index: number): number | undefined;
  /** What a process that was killed after a cell's result left to be done; several may see to it. */
  complete(index: number): Promise<void>;
  /** Called after some cells were finished. */
  filled(): Promise<unknown>;
}

/** As those that do them see them. */
export const cellsOf = (work: CellWork): Cells => ({
  count: work.cells.length,
  isFinished: (index) => work.isFinished(index),
  isBusy: (index) => isInUse(work.cells[index].path),
  after: (index) => work.after?.(index),
});

/** Whether something of it is done. */
export const isBegun = ({ cells }: CellWork, index: number): Promise<boolean> =>
  fileExists(cells[index].path);

/** The cell of an index. @throws UserError (usage) where there is none */
export function cellAt<Cell>(cells: readonly Cell[], index: number): Cell {
  if (index < cells.length) return cells[index];
  throw new UserError(
    `--cell ${index}: there are ${cells.length} cells, from 0 to ${cells.length - 1}`,
    ExitCode.usage,
  );
}

/** "cell 3 of 40: small on shapes, seed 1" */
export const titleOf = ({ cells }: Pick<CellWork, "cells">, index: number): string =>
  `cell ${index + 1} of ${cells.length}: ${cells[index].title}`;

export const inWords = (count: number): string => count === 1 ? "1 cell" : `${count} cells`;

/** The same for the same cells in the same folder: what a cluster knows the work by. */
export async function workName({ name, out, cells }: CellWork): Promise<string> {
  const folder = await realPathOf(out);
  const names = cells.map(({ name }) => name);
  return `${name}-${await fingerprint({ folder, names })}`;
}

/** The files and folders that flags name to be read. */
export const readBy = (flags: FlagTable, values: AllValues): string[] =>
  Object.entries(flags)
    .filter(([key, { value, writes }]) => /^(FILE|DIR)/.test(value ?? "") && !writes && values[key])
    .flatMap(([key]) => values[key] as string | string[]);

/** "cell 3 of 7: alpha 1, seed 0: not begun, since cell 1 could not be done" */
export const droppedInWords = (work: CellWork, index: number, after: number): string =>
  `${titleOf(work, index)}: not begun, since cell ${after + 1} could not be done`;

/**
 * @param failures exit codes by index
 * @param logOf the file with what a cell printed
 * @returns how many diverged, where no other cell failed
 * @throws UserError where others did, with the code of the first of them
 */
export function divergedOf(
  work: CellWork,
  failures: ReadonlyMap<number, number>,
  logOf: (index: number) => string,
): number {
  const other = [...failures].find(([, code]) => code !== ExitCode.diverged);
  if (other === undefined) return failures.size;
  const isKnown = (code: number): code is ExitCode =>
    Object.values<number>(ExitCode).includes(code);
  throw new UserError(
    `${failures.size} of ${work.cells.length} cells could not be done\n` +
      reasonsInWords(failures, (index, code) => {
        const before = work.after?.(index);
        if (before !== undefined && failures.has(before)) return `cell ${before + 1} comes before`;
        return reasonIn(logOf(index), code);
      }),
    isKnown(other[1]) ? other[1] : ExitCode.failure,
    "what each printed lies in the folder logs; the same command goes on with them",
  );
}
