/** Discovery 2: how normal, low-confidence and adversarial samples fare under feature noise. */

import {
  type LayerNoise,
  NOISE_VERSION,
  type NoiseFile,
  noiseStudy,
} from "../../engine/doctor/studies/noise.ts";
import { encodeCsv } from "../../engine/io/csv.ts";
import { noisePlot, shown } from "../../engine/report/study_plots.ts";
import { diagnosisFlags } from "../kernel_flags.ts";
import { MAX_IMAGES } from "../train_flags.ts";
import { percent } from "../../engine/prose.ts";
import { StageBars } from "../stage_bars.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable } from "../framework/flags.ts";
import { table } from "../framework/table.ts";
import { fileName, json, openStudy, studyFlags } from "./common.ts";

const flags = flagTable({
  ...studyFlags,
  layer: diagnosisFlags.layer,
  levels: {
    type: "list",
    of: "number",
    above: 0,
    max: 1000,
    default: [0.25, 0.5, 0.75, 1, 1.5, 2, 2.5, 3],
    help: "noise, in standard deviations of the layer's output",
  },
  draws: {
    type: "integer",
    min: 1,
    max: 10000,
    default: 5,
    help: "how often each image is disturbed",
  },
  imagesPerClass: {
    type: "integer",
    min: 1,
    max: MAX_IMAGES,
    default: 20,
    help: "images of each kind and class",
  },
  epsilon: {
    type: "number",
    above: 0,
    max: 255,
    default: 8,
    help: "largest change of a pixel by the attacks, of 255",
  },
  pgdSteps: { type: "integer", min: 1, max: 10000, default: 10, help: "steps of PGD" },
});

export const command = defineCommand({
  name: "study noise",
  summary: "How normal and adversarial samples fare under growing feature noise",
  description:
    "Adds noise to a layer's output for test images that are normal (right and sure), of low " +
    "confidence, wrong, and attacked by FGSM and PGD, and tells how many are then classified as " +
    "their label says. Writes noise.json, noise.csv and a curve for each layer as .svg.",
  flags,
  examples: [{
    args: "--weights runs/train-small-shapes/model.safetensors",
    does: "noise on the map that feeds the head",
  }],
  async run(args, context) {
    const study = await openStudy("study noise", args, context, "test");
    const { set, subject, layers } = study;
    const bars = new StageBars(context);
    const found = await noiseStudy(subject, {
      ...args,
      layers,
      signal: context.signal,
      looked: (what, done, total) => bars.looked(what, done, total),
    });
    const file: NoiseFile = {
      version: NOISE_VERSION,
      ...{ model: args.model, data: set.name, seed: args.seed },
      ...{ epsilon: args.epsilon, draws: args.draws },
      ...found,
    };
    await study.write("noise.json", json(file));
    await study.write("noise.csv", encodeCsv(HEADER, file.layers.flatMap(rows)));
    for (const layer of file.layers) {
      const name = fileName(layer.layer);
      await study.write(`accuracy.${name}.svg`, noisePlot(file, layer, "accuracy"));
      await study.write(`unchanged.${name}.svg`, noisePlot(file, layer, "unchanged"));
    }
    const attacks = Object.entries(file.success).map(([kind, share]) =>
      `${kind} ${percent(share, 1)}`
    );
    context.print(`\nattacks of ${args.epsilon}/255 that succeed: ${attacks.join(", ")}`);
    for (const layer of file.layers) {
      context.print(`\n${layer.layer}: accuracy by noise, in units of ${layer.unit.toFixed(4)}`);
      context.print(describe(layer));
    }
    context.print(`\nwritten to ${study.folder}`);
  },
});

const HEADER = ["layer", "kind", "images", "level", "accuracy", "deviation", "unchanged"];

const rows = ({ layer, kinds }: LayerNoise) =>
  kinds.flatMap(({ kind, images, points }) =>
    points.map(({ level, accuracy, deviation, unchanged }) => [
      ...[layer, kind, images, level, accuracy, deviation, unchanged],
    ])
  );

function describe({ kinds }: LayerNoise): string {
  const [first] = shown(kinds);
  return table(
    ["", "images", ...first.points.map(({ level }) => `${level}`)],
    kinds.map(({ kind, images, points }) => [
      ...[kind, `${images}`, ...points.map(({ accuracy }) => percent(accuracy, 1))],
    ]),
  );
}
