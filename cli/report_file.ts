/** report.html of a run's folder, made from the files that lie in it. */

import { join } from "node:path";
import { fileExists, writeFileAtomic } from "../engine/io/files.ts";
import { unmet } from "../engine/options.ts";
import { readRun } from "../engine/report/read.ts";
import { report } from "../engine/report/report.ts";
import { diagnoseFlags } from "./diagnose_flags.ts";
import { flagName, type FlagTable } from "./framework/flags.ts";
import { treatFlags } from "./treat_flags.ts";
import { commandLine } from "./framework/help.ts";

/**
 * Writes the report of a finished run. @returns its path
 * @param studies folders of studies beside those in the run's
 * @throws UserError (io) where something that it is made from is missing or damaged
 */
export async function writeReport(
  folder: string,
  studies: readonly string[] = [],
): Promise<string> {
  const run = await readRun(folder, { studies, commandLine: writtenOut });
  const path = join(folder, REPORT);
  await writeFileAtomic(path, report(run));
  return path;
}

/** Writes the report of a run that was finished, and then stopped before it had one. */
export async function completeReport(folder: string): Promise<void> {
  if (!await fileExists(join(folder, REPORT))) await writeReport(folder);
}

export const REPORT = "report.html";

/** Where results go is no part of what is asked for. */
const PLACES = ["out", "resume"];

/** The commands that leave what a report is made of. */
const TABLES: Readonly<Record<string, FlagTable>> = { treat: treatFlags, diagnose: diagnoseFlags };

/** A command line with every setting that has an effect, defaults included: they may change. */
function writtenOut(command: string, settings: Readonly<Record<string, unknown>>): string {
  const counts = (key: string) => unmet(TABLES[command]?.[key] ?? {}, settings) === undefined;
  const flags = Object.entries(settings)
    .filter(([key, value]) => value !== undefined && !PLACES.includes(key) && counts(key))
    .map(([key, value]) => `${flagName(key)}=${quoted(String(value))}`);
  return [commandLine(command), ...flags].join(" ");
}

const quoted = (value: string): string =>
  /^[\w.,/:+@%-]+$/.test(value) ? value : `'${value.replaceAll("'", "'\\''")}'`;
