/** A treatment with several seeds: a run each in a folder of its own, and what they say together. */

import { join } from "node:path";
import type { DataSet } from "../data/dataset.ts";
import { fileExists } from "../io/files.ts";
import type { Module } from "../nn/module.ts";
import { initialize } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import type { RunFolder } from "../run/run_folder.ts";
import { readResult, type ResultFile, summarizeSeeds, type SummaryFile } from "./result.ts";
import type { TreatReporter } from "./stages.ts";
import { treat, type TreatOptions } from "./treat.ts";

/** What is told beside the stages. */
export interface SeedsReporter extends TreatReporter {
  /** A seed's turn comes; it may have been finished by an earlier process. */
  seed(seed: number, isFinished: boolean): void;
  /** A seed's files are written. */
  finished(folder: RunFolder, result: ResultFile): Promise<void>;
}

/** The folder of a seed's run, in that of all. */
export const seedFolder = (seed: number): string => `seed-${seed}`;

/**
 * Treats with every seed that has no result yet, and leaves summary.json.
 * @param settings of a seed's run, as its config.json keeps them
 */
export async function treatSeeds(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  folder: RunFolder,
  options: TreatOptions,
  seeds: readonly number[],
  settings: (seed: number) => unknown,
  report: SeedsReporter,
): Promise<SummaryFile> {
  const results: ResultFile[] = [];
  for (const seed of seeds) {
    const path = join(folder.file(seedFolder(seed)), "result.json");
    const isFinished = await fileExists(path);
    report.seed(seed, isFinished);
    if (isFinished) {
      results.push(await readResult(path));
      continue;
    }
    const part = await folder.part(seedFolder(seed), settings(seed));
    initialize(network, seed);
    try {
      const result = await treat(runtime, network, set, part, { ...options, seed }, report);
      results.push(result);
      await report.finished(part, result);
      await part.leave();
    } finally {
      // The next seed begins at its own starting values.
      runtime.destroy();
    }
  }
  const summary = summarizeSeeds(results);
  await folder.writeJson("summary.json", summary);
  return summary;
}
