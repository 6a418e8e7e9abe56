/**
 * The folder of a run: its settings, its metrics, and what each stage left behind. A stage's
 * weights get their final name only when the stage is finished, so what is there is complete and a
 * resumed run skips it. No weights file holds a time, so the same run gives the same bytes.
 */

import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import {
  fileExists,
  makeFolder,
  readBytes,
  readJson,
  readJsonLines,
  writeFileAtomic,
} from "../io/files.ts";
import { decodeSafetensors, encodeSafetensors } from "../io/safetensors.ts";
import type { StateDict } from "../nn/state.ts";
import { syncEvents } from "./events.ts";
import type { EpochRecord } from "../train/checkpoint.ts";

/** A finished stage. */
export interface StageResult {
  readonly state: StateDict;
  readonly history: readonly EpochRecord[];
  readonly bestEpoch: number;
}

const METRICS = "metrics.jsonl";

export class RunFolder {
  private constructor(
    readonly path: string,
    /** The lines of metrics.jsonl. */
    private records: readonly EpochRecord[] = [],
  ) {}

  /**
   * Starts a run in a new or empty folder and writes its settings.
   * @throws UserError (io) where the folder holds something or can't be written
   */
  static async create(path: string, config: unknown): Promise<RunFolder> {
    await makeFolder(path);
    for await (const entry of Deno.readDir(path)) {
      throw new UserError(
        `the folder ${path} is not empty: it holds ${entry.name}`,
        ExitCode.io,
        await fileExists(join(path, "config.json"))
          ? `continue that run with --resume ${path}, or choose another folder with --out`
          : "choose another folder with --out",
      );
    }
    await writeFileAtomic(join(path, "config.json"), JSON.stringify(config, null, 2) + "\n");
    return new RunFolder(path);
  }

  /** Opens the folder of an earlier run. @throws UserError (io) where there is none, or damage */
  static async resume(path: string): Promise<{ folder: RunFolder; config: unknown }> {
    const file = join(path, "config.json");
    if (!await fileExists(file)) {
      throw new UserError(`${path} holds no run: there is no config.json`, ExitCode.io);
    }
    const config = await readJson(file);
    const metrics = join(path, METRICS);
    const records = await fileExists(metrics) ? await readJsonLines(metrics) : [];
    return { folder: new RunFolder(path, records as EpochRecord[]), config };
  }

  /** The folder of a run that is a part of this one: a new one, or as an earlier process left it. */
  async part(name: string, config: unknown): Promise<RunFolder> {
    const path = this.file(name);
    return await fileExists(join(path, "config.json"))
      ? (await RunFolder.resume(path)).folder
      : await RunFolder.create(path, config);
  }

  /** The first of `base`, `base-2`, `base-3`, ... that does not exist. */
  static async firstFree(base: string): Promise<string> {
    for (let n = 1;; n++) {
      const path = n === 1 ? base : `${base}-${n}`;
      if (!await Deno.stat(path).then(() => true, () => false)) return path;
    }
  }

  file(name: string): string {
    return join(this.path, name);
  }

  checkpoint(stage: string): string {
    return this.file(`${stage}.checkpoint.safetensors`);
  }

  /** Adds an epoch to metrics.jsonl and to its stage's event file. */
  async record(record: EpochRecord): Promise<void> {
    this.records = [...this.records, record];
    await this.writeRecords(record.stage);
  }

  /** A stage that an earlier process finished, or undefined. */
  async finished(stage: string): Promise<StageResult | undefined> {
    const path = this.file(`${stage}.safetensors`);
    if (!await fileExists(path)) return undefined;
    const { tensors, metadata } = decodeSafetensors(await readBytes(path), path);
    const history = this.recordsOf(stage);
    return { state: tensors, history, bestEpoch: Number(metadata.best_epoch ?? 0) };
  }

  /** Writes a finished stage's weights under their final name. */
  async finish(stage: string, { state, history, bestEpoch }: StageResult): Promise<void> {
    const metadata = { format: "pt", stage, best_epoch: `${bestEpoch}` };
    this.keepRecords(stage, history);
    await this.writeRecords(stage);
    await writeFileAtomic(this.file(`${stage}.safetensors`), encodeSafetensors(state, metadata));
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await this.writeText(name, JSON.stringify(value, null, 2) + "\n");
  }

  async writeText(name: string, text: string): Promise<void> {
    await writeFileAtomic(this.file(name), text);
  }

  /** Makes the records of a stage exactly its history, which a resumed stage may repeat. */
  keepRecords(stage: string, history: readonly EpochRecord[]): void {
    this.records = [...this.records.filter((r) => r.stage !== stage), ...history];
  }

  private recordsOf(stage: string): EpochRecord[] {
    return this.records.filter((record) => record.stage === stage);
  }

  /** Writes metrics.jsonl, and for TensorBoard tensorboard/<stage>/. */
  private async writeRecords(stage: string): Promise<void> {
    const lines = this.records.map((record) => JSON.stringify(record) + "\n");
    await writeFileAtomic(this.file(METRICS), lines.join(""));
    await syncEvents(join(this.path, "tensorboard", stage), this.recordsOf(stage));
  }
}
