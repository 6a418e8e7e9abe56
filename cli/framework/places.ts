/** Where a command writes is known to be a place that can be written to, before the command begins. */
import { requireWritableFile, requireWritableFolder } from "../../engine/io/writable.ts";
import type { AllValues } from "../../engine/options.ts";
import type { FlagTable } from "./flags.ts";

/**
 * Looks at every place that the flags name. Where none is named, the places count that are written
 * to then, unless the command was told to do something else.
 *
 * @param named the keys of the flags that stand on the command line
 * @throws UserError (io) that names the place and what is wrong with it
 */
export async function checkPlaces(
  table: FlagTable,
  values: AllValues,
  named: ReadonlySet<string>,
): Promise<void> {
  const settled = [...named].some((key) => table[key].writes || table[key].mode);
  for (const [key, { writes }] of Object.entries(table)) {
    if (!writes) continue;
    const path = values[key] ?? (settled ? undefined : writes.otherwise);
    if (path === undefined) continue;
    const check = writes.what === "folder" ? requireWritableFolder : requireWritableFile;
    await check(String(path));
  }
}
