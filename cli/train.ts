/** Trains a classifier and leaves its best epoch's weights. */

import { ACCOUNT, accountOf } from "../engine/data/account.ts";
import { trainingSplits } from "../engine/data/dataset.ts";
import { requireRoom } from "../engine/train/room.ts";
import { trainStage } from "../engine/run/stage.ts";
import { describeAccount } from "./account.ts";
import { adviseResume, openRun } from "./open_run.ts";
import { dataFlags, openData } from "./data.ts";
import { formatFlag, MAX_EPOCHS, trainFlags } from "./train_flags.ts";
import { introduce, StageBars } from "./stage_bars.ts";
import { modelFlags, newHeadFlag } from "./model_flags.ts";
import { openModel } from "./open_model.ts";
import { percent } from "../engine/prose.ts";
import { openRuntime } from "./exact.ts";
import { describeParts } from "./parts.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable } from "./framework/flags.ts";
import { Forecast } from "./framework/forecast.ts";

/** The stage's name, and so the name of its weights. */
const STAGE = "model";

const flags = flagTable({
  ...modelFlags,
  ...newHeadFlag,
  ...dataFlags,
  epochs: { type: "integer", min: 1, max: MAX_EPOCHS, default: 6, help: "epochs" },
  ...trainFlags,
  ...formatFlag,
});

export const command = defineCommand({
  name: "train",
  summary: "Train a classifier",
  description:
    "Trains from scratch and writes the weights of the epoch with the best validation accuracy to " +
    "model.safetensors in the run folder. The test set is not touched; see eval.",
  flags,
  examples: [
    { args: "--data fashion-mnist --data-dir DIR --epochs 3", does: "a classifier of clothes" },
    { args: "--resume runs/train-small-shapes", does: "continue a run that was stopped" },
  ],
  async run(given, context) {
    const gpu = await context.gpu();
    const { args, resumed, open } = await openRun("train", flags, given, context);
    const set = await openData(args, context.signal, resumed?.path);
    const { network } = await openModel(args, set, args.seed);
    const split = trainingSplits(set, args);
    const runtime = openRuntime(gpu, args);
    requireRoom(runtime, network, set, split.train, args);
    const folder = await open();
    introduce(context.print, args.model, network, set, gpu.adapter.name, folder.path);
    describeParts(context.print, network, args);
    const account = accountOf(set, { training: split.train, validation: split.validation });
    context.print(describeAccount(account));
    await folder.writeJson(ACCOUNT, account);

    const options = { ...{ ...args, stage: STAGE, set, settings: args }, ...split };
    const stages = { [STAGE]: { count: 1, epochs: args.epochs } };
    const bars = new StageBars(context, new Forecast(stages));
    try {
      const result = await trainStage(runtime, network, folder, options, {
        signal: context.signal,
        stage: (name, what) => {
          bars.stage(name, what);
          context.print(`\ntraining: ${what}`);
        },
        progress: (_, progress) => bars.progress("epoch", progress),
        epoch: (record) => bars.epoch(record),
      });
      const { validation, epoch } = result.history[result.bestEpoch - 1];
      context.print(`\nbest epoch ${epoch}: validation accuracy ${percent(validation.accuracy)}`);
      context.print(folder.file(`${STAGE}.${args.format}`));
    } catch (error) {
      bars.abandon();
      adviseResume("train", folder, context, error);
      throw error;
    }
  },
});
