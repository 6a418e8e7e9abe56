/** Finds the convolution kernels each class lives on. */

import { ACCOUNT, accountOf } from "../engine/data/account.ts";
import { trainingImages, trainingSplits } from "../engine/data/dataset.ts";
import { diagnosisOf } from "../engine/doctor/diagnosis_file.ts";
import {
  examine,
  type ExaminedLayer,
  saveExamination,
  withoutKernels,
  withoutKernelsInWords,
} from "../engine/doctor/examine.ts";
import { doubtfulExhibits, saveExhibits } from "../engine/doctor/exhibits.ts";
import { evidenceOf } from "../engine/doctor/findings/evidence.ts";
import { FINDINGS_FILE, findingsOf } from "../engine/doctor/findings/findings.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { describeAccount } from "./account.ts";
import { freeFolder } from "./open_run.ts";
import { introduce, StageBars } from "./stage_bars.ts";
import { percent, wrap } from "../engine/prose.ts";
import { diagnoseFlags } from "./diagnose_flags.ts";
import { describeFindings } from "./findings.ts";
import { defineCommand } from "./framework/command.ts";
import { table } from "./framework/table.ts";
import { writeReport } from "./report_file.ts";
import { openTrained } from "./trained.ts";

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
    const { runtime, set, network, entry } = await openTrained(args, context);
    const layers = resolveLayers(network, args.layer, entry.featureLayer);
    const folder = args.out ?? await freeFolder("diagnose", args);
    const run = await RunFolder.create(folder, { command: "diagnose", ...args });

    const images = trainingImages(set, args);
    const heldOut = args.validation > 0 ? trainingSplits(set, args).validation : undefined;
    const account = accountOf(set, { training: images, validation: heldOut });
    introduce(context.print, args.model, network, set, runtime.gpu.adapter.name, folder);
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
    const evidence = await evidenceOf(
      { ...{ runtime, network, set, training: images, heldOut }, ...args },
      found,
      {
        signal: context.signal,
        onProgress: (done, total) => bars.looked("findings", done, total),
      },
    );
    const findings = findingsOf(evidence);
    await run.writeJson(FINDINGS_FILE, findings);
    const stock = { runtime, set, batch: args.batch };
    const pools = [evidence.training, ...evidence.heldOut ? [evidence.heldOut] : []];
    await saveExhibits(folder, await doubtfulExhibits(stock, pools, found.low));
    const { model, theta } = args;
    const diagnosis = diagnosisOf(found, runtime, network, set, images, { model, theta });
    await run.writeJson("diagnosis.json", diagnosis);
    context.print(`\n${describeFindings(findings)}`);
    context.print(`\naccuracy on the training images ${percent(diagnosis.accuracy.accuracy)}`);
    const unknown = withoutKernels(set.classes, diagnosis.diagnosed);
    const why = withoutKernelsInWords(unknown);
    if (why) context.print(wrap(why));
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
