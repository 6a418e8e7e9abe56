/**
 * The folder of a run: its settings, its metrics, and what each stage left behind. A stage's
 * weights get their final name only when the stage is finished, so what is there is complete and a
 * resumed run skips it.
 */

import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, makeFolder, readBytes, readText, writeFileAtomic } from "../io/files.ts";
import { decodeSafetensors, encodeSafetensors } from "../io/safetensors.ts";
import type { StateDict } from "../nn/state.ts";
import type { EpochRecord } from "./train.ts";

/** A finished stage. */
export interface StageResult {
  readonly state: StateDict;
  readonly history: readonly EpochRecord[];
  readonly bestEpoch: number;
}

export class RunFolder {
  private records: EpochRecord[] = [];

  private constructor(readonly path: string) {}

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

  /** Opens the folder of a run that was stopped. @throws UserError (io) where there is none */
  static async resume(path: string): Promise<{ folder: RunFolder; config: unknown }> {
    const file = join(path, "config.json");
    if (!await fileExists(file)) {
      throw new UserError(`${path} holds no run: there is no config.json`, ExitCode.io);
    }
    try {
      return { folder: new RunFolder(path), config: JSON.parse(await readText(file)) };
    } catch (error) {
      if (error instanceof SyntaxError) throw new UserError(`${file} is damaged`, ExitCode.io);
      throw error;
    }
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

  /** Adds an epoch to metrics.jsonl. */
  async record(record: EpochRecord): Promise<void> {
    this.records.push(record);
    await this.writeRecords();
  }

  /** A stage that an earlier process finished, or undefined. */
  async finished(stage: string): Promise<StageResult | undefined> {
    const path = this.file(`${stage}.safetensors`);
    if (!await fileExists(path)) return undefined;
    const { tensors, metadata } = decodeSafetensors(await readBytes(path), path);
    const history = JSON.parse(metadata.history ?? "[]") as EpochRecord[];
    this.keepRecords(stage, history);
    return { state: tensors, history, bestEpoch: Number(metadata.best_epoch ?? 0) };
  }

  /** Writes a finished stage's weights under their final name. */
  async finish(stage: string, { state, history, bestEpoch }: StageResult): Promise<void> {
    const metadata = {
      format: "pt",
      stage,
      best_epoch: `${bestEpoch}`,
      history: JSON.stringify(history),
    };
    await writeFileAtomic(this.file(`${stage}.safetensors`), encodeSafetensors(state, metadata));
    this.keepRecords(stage, history);
    await this.writeRecords();
  }

  async writeJson(name: string, value: unknown): Promise<void> {
    await writeFileAtomic(this.file(name), JSON.stringify(value, null, 2) + "\n");
  }

  /** Makes the records of a stage exactly its history, which a resumed stage may repeat. */
  keepRecords(stage: string, history: readonly EpochRecord[]): void {
    this.records = [...this.records.filter((r) => r.stage !== stage), ...history];
  }

  private async writeRecords(): Promise<void> {
    const lines = this.records.map((record) => JSON.stringify(record) + "\n");
    await writeFileAtomic(this.file("metrics.jsonl"), lines.join(""));
  }
}
