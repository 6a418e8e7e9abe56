/** table.md, table.csv and table.json, of the cells that lie finished in a folder. */

import { join } from "node:path";
import { readResult } from "../../engine/doctor/result.ts";
import {
  fingerprint,
  TABLE_HEADER,
  type TableCell,
  tableOf,
  tableValues,
} from "../../engine/doctor/table.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { mapAtOnce } from "../../engine/io/at_once.ts";
import { encodeCsv } from "../../engine/io/csv.ts";
import {
  namesIn,
  nothingIfMissing,
  readJson,
  removePartials,
  writeFileAtomic,
} from "../../engine/io/files.ts";
import { tableMarkdown } from "../../engine/report/paper_table.ts";
import { configSchema } from "../../engine/run/config_schema.ts";
import { inTurn } from "../../engine/run/lock.ts";
import { atLeisure } from "../cells/pace.ts";

/** Writes the table of a folder, which several processes may be filling; reads each cell once. */
export class TableWriter {
  private readonly known = new Map<string, TableCell>();
  /** Writes what is finished, now and then. */
  readonly keepUp = atLeisure(() => this.write());

  constructor(private readonly folder: string) {}

  /**
   * Writes all that is finished.
   * @returns the table in Markdown
   * @throws UserError (io) where nothing is
   */
  async write(): Promise<string> {
    const { folder } = this;
    return await inTurn(folder, async () => {
      const file = tableOf(await this.cells());
      const text = tableMarkdown(file);
      await removePartials(folder, { deep: false });
      const write = (name: string, content: string) => writeFileAtomic(join(folder, name), content);
      await write("table.json", JSON.stringify(file, null, 2) + "\n");
      await write("table.csv", encodeCsv(TABLE_HEADER, file.rows.flatMap(tableValues)));
      await write("table.md", text);
      return text;
    });
  }

  /** Those that are finished. */
  private async cells(): Promise<TableCell[]> {
    const place = join(this.folder, "cells");
    const names = await namesIn(place).catch(nothingIfMissing) ?? [];
    const read = await mapAtOnce(names, async (name) => {
      const cell = this.known.get(name) ?? await readCell(join(place, name));
      if (cell !== undefined) this.known.set(name, cell);
      return cell;
    });
    const cells = read.filter((cell) => cell !== undefined);
    if (cells.length > 0) return cells;
    throw new UserError(`${place} holds no finished cell`, ExitCode.io);
  }
}

/** A cell from its folder; nothing where it is not finished. */
async function readCell(path: string): Promise<TableCell | undefined> {
  const result = await readResult(join(path, "result.json")).catch(nothingIfMissing);
  if (result === undefined) return undefined;
  const { command: _, ...settings } = await readJson(join(path, "config.json"), configSchema);
  return { fingerprint: await fingerprint(settings), settings, result };
}
