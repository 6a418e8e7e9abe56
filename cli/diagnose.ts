/** Finds the convolution kernels each class lives on. */

import { ACCOUNT, accountOf } from "../engine/data/account.ts";
import { trainingImages } from "../engine/data/dataset.ts";
import { diagnosisOf } from "../engine/doctor/diagnosis_file.ts";
import { examine, type ExaminedLayer, saveExamination } from "../engine/doctor/examine.ts";
import { doubtfulExhibits, saveExhibits } from "../engine/doctor/exhibits.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { loadStateDict } from "../engine/nn/state.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { describeAccount } from "./account.ts";
import { freeFolder, openData, openModel, percent, StageBars } from "./common.ts";
import { diagnoseFlags } from "./diagnose_flags.ts";
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
  flags: diagnoseFlags,
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
    const { model, theta } = args;
    const diagnosis = diagnosisOf(found, runtime, network, set, images, { model, theta });
    await run.writeJson("diagnosis.json", diagnosis);
    context.print(`accuracy on these images ${percent(diagnosis.accuracy.accuracy)}`);
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
