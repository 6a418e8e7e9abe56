/** The main job: a baseline, its diagnosis, and its treatment beside an untreated control. */

import { join } from "node:path";
import { ACCOUNT } from "../engine/data/account.ts";
import { constraintInWords } from "../engine/doctor/constraint.ts";
import { seedFolder, treatSeeds } from "../engine/doctor/seeds.ts";
import { treatAccount } from "../engine/doctor/treat.ts";
import { fileExists } from "../engine/io/files.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import type { RunFolder } from "../engine/run/run_folder.ts";
import { describeAccount } from "./account.ts";
import { adviseResume, openRun } from "./open_run.ts";
import { introduce, StageBars } from "./stage_bars.ts";
import { openData } from "./data.ts";
import { openRuntime } from "./exact.ts";
import { describeParts } from "./parts.ts";
import { type Context, defineCommand } from "./framework/command.ts";
import type { Values } from "./framework/flags.ts";
import { labelled } from "../engine/prose.ts";
import { completeReport, writeReport } from "./report_file.ts";
import { warnOfSeen } from "./trained_with.ts";
import { treatFlags } from "./treat_flags.ts";
import { describeSummary } from "./treat_tables.ts";
import {
  finish,
  prepare,
  type Prepared,
  reporter,
  requireRoomFor,
  treatForecast,
  treatOnce,
} from "./treatment.ts";
import { openWeightsFile } from "./weights.ts";

type Args = Values<typeof treatFlags>;

export const command = defineCommand({
  name: "treat",
  summary: "Train, diagnose and treat a classifier, beside control and placebo",
  description:
    "Trains a baseline, finds the convolution kernels each class lives on, and trains on from the " +
    "same weights in several arms (--arms), among them with the constraint on gradients and, as " +
    "the control, without. The run folder gets the weights, masks, metrics, predictions, " +
    "result.json and report.html; with " +
    "--seeds a folder for each seed and summary.json. Ctrl-C stops it; --resume goes on.",
  flags: treatFlags,
  examples: [
    { args: "", does: "the small network on the built-in data set" },
    {
      args: "--model resnet34 --data cifar10 --data-dir DIR --batch 128",
      does: "a ResNet on CIFAR-10",
    },
    {
      args: "--weights model.safetensors --alpha 10 --beta 0 --layer last",
      does: "as the authors do",
    },
    {
      args: "--seeds 5 --measures foreground,fgsm,noise,insertion",
      does: "five seeds, with every measure and a paired interval",
    },
    { args: "--resume runs/treat-small-shapes", does: "continue a run that was stopped" },
  ],
  async run(given, context) {
    const gpu = await context.gpu();
    const { args, resumed, open } = await openRun("treat", treatFlags, given, context);
    const seeds = Array.from({ length: args.seeds }, (_, i) => args.seed + i);
    const file = await neededWeights(args, seeds, resumed?.path);
    const set = await warnOfSeen(await openData(args, context.signal, resumed?.path), args);
    const prepared = await prepare(args, set, file, context.print);
    const runtime = openRuntime(gpu, args);
    requireRoomFor(prepared, runtime);
    const folder = await open();
    introduce(context.print, args.model, prepared.network, set, gpu.adapter.name, folder.path);
    describeParts(context.print, prepared.network, args);
    const account = treatAccount(prepared.set, prepared.options);
    context.print(describeAccount(account));
    await folder.writeJson(ACCOUNT, account);
    context.print(labelled("treat", constraintInWords(prepared.options.constraint)));

    const begun = performance.now();
    try {
      const written = seeds.length > 1
        ? await treatEach(args, seeds, prepared, folder, runtime, context)
        : (await treatOnce(prepared, folder, runtime, context), folder.file("report.html"));
      const seconds = (performance.now() - begun) / 1000;
      context.print(`\n${seconds.toFixed(0)} s in all; written to ${written}`);
    } catch (error) {
      adviseResume("treat", folder, context, error);
      throw error;
    }
  },
});

/** The weights that were asked for, unless each seed's run has its own copy already. */
async function neededWeights(args: Args, seeds: readonly number[], resumed: string | undefined) {
  if (args.weights === undefined) return undefined;
  const paths = seeds.map((seed) =>
    join(resumed ?? "", seeds.length > 1 ? seedFolder(seed) : "", "baseline.safetensors")
  );
  const copied = resumed !== undefined && (await Promise.all(paths.map(fileExists))).every(Boolean);
  return copied ? undefined : await openWeightsFile(args.weights);
}

/** A run for each seed. @returns the report over all */
async function treatEach(
  args: Args,
  seeds: readonly number[],
  { network, set, options }: Prepared,
  folder: RunFolder,
  runtime: Runtime,
  context: Context,
): Promise<string> {
  const { seeds: _, out: __, ...shared } = args;
  const forecast = treatForecast(options, options.arms, seeds.length);
  const bars = new StageBars(context, forecast);
  const settings = (seed: number) => ({ command: "treat", ...shared, seed });
  try {
    const summary = await treatSeeds(runtime, network, set, folder, options, seeds, settings, {
      ...reporter(context, bars),
      seed: (seed, isFinished) => {
        context.print(`\nseed ${seed}, ${seeds.indexOf(seed) + 1} of ${seeds.length}`);
        if (!isFinished) return;
        context.print("  finished before");
        forecast.leaveOut();
      },
      finished: (part, result) => finish(part, result, context),
    });
    for (const seed of seeds) await completeReport(folder.file(seedFolder(seed)));
    context.print(`\n${describeSummary(summary)}`);
  } finally {
    bars.abandon();
  }
  return await writeReport(folder.path);
}
