/** Discovery 1: how sparse and how specific the kernels of each class are, layer by layer. */

import { examine, saveExamination } from "../../engine/doctor/examine.ts";
import {
  CORRELATION_VERSION,
  type CorrelationFile,
  type LayerCorrelation,
  layerCorrelation,
} from "../../engine/doctor/studies/correlation.ts";
import { encodeCsv } from "../../engine/io/csv.ts";
import { kernelsPlot, layersPlot, overlapPlot } from "../../engine/report/study_plots.ts";
import { diagnosisFlags } from "../kernel_flags.ts";
import { percent, WIDTH, wrap } from "../../engine/prose.ts";
import { StageBars } from "../stage_bars.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable } from "../framework/flags.ts";
import { table } from "../framework/table.ts";
import { fileName, json, openStudy, studyFlags } from "./common.ts";

const flags = flagTable({
  ...studyFlags,
  ...diagnosisFlags,
  layer: { ...diagnosisFlags.layer, default: ["convs"] },
});

export const command = defineCommand({
  name: "study correlation",
  summary: "Which kernels go with which class, layer by layer",
  description:
    "Aggregates gradients as diagnose does, and tells of every layer what share of the kernels is " +
    "a class's own, how far the classes' kernels overlap, and what chance would give. Writes " +
    "correlation.json, correlation.csv, and heat maps and curves as .svg.",
  flags,
  examples: [{
    args: "--weights runs/train-small-shapes/model.safetensors",
    does: "every convolution of the small network",
  }],
  async run(args, context) {
    const study = await openStudy("study correlation", args, context, "training");
    const { subject: { runtime, network, split }, set, layers } = study;
    const bars = new StageBars(context);
    const found = await examine(runtime, network, set, split, {
      ...args,
      layers,
      signal: context.signal,
      onProgress: (done, total) => bars.looked("predict", done, total),
    });
    await saveExamination(study.folder, found);
    const file: CorrelationFile = {
      version: CORRELATION_VERSION,
      ...{ model: args.model, data: set.name, classes: set.classes, theta: args.theta },
      images: found.high.map(({ length }) => length),
      layers: found.layers.map(layerCorrelation),
    };
    await study.write("correlation.json", json(file));
    await study.write("correlation.csv", encodeCsv(HEADER, file.layers.map(row)));
    await study.write("layers.svg", layersPlot(file));
    for (const layer of file.layers) {
      await study.write(`heat.${fileName(layer.layer)}.svg`, kernelsPlot(file, layer));
      await study.write(`overlap.${fileName(layer.layer)}.svg`, overlapPlot(file, layer));
    }
    context.print(`\n${describe(file)}`);
    context.print(`\nwritten to ${study.folder}`);
  },
});

const HEADER = [
  ...["layer", "kernels", "own_share", "strongest_tenth", "of_no_class", "of_one_class"],
  ...["of_all_classes", "mean_overlap", "chance_overlap", "mean_cosine"],
];

function row(of: LayerCorrelation): (string | number)[] {
  const { layer, channels, own_share, strongest_tenth, kernels_of } = of;
  return [
    ...[layer, channels, own_share, strongest_tenth, kernels_of[0], kernels_of[1]],
    ...[kernels_of.at(-1)!, of.mean_overlap, of.chance_overlap, of.mean_cosine],
  ];
}

function describe({ layers, theta }: CorrelationFile): string {
  const rows = layers.map((of) => [
    of.layer,
    String(of.channels),
    percent(of.own_share, 1),
    percent(of.strongest_tenth, 1),
    `${of.kernels_of[0]}`,
    `${of.kernels_of[1]}`,
    `${of.kernels_of.at(-1)}`,
    percent(of.mean_overlap, 1),
    percent(of.chance_overlap, 1),
    of.mean_cosine.toFixed(3),
  ]);
  const header = ["layer", "kernels", "own", "top tenth", "of none", "of one", "of all"];
  return [
    table([...header, "overlap", "by chance", "cosine"], rows),
    "",
    ...[
      `own: share of the kernels that are a class's own (theta ${theta}), mean over the classes`,
      "top tenth: part of a class's response that its strongest tenth of the kernels makes",
      "of none, one, all: kernels that are the own of so many classes",
      "overlap: kernels that two classes share, of those of either; by chance: of random sets",
      "cosine: of the responses of two classes",
    ].map((line) => wrap(line, WIDTH, "  ")),
  ].join("\n");
}
