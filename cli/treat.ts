/** The main job: a baseline, its diagnosis, and its treatment beside an untreated control. */

import { join } from "node:path";
import { ACCOUNT, type Account, accountOf } from "../engine/data/account.ts";
import { atMost, type DataSet, trainingSplits } from "../engine/data/dataset.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { probeOptions, PROBES, probesOf } from "../engine/doctor/probes/probes.ts";
import { FORMS } from "../engine/doctor/penalty.ts";
import {
  readResult,
  RESULT_VERSION,
  type ResultFile,
  summarizeSeeds,
} from "../engine/doctor/result.ts";
import { checkTreatment, defaultBeta } from "../engine/doctor/stages.ts";
import { treat, type TreatOptions } from "../engine/doctor/treat.ts";
import { fileExists } from "../engine/io/files.ts";
import { constraintInWords } from "../engine/report/text.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import type { RunFolder } from "../engine/run/run_folder.ts";
import { describeAccount } from "./account.ts";
import {
  adviseResume,
  dataFlags,
  diagnosisFlags,
  introduce,
  masksFlag,
  modelFlags,
  openData,
  openModel,
  openRun,
  openWeights,
  parameterCount,
  StageBars,
  trainFlags,
} from "./common.ts";
import { type Context, defineCommand } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { writeReport } from "./report_file.ts";
import { furtherFlags, strengthOf } from "./treat_flags.ts";
import { describeResult, describeSummary } from "./treat_tables.ts";

export const treatFlags = flagTable({
  ...modelFlags,
  ...dataFlags,
  ...masksFlag,
  ...furtherFlags,
  ...trainFlags,
  testLimit: {
    type: "integer",
    min: 1,
    help: "test images to use (default all; with --limit as many as that, but 1000 at least)",
  },
  form: {
    type: "choice",
    choices: FORMS,
    default: "paper",
    help: "the channel-wise constraint as published, or as the share of each image's absolute " +
      "gradient that lies outside",
  },
  alpha: { type: "number", min: 0, default: 0.1, help: "weight of the channel-wise constraint" },
  spaceForm: {
    type: "choice",
    choices: FORMS,
    default: "share",
    help: "the same for the space-wise constraint",
  },
  beta: {
    type: "number",
    min: 0,
    help: "weight of the space-wise constraint, which needs masks (default 1 for the share where " +
      "the data has masks and the head sees more of its map than the mean, else 0)",
  },
  spaceLayer: {
    type: "list",
    of: "string",
    default: ["last"],
    help: "the layers of the space-wise constraint, named as for --layer",
  },
  ...diagnosisFlags,
  seeds: {
    type: "integer",
    min: 1,
    default: 1,
    help: "runs with --seed, the next one and so on, and what they say together",
  },
  measures: {
    type: "list",
    of: "string",
    default: PROBES.filter(({ usual }) => usual).map(({ name }) => name),
    help: "what takes passes of its own: " +
      PROBES.map(({ name, help }) => `${name} (${help})`).join(", ") + "; or none",
  },
  measureImages: {
    type: "integer",
    min: 1,
    default: 200,
    help: "test images for those measures",
  },
  ...probeOptions,
});
type Args = Values<typeof treatFlags>;

export const command = defineCommand({
  name: "treat",
  summary: "Train, diagnose and treat a classifier, beside an untreated control",
  description:
    "Trains a baseline, finds the convolution kernels each class lives on, and trains on from the " +
    "same weights twice: with the constraint on gradients and, as the control, without. The run " +
    "folder gets the weights, masks, metrics, predictions, result.json and report.html; with " +
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
    const weights = await neededWeights(args, seeds, resumed?.path);
    const set = await openData(args, context.signal, resumed?.path);
    const options = treatOptions(args, set, weights);
    const folder = await open();
    const { network } = openModel(args, set, args.seed);
    introduce(context.print, args.model, network, set, gpu.adapter.name, folder.path);
    const account = treatAccount(set, { ...options, seed: args.seed });
    context.print(describeAccount(account));
    await folder.writeJson(ACCOUNT, account);
    context.print(`treat    ${constraintInWords(options)}`);

    const run = new Treatments(args, options, set, new Runtime(gpu), context);
    const begun = performance.now();
    try {
      const written = seeds.length > 1 ? await run.seeds(folder, seeds) : await run.single(folder);
      const seconds = (performance.now() - begun) / 1000;
      context.print(`\n${seconds.toFixed(0)} s in all; written to ${written}`);
    } catch (error) {
      adviseResume("treat", folder, context, error);
      throw error;
    }
  },
});

/**
 * What the flags ask of a treatment.
 * @throws UserError as `checkTreatment` does, before anything is written
 */
