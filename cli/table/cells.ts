/** The cells of a table: each model on each data set with each seed, and where it lies. */

import { join } from "node:path";
import { fingerprint } from "../../engine/doctor/table.ts";
import { fileExists } from "../../engine/io/files.ts";
import { type PlaceKey, placeKeys } from "../cells/flags.ts";
import type { FolderCell } from "../cells/work.ts";
import { ownWeights } from "../model_flags.ts";
import { modelFileName } from "../model_file.ts";
import type { TableArgs } from "./flags.ts";

/** One treatment. */
export interface TableCell extends FolderCell {
  readonly model: string;
  readonly data: string;
  readonly seed: number;
  /** What `treat` would be told for it. */
  readonly settings: CellSettings;
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

/** Whether its treatment is finished; a report may still be missing. */
export const isFinished = ({ path }: TableCell): Promise<boolean> =>
  fileExists(join(path, "result.json"));

export function cellSettings(args: TableArgs, model: string, data: string, seed: number) {
  const { models: _, onlyWrite: __, keepWeights: ___, out: ____, ...shared } = args;
  const own = Object.entries(shared).filter(([key]) => !placeKeys.includes(key));
  return {
    ...Object.fromEntries(own) as Omit<typeof shared, PlaceKey>,
    ...{ model, data, seed, seeds: 1 },
    ...{ weights: ownWeights({ model }), newHead: false, out: undefined, resume: undefined },
  };
}
