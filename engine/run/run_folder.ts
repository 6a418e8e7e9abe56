/**
 * The folder of a run: its settings, its metrics, and what each stage left behind. A stage's
 * weights get their final name only when the stage is finished, so what is there is complete and a
 * resumed run skips it. No weights file holds a time, so the same run gives the same bytes. One
 * process at a time works in it; see lock.ts.
 */

import { dirname, join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import {
  fileExists,
  isPartial,
  makeFolder,
  namesIn,
  readBytes,
  readJson,
  readJsonLines,
  removePartials,
  writeFileAtomic,
} from "../io/files.ts";
import { decodeSafetensors, encodeSafetensors } from "../io/safetensors.ts";
import { encodePth } from "../io/torch_save.ts";
import type { StateDict } from "../nn/state.ts";
import { recordChecksum, verifyChecksum } from "./checksums.ts";
import { CONFIG, settingsSchema } from "./config_schema.ts";
import { epochSchema } from "./epoch_schema.ts";
import { syncEvents } from "./events.ts";
import { LOCK, lockFolder, refuseLocked, unlockFolder } from "./lock.ts";
import type { EpochRecord } from "../train/checkpoint.ts";

/** How weights are written: as safetensors alone, or beside it as torch.save does. */
export const WEIGHTS_FORMATS = ["safetensors", "pth"] as const;
export type WeightsFormat = typeof WEIGHTS_FORMATS[number];

/** A finished stage. */
export interface StageResult {
  readonly state: StateDict;
  readonly history: readonly EpochRecord[];
  readonly bestEpoch: number;
}

const METRICS = "metrics.jsonl";

/** Commands whose runs can be gone on with. */
const RESUMABLE: readonly unknown[] = ["train", "treat", "study sweep", "study findings"];

export class RunFolder {
  private constructor(
    readonly path: string,
    /** The lines of metrics.jsonl. */
    private records: readonly EpochRecord[] = [],
  ) {}

  /**
   * Starts a run in a new or empty folder, locks it and writes its settings.
   * @throws UserError (io) where the folder holds something, is in use or can't be written
   */
  static async create(path: string, config: unknown): Promise<RunFolder> {
    await makeFolder(path);
    await refuseFull(path);
    await lockFolder(path);
    // Another process may have been here between the two.
    await refuseFull(path);
    const folder = new RunFolder(path);
    await removePartials(path);
    await folder.writeJson(CONFIG, config);
    return folder;
  }

  /**
   * Looks into the folder of an earlier run; `enter` has to be called before work goes on in it.
   * @throws UserError (io) where there is none, it is in use or damaged
   */
  static async resume(
    path: string,
  ): Promise<{ folder: RunFolder; config: Readonly<Record<string, unknown>> }> {
    const file = join(path, CONFIG);
    if (!await fileExists(file)) {
      throw new UserError(
        `${path} holds no run: there is no config.json`,
        ExitCode.io,
        "a run that was killed before it wrote one is begun again with --out",
      );
    }
    await refuseLocked(path);
    const folder = new RunFolder(path);
    await folder.readRecords();
    return { folder, config: await readJson(file, settingsSchema) };
  }

  /**
   * Locks the folder, and takes away what a killed process left half written.
   * @throws UserError (io) where another process works in it
   */
  async enter(): Promise<RunFolder> {
    await lockFolder(this.path);
    await removePartials(this.path);
    await this.readRecords();
    return this;
  }

  /**
   * A run whose parts are done by several processes at once, each of which may be the first: it is
   * locked by none, and each part's folder by whoever is at it.
   * @throws UserError (io) where the folder holds something else, or is in use
   */
  static async share(path: string, config: unknown): Promise<RunFolder> {
    await makeFolder(path);
    await refuseLocked(path);
    const folder = new RunFolder(path);
    if (await RunFolder.isAt(path)) return folder;
    await refuseFull(path).catch(async (error) => {
      if (!await RunFolder.isAt(path)) throw error;
    });
    await folder.writeJson(CONFIG, config);
    return folder;
  }

  /**
   * A run's folder to look into, which need not be there: nothing is made, and none is kept out.
   * @throws UserError (io) where the folder holds something else
   */
  static async peek(path: string): Promise<RunFolder> {
    const isThere = await Deno.stat(path).then(() => true, () => false);
    if (isThere && !await RunFolder.isAt(path)) await refuseFull(path);
    return new RunFolder(path);
  }

  /** Gives the folder back before the process ends. */
  async leave(): Promise<void> {
    await unlockFolder(this.path);
  }

  /** Whether a run was begun in the folder. */
  static isAt(path: string): Promise<boolean> {
    return fileExists(join(path, CONFIG));
  }

  /**
   * A run's folder: as an earlier process left it, or a new one.
   * @param wait for a process that works in it, until this signal says no longer
   */
  static async open(path: string, config: unknown, wait?: AbortSignal): Promise<RunFolder> {
    if (wait) {
      await makeFolder(path);
      await lockFolder(path, wait);
    }
    return await RunFolder.isAt(path)
      ? await (await RunFolder.resume(path)).folder.enter()
      : await RunFolder.create(path, config);
  }

  /** The folder of a run that is a part of this one. */
  async part(name: string, config: unknown, wait?: AbortSignal): Promise<RunFolder> {
    return await RunFolder.open(this.file(name), config, wait);
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
    const bytes = await readBytes(path);
    await verifyChecksum(this.path, `${stage}.safetensors`, bytes);
    const { tensors, metadata } = decodeSafetensors(bytes, path);
    const history = this.recordsOf(stage);
    return { state: tensors, history, bestEpoch: Number(metadata.best_epoch ?? 0) };
  }

  /**
   * Writes a finished stage's weights under their final name, in PyTorch's own format too.
   * @param others further files of the stage, by what follows its name
   */
  async finish(
    stage: string,
    { state, history, bestEpoch }: StageResult,
    format: WeightsFormat = "safetensors",
    others: ReadonlyMap<string, Uint8Array> = new Map(),
  ): Promise<void> {
    const metadata = { format: "pt", stage, best_epoch: `${bestEpoch}` };
    this.keepRecords(stage, history);
    await this.writeRecords(stage);
    const bytes = encodeSafetensors(state, metadata);
    // The file that tells of a finished stage is the last.
    for (const [suffix, content] of others) {
      const path = this.file(`${stage}${suffix}`);
      await makeFolder(dirname(path));
      await writeFileAtomic(path, content);
    }
    if (format === "pth") await writeFileAtomic(this.file(`${stage}.pth`), encodePth(state));
    await recordChecksum(this.path, `${stage}.safetensors`, bytes);
    await writeFileAtomic(this.file(`${stage}.safetensors`), bytes);
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

  private async readRecords(): Promise<void> {
    const path = this.file(METRICS);
    this.records = await fileExists(path) ? await readJsonLines(path, epochSchema) : [];
  }

  /** Writes metrics.jsonl, and for TensorBoard tensorboard/<stage>/. */
  private async writeRecords(stage: string): Promise<void> {
    const lines = this.records.map((record) => JSON.stringify(record) + "\n");
    await writeFileAtomic(this.file(METRICS), lines.join(""));
    await syncEvents(join(this.path, "tensorboard", stage), this.recordsOf(stage));
  }
}

/** @throws UserError (io) where the folder holds more than a killed process's unborn run */
async function refuseFull(path: string): Promise<void> {
  const isRun = await RunFolder.isAt(path);
  const names = (await namesIn(path)).filter((name) => name !== LOCK);
  const found = names.find((name) => isRun || !isPartial(name));
  if (found === undefined) return;
  await unlockFolder(path);
  const config = isRun ? await readJson(join(path, CONFIG), settingsSchema).catch(() => {}) : {};
  throw new UserError(
    `the folder ${path} is not empty: it holds ${found}`,
    ExitCode.io,
    RESUMABLE.includes(config?.command)
      ? `continue that run with deno task ${config!.command} --resume ${path}, or choose another ` +
        "folder with --out"
      : "choose another folder with --out",
  );
}