export function treatOptions(
  args: Args,
  set: DataSet,
  weights?: TreatOptions["weights"],
): TreatOptions {
  const { network, entry } = openModel(args, set, args.seed);
  const resolve = (choices: readonly string[]) =>
    resolveLayers(network, choices, entry.featureLayer);
  const spaceLayers = resolve(args.spaceLayer);
  const space = { form: args.spaceForm, features: entry.featureLayer, layers: spaceLayers };
  const options: TreatOptions = {
    ...args,
    weights,
    testLimit: args.testLimit ?? trialTestLimit(args.limit),
    layers: resolve(args.layer),
    spaceLayers,
    beta: args.beta ?? defaultBeta(network, set, space),
    strength: strengthOf(args),
    featureLayer: entry.featureLayer,
    measures: { probes: probesOf(args.measures), images: args.measureImages, options: args },
  };
  checkTreatment(network, set, options);
  return options;
}

/** What of the data a treatment uses. @throws UserError as `trainingSplits` does */
export function treatAccount(set: DataSet, options: TreatOptions): Account {
  const { train, validation } = trainingSplits(set, options);
  const test = atMost(set.test, options.testLimit, options.seed);
  return accountOf(set, { training: train, validation, test });
}

const seedFolder = (seed: number) => `seed-${seed}`;

/** The weights that were asked for, unless each seed's run has its own copy already. */
async function neededWeights(args: Args, seeds: readonly number[], resumed: string | undefined) {
  if (args.weights === undefined) return undefined;
  const paths = seeds.map((seed) =>
    join(resumed ?? "", seeds.length > 1 ? seedFolder(seed) : "", "baseline.safetensors")
  );
  const copied = resumed !== undefined && (await Promise.all(paths.map(fileExists))).every(Boolean);
  return copied ? undefined : await openWeights(args.weights);
}

/** One run, or one for each seed. */
export class Treatments {
  constructor(
    private readonly args: Args,
    private readonly options: TreatOptions,
    private readonly set: DataSet,
    private readonly runtime: Runtime,
    private readonly context: Context,
  ) {}

  /** @returns the report */
  async single(folder: RunFolder): Promise<string> {
    await this.treat(folder, this.args.seed);
    return folder.file("report.html");
  }

  /** A folder for each seed; those with a result are finished. @returns the report */
  async seeds(folder: RunFolder, seeds: readonly number[]): Promise<string> {
    const { seeds: _, out: __, ...settings } = this.args;
    const results: ResultFile[] = [];
    for (const [i, seed] of seeds.entries()) {
      this.context.print(`\nseed ${seed}, ${i + 1} of ${seeds.length}`);
      const part = await folder.part(seedFolder(seed), { command: "treat", ...settings, seed });
      const path = part.file("result.json");
      const finished = await fileExists(path);
      results.push(finished ? await readResult(path) : await this.treat(part, seed));
      if (finished) this.context.print("  finished before");
      await part.leave();
    }
    const summary = summarizeSeeds(results);
    await folder.writeJson("summary.json", summary);
    this.context.print(`\n${describeSummary(summary)}`);
    return await writeReport(folder.path);
  }

  private async treat(folder: RunFolder, seed: number): Promise<ResultFile> {
    const { args, set, runtime, context: { print, signal } } = this;
    const { network } = openModel(args, set, seed);
    const options = { ...this.options, seed };
    const bars = new StageBars(this.context);
    await folder.writeJson(ACCOUNT, treatAccount(set, options));
    try {
      const found = await treat(runtime, network, set, folder, options, {
        signal,
        stage: (name, what) => print(`\n${name}: ${what}`),
        progress: (stage, progress) => bars.progress(stage, progress),
        epoch: (record) => bars.epoch(record),
        looked: (stage, done, total) => bars.looked(stage, done, total),
        note: (text) => print(`  ${text}`),
      });
      const { layers, spaceLayers = layers, form, spaceForm = form } = options;
      const { start, alpha, beta, theta } = options;
      const result: ResultFile = {
        version: RESULT_VERSION,
        model: args.model,
        data: set.name,
        classes: set.classes,
        seed,
        adapter: runtime.gpu.adapter.name,
        parameters: parameterCount(network),
        layers,
        space_layers: spaceLayers,
        ...{ start, form, space_form: spaceForm, alpha, beta, theta },
        ...found,
      };
      await folder.writeJson("result.json", result);
      await writeReport(folder.path);
      print(`\n${describeResult(result)}`);
      return result;
    } catch (error) {
      bars.abandon();
      throw error;
    } finally {
      runtime.destroy();
    }
  }
}

/** A run on a few training images is a trial, which a whole test set would make long. */
function trialTestLimit(limit: number | undefined): number | undefined {
  return limit === undefined ? undefined : Math.max(limit, 1000);
}
