/** A training stage of a run: trained, or taken up where an earlier process left it. */

import { removeIfThere } from "../io/files.ts";
import type { Module } from "../nn/module.ts";
import { loadStateDict, stateDict } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import type { EpochRecord } from "../train/checkpoint.ts";
import type { TrainOptions, TrainProgress } from "../train/options.ts";
import { epochsInWords } from "../train/schedule.ts";
import { train } from "../train/train.ts";
import { checkpointFile } from "./checkpoint_file.ts";
import type { RunFolder, StageResult, WeightsFormat } from "./run_folder.ts";

/** What is told of a stage that an earlier process finished. */
export const FINISHED_BEFORE = "finished before";

/** What is told while stages run. */
export interface StageReporter {
  readonly signal: AbortSignal;
  stage(name: string, what: string): void;
  progress(stage: string, progress: TrainProgress): void;
  epoch(record: EpochRecord): void;
}

/** A stage without what its folder and its reporter decide. */
export interface StageOptions extends
  Omit<
    TrainOptions,
    "checkpoint" | "signal" | "onReplay" | "onResume" | "onProgress" | "onEpoch"
  > {
  readonly format?: WeightsFormat;
}

/**
 * Trains the network from the state it is in, unless the folder holds the stage's result; leaves
 * the best epoch's state in the network and in the folder. Errors are those of `train`.
 */
export async function trainStage(
  runtime: Runtime,
  network: Module,
  folder: RunFolder,
  options: StageOptions,
  report: StageReporter,
): Promise<StageResult> {
  const { stage, epochs, lr } = options;
  const checkpoint = folder.checkpoint(stage);
  let result = await folder.finished(stage);
  if (result) {
    report.stage(stage, FINISHED_BEFORE);
    loadStateDict(network, result.state, runtime, folder.file(`${stage}.safetensors`));
  } else {
    const images = options.train.labels.length;
    report.stage(stage, `${epochsInWords(epochs)} of ${images} images, learning rate ${lr}`);
    folder.keepRecords(stage, []);
    const outcome = await train(runtime, network, {
      ...options,
      checkpoint: checkpointFile(checkpoint),
      signal: report.signal,
      onProgress: (progress) => report.progress(stage, progress),
      onReplay: (why) => report.stage(stage, why),
      onResume: (history) => folder.keepRecords(stage, history),
      onEpoch: async (record) => {
        await folder.record(record);
        report.epoch(record);
      },
    });
    result = { ...outcome, state: await stateDict(network, runtime) };
    await folder.finish(stage, result, options.format, network.files(result.state));
  }
  await removeIfThere(checkpoint);
  return result;
}
