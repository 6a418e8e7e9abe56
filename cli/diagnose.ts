/** Finds the convolution kernels each class lives on. */

import { ACCOUNT, accountOf } from "../engine/data/account.ts";
import { trainingImages } from "../engine/data/dataset.ts";
import { pairingsOf } from "../engine/data/groups.ts";
import { DIAGNOSIS_VERSION, type DiagnosisFile } from "../engine/doctor/diagnosis_file.ts";
import { examine, type ExaminedLayer, saveExamination } from "../engine/doctor/examine.ts";
import { doubtfulExhibits, saveExhibits } from "../engine/doctor/exhibits.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { classMeasures } from "../engine/doctor/class_measures.ts";
import { wilson } from "../engine/doctor/significance.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { loadStateDict, parameterCount } from "../engine/nn/state.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { accuracy } from "../engine/train/predictions.ts";
import { describeAccount } from "./account.ts";
import {
  batchFlag,
  dataFlags,
  diagnosisFlags,
  freeFolder,
  MAX_IMAGES,
  modelFlags,
  openData,
  openModel,
  percent,
  seedFlag,
  StageBars,
  weightsFlag,
} from "./common.ts";
import { defineCommand } from "./framework/command.ts";
import { table } from "./framework/table.ts";
import { writeReport } from "./report_file.ts";
import { fittingWeights, openWeightsFile } from "./weights.ts";

/** Kernels named for each class. */
const SHOWN = 8;

export const command = defineCommand({
  name: "diagnose",
  summary: "Find the convolution kernels each class lives on",
  description:
    "Aggregates the gradients of each class's score over the training images that the class is " +
    "surest of, and writes for every layer aggregate.<layer>.npy and mask.<layer>.npy, both " +
    "[classes, channels], sift.json with the images of high and low confidence, and report.html.",
  flags: {
    ...modelFlags,
    ...dataFlags,
    ...weightsFlag,
    ...diagnosisFlags,
    ...batchFlag,
    ...seedFlag,
    limit: {
      type: "integer",
      min: 20,
      max: MAX_IMAGES,
      help: "training images to use (default all)",
    },
    validation: {
      type: "number",
      min: 0,
      below: 1,
      default: 0,
      help: "share of the training images to leave out, as training did",
    },
    out: {
      type: "string",
      value: "DIR",
      help: "the folder for it (default a new one in runs/)",
      writes: { what: "folder", otherwise: "runs" },
    },
  },
  examples: [{
    args: "--weights runs/train-small-shapes/model.safetensors --layer convs",
    does: "every convolution",
  }],
  async run(args, context) {
    const gpu = await context.gpu();
    const file = await openWeightsFile(args.weights);
    const set = await openData(args, context.signal);
    const { network, entry } = openModel(args, set, args.seed);
    const layers = resolveLayers(network, args.layer, entry.featureLayer);
    const runtime = new Runtime(gpu);
    const weights = fittingWeights(file, network, set, context.print);
    loadStateDict(network, weights.state, runtime, weights.path);
    const folder = args.out ?? await freeFolder("diagnose", args);
    const run = await RunFolder.create(folder, { command: "diagnose", ...args });

    const images = trainingImages(set, args);
    const account = accountOf(set, { training: images });
    context.print(describeAccount(account));
    await run.writeJson(ACCOUNT, account);
    const bars = new StageBars(context);
    const found = await examine(runtime, network, set, images, {
      ...args,
      layers,
      signal: context.signal,
      onProgress: (done, total) => bars.looked("diagnose", done, total),
    });
    await saveExamination(folder, found);
    const pool = { name: "training", split: images, logits: found.logits } as const;
    const stock = { runtime, set, batch: args.batch };
    await saveExhibits(folder, await doubtfulExhibits(stock, [pool], found.low));
    const total = accuracy(found.predicted);
    const diagnosis: DiagnosisFile = {
      version: DIAGNOSIS_VERSION,
      ...{ model: args.model, data: set.name, classes: set.classes },
      ...{ adapter: gpu.adapter.name, parameters: parameterCount(network) },
      ...{ layers, theta: args.theta },
      accuracy: { ...total, interval: wilson(total.correct, total.total) },
      measures: classMeasures(found.predicted, set.classes.length, pairingsOf(images)),
      diagnosed: found.high.map(({ length }) => length),
    };
    await run.writeJson("diagnosis.json", diagnosis);
    context.print(`accuracy on these images ${percent(total.accuracy)}`);
    for (const layer of found.layers) {
      context.print(`\n${layer.layer}\n${describe(layer, set.classes)}`);
    }
    context.print(`\nwritten to ${await writeReport(folder)}`);
  },
});

/** For each class how many kernels are its own, and the strongest of them. */
function describe(
  { channels, aggregate, mask }: ExaminedLayer,
  classes: readonly string[],
): string {
  const rows = classes.map((name, k) => {
    const order = Array.from({ length: channels }, (_, j) => j)
      .filter((j) => mask[k * channels + j] === 1)
      .sort((a, b) => aggregate[k * channels + b] - aggregate[k * channels + a]);
    return [name, `${order.length} of ${channels}`, order.slice(0, SHOWN).join(" ")];
  });
  return table(["class", "kernels", "strongest first"], rows);
}
