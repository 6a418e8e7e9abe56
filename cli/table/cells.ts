/** The cells of a table: each model on each data set with each seed, and where it lies. */

import { join } from "node:path";
import type { Cells } from "../../engine/cluster/pool.ts";
import { fingerprint } from "../../engine/doctor/table.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { fileExists } from "../../engine/io/files.ts";
import { isInUse } from "../../engine/run/lock.ts";
import { ownWeights } from "../common.ts";
import { modelFileName } from "../model_file.ts";
import { type PlaceKey, placeKeys } from "../place_flags.ts";
import type { TableArgs } from "./flags.ts";

/** One treatment. */
export interface TableCell {
  /** "small on shapes, seed 1" */
  readonly title: string;
  readonly model: string;
  readonly data: string;
  readonly seed: number;
  /** What `treat` would be told for it. */
  readonly settings: CellSettings;
  readonly name: string;
  /** Its folder. */
  readonly path: string;
}

export type CellSettings = ReturnType<typeof cellSettings>;

/** By data set, then seed, then model: the same list for the same flags, on every machine. */
export async function tableCells(args: TableArgs): Promise<TableCell[]> {
  const seeds = Array.from({ length: args.seeds }, (_, i) => args.seed + i);
  const all = args.data.flatMap((data) =>
    seeds.flatMap((seed) => args.models.map((model) => ({ model, data, seed })))
  );
  return await Promise.all(all.map(async ({ model, data, seed }) => {
    const settings = cellSettings(args, model, data, seed);
    const name = `${data}-${modelFileName(model)}-${await fingerprint(settings)}-seed-${seed}`;
    return {
      ...{ model, data, seed, settings, name },
      title: `${model} on ${data}, seed ${seed}`,
      path: join(args.out, "cells", name),
    };
  }));
}

/** The cell of an index. @throws UserError (usage) where there is none */
export function cellOf(cells: readonly TableCell[], index: number): TableCell {
  if (index < cells.length) return cells[index];
  throw new UserError(
    `--cell ${index}: the table has ${cells.length} cells, from 0 to ${cells.length - 1}`,
    ExitCode.usage,
  );
}

/** Whether its treatment is finished; a report may still be missing. */
export const isFinished = ({ path }: TableCell): Promise<boolean> =>
  fileExists(join(path, "result.json"));

/** Whether a process is at work on it. */
export const isBusy = ({ path }: TableCell): Promise<boolean> => isInUse(path);

/** As those that do them see them: by their index. */
export const asCells = (cells: readonly TableCell[]): Cells => ({
  count: cells.length,
  isFinished: (index) => isFinished(cells[index]),
  isBusy: (index) => isBusy(cells[index]),
});

/** "cell 3 of 40: small on shapes, seed 1" */
export const titleOf = (cells: readonly TableCell[], index: number): string =>
  `cell ${index + 1} of ${cells.length}: ${cells[index].title}`;

export function cellSettings(args: TableArgs, model: string, data: string, seed: number) {
  const { models: _, onlyWrite: __, keepWeights: ___, out: ____, ...shared } = args;
  const own = Object.entries(shared).filter(([key]) => !placeKeys.includes(key));
  return {
    ...Object.fromEntries(own) as Omit<typeof shared, PlaceKey>,
    ...{ model, data, seed, seeds: 1 },
    ...{ weights: ownWeights({ model }), newHead: false, out: undefined, resume: undefined },
  };
}
