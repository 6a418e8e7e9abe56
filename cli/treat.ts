/** The main job: a baseline, its diagnosis, and its treatment beside an untreated control. */

import {
  checkTreatment,
  type Outcome,
  treat,
  type TreatOptions,
  type TreatResult,
} from "../engine/doctor/treat.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import {
  adviseResume,
  dataFlags,
  diagnosisFlags,
  introduce,
  modelFlags,
  openData,
  openModel,
  openRun,
  openWeights,
  parameterCount,
  percent,
  StageBars,
  trainFlags,
} from "./common.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable } from "./framework/flags.ts";
import { table } from "./framework/table.ts";

const flags = flagTable({
  ...modelFlags,
  ...dataFlags,
  epochs: { type: "integer", min: 1, default: 5, help: "epochs of the baseline" },
  treatEpochs: {
    type: "integer",
    min: 1,
    default: 2,
    help: "further epochs, of the control and of the treated model each",
  },
  ...trainFlags,
  testLimit: {
    type: "integer",
    min: 1,
    help: "test images to use (default all; with --limit as many as that, but 1000 at least)",
  },
  treatLr: { type: "number", above: 0, default: 0.01, help: "learning rate of those epochs" },
  weights: {
    type: "string",
    value: "FILE",
    help: "trained weights (.safetensors, .pth) instead of a baseline",
  },
  form: {
    type: "choice",
    choices: ["paper", "share"],
    default: "paper",
    help: "the constraints as published, or as shares of each image's gradient",
  },
  alpha: { type: "number", min: 0, default: 1, help: "weight of the channel-wise constraint" },
  beta: {
    type: "number",
    min: 0,
    default: 0,
    help: "weight of the space-wise constraint (data with masks only)",
  },
  ...diagnosisFlags,
});

export const command = defineCommand({
  name: "treat",
  summary: "Train, diagnose and treat a classifier, beside an untreated control",
  description:
    "Trains a baseline, finds the convolution kernels each class lives on, and trains on from the " +
    "same weights twice: with the constraint on gradients and, as the control, without. The run " +
    "folder gets the weights, masks, metrics and result.json. Ctrl-C stops it; --resume goes on.",
  flags,
  examples: [
    { args: "", does: "the small network on the built-in data set" },
    {
      args: "--model resnet34 --data cifar10 --data-dir DIR --batch 128",
      does: "a ResNet on CIFAR-10",
    },
    { args: "--weights model.safetensors --alpha 10 --layer last", does: "as the authors do" },
    { args: "--resume runs/treat-small-shapes", does: "continue a run that was stopped" },
  ],
  async run(given, context) {
    const gpu = await context.gpu();
    const { args, resumed, open } = await openRun("treat", flags, given);
    // A run that has its baseline doesn't need the file that it came from.
    const needsWeights = args.weights !== undefined && !await resumed?.finished("baseline");
    const weights = needsWeights ? await openWeights(args.weights!) : undefined;
    const set = await openData(args, context.signal);
    const { network, entry } = openModel(args, set, args.seed);
    const layers = resolveLayers(network, args.layer, entry.featureLayer);
    const testLimit = args.testLimit ?? trialTestLimit(args.limit);
    const options: TreatOptions = { ...args, testLimit, layers, weights };
    checkTreatment(network, set, options);
    const folder = await open();
    introduce(context.print, args.model, network, set, gpu.adapter.name, folder.path);

    const bars = new StageBars();
    const begun = performance.now();
    let result: TreatResult;
    try {
      result = await treat(new Runtime(gpu), network, set, folder, options, {
        signal: context.signal,
        stage: (name, what) => context.print(`\n${name}: ${what}`),
        progress: (stage, progress) => bars.progress(stage, progress),
        epoch: (record) => bars.epoch(record),
        looked: (stage, done, total) => bars.looked(stage, done, total),
        note: (text) => context.print(`  ${text}`),
      });
    } catch (error) {
      bars.abandon();
      adviseResume("treat", folder, context, error);
      throw error;
    }
    await folder.writeJson("result.json", {
      model: args.model,
      data: set.name,
      seed: args.seed,
      adapter: gpu.adapter.name,
      parameters: parameterCount(network),
      layers,
      form: args.form,
      alpha: args.alpha,
      beta: args.beta,
      theta: args.theta,
      ...result,
    });
    context.print(`\n${describe(result)}`);
    const seconds = (performance.now() - begun) / 1000;
    context.print(`\n${seconds.toFixed(0)} s in all; written to ${folder.file("result.json")}`);
  },
});

/** A run on a few training images is a trial, which a whole test set would make long. */
function trialTestLimit(limit: number | undefined): number | undefined {
  return limit === undefined ? undefined : Math.max(limit, 1000);
}

function describe(result: TreatResult): string {
  const { baseline, control, treated, delta_interval, delta_vs_control, mcnemar } = result;
  const row = (name: string, { test, validation }: Outcome) => [
    name,
    validation === undefined ? "" : percent(validation),
    percent(test.accuracy),
    test.interval.map((share) => percent(share)).join(" to "),
    test.loss.toFixed(4),
    name === "control" ? "" : points(test.accuracy - control.test.accuracy),
  ];
  const rows = Object.entries({ baseline, control, treated }).map(([name, of]) => row(name, of));
  const { b, c, p } = mcnemar;
  const header = ["", "validation", "test", "95 % interval", "loss", "vs control"];
  return [
    table(header, rows),
    "",
    `treated minus control: ${points(delta_vs_control)} points of test accuracy ` +
    `(95 % interval ${delta_interval.map(points).join(" to ")})`,
    `McNemar's test: ${b} images only control right, ${c} only treated right, ` +
    `p = ${p.toPrecision(2)}: ${p < 0.05 ? "more than chance explains" : "chance explains it"}`,
  ].join("\n");
}

/** A difference of shares in percentage points. */
const points = (difference: number) =>
  `${difference < 0 ? "-" : "+"}${Math.abs(100 * difference).toFixed(2)}`;
