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
import { encodeCsv } from "../../engine/io/csv.ts";
import {
  fileError,
  fileExists,
  readJson,
  removePartials,
  writeFileAtomic,
} from "../../engine/io/files.ts";
import { tableMarkdown } from "../../engine/report/paper_table.ts";
import { configSchema } from "../../engine/run/config_schema.ts";
import { inTurn } from "../../engine/run/lock.ts";

/**
 * Writes the table of all finished cells in a folder, which several processes may be filling.
 * @returns it in Markdown
 */
export const writeTable = (folder: string): Promise<string> =>
  inTurn(folder, () => writeAll(folder));

async function writeAll(folder: string): Promise<string> {
  const cells: TableCell[] = [];
  const place = join(folder, "cells");
  const names = await namesIn(place);
  for (const name of names.sort()) {
    const result = join(place, name, "result.json");
    if (!await fileExists(result)) continue;
    const config = await readJson(join(place, name, "config.json"), configSchema);
    const { command: _, ...settings } = config;
    cells.push({
      fingerprint: await fingerprint(settings),
      settings,
      result: await readResult(result),
    });
  }
  if (cells.length === 0) {
    throw new UserError(`${place} holds no finished cell`, ExitCode.io);
  }
  const file = tableOf(cells);
  const text = tableMarkdown(file);
  await removePartials(folder, { deep: false });
  const write = (name: string, content: string) => writeFileAtomic(join(folder, name), content);
  await write("table.json", JSON.stringify(file, null, 2) + "\n");
  await write("table.csv", encodeCsv(TABLE_HEADER, file.rows.flatMap(tableValues)));
  await write("table.md", text);
  return text;
}

/** The names in a folder; none where there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(folder)) names.push(name);
    return names;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError("read", folder, error);
  }
}
