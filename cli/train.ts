/** Trains a classifier and leaves its best epoch's weights. */

import { limit, splitValidation } from "../engine/data/dataset.ts";
import { stateDict } from "../engine/nn/state.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { removeCheckpoint, train } from "../engine/train/train.ts";
import {
  adviseResume,
  dataFlags,
  EpochBars,
  introduce,
  modelFlags,
  openData,
  openModel,
  openRun,
  percent,
  trainFlags,
} from "./common.ts";
import { defineCommand } from "./framework/command.ts";

/** The stage's name, and so the name of its weights. */
const STAGE = "model";

export const command = defineCommand({
  name: "train",
  summary: "Train a classifier",
  description:
    "Trains from scratch and writes the weights of the epoch with the best validation accuracy to " +
    "model.safetensors in the run folder. The test set is not touched; see eval.",
  flags: {
    ...modelFlags,
    ...dataFlags,
    epochs: { type: "integer", min: 1, default: 6, help: "epochs" },
    ...trainFlags,
  },
  examples: [
    { args: "--data fashion-mnist --data-dir DIR --epochs 3", does: "a classifier of clothes" },
    { args: "--resume runs/train-small-shapes", does: "continue a run that was stopped" },
  ],
  async run(given, context) {
    const gpu = await context.gpu();
    const { args, open } = await openRun("train", given);
    const set = await openData(args, context.signal);
    const { network } = openModel(args.model, set, args.seed);
    const folder = await open();
    introduce(context.print, args.model, network, set, gpu.adapter.name, folder.path);

    const runtime = new Runtime(gpu);
    const images = args.limit === undefined ? set.train : limit(set.train, args.limit, args.seed);
    const split = splitValidation(images, args.validation, args.seed);
    const bars = new EpochBars(context.print);
    const checkpoint = folder.checkpoint(STAGE);
    try {
      const result = await train(runtime, network, {
        ...args,
        ...{ stage: STAGE, set, checkpoint, fingerprint: STAGE },
        ...split,
        signal: context.signal,
        onProgress: (progress) => bars.progress("train", progress),
        onResume: (history) => folder.keepRecords(STAGE, history),
        onEpoch: async (record) => {
          await folder.record(record);
          bars.finished(record);
        },
      });
      await folder.finish(STAGE, { ...result, state: await stateDict(network, runtime) });
      await removeCheckpoint(checkpoint);
      const { validation, epoch } = result.history[result.bestEpoch - 1];
      context.print(`\nbest epoch ${epoch}: validation accuracy ${percent(validation.accuracy)}`);
      context.print(folder.file(`${STAGE}.safetensors`));
    } catch (error) {
      bars.abandon();
      adviseResume("train", folder, context);
      throw error;
    }
  },
});
