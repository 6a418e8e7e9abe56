/** Lists the classifiers, and a classifier's layers under the names that --layer takes. */

import { constraintIsConstant } from "../engine/doctor/constant.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import type { ModuleSummary } from "../engine/nn/summary.ts";
import { type ClassifierEntry, comesInWidth } from "../models/classifier.ts";
import { classifierOrFile } from "./model_file.ts";
import { classifiers } from "../models/registry.ts";
import { defineCommand } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { table } from "./framework/table.ts";
import { wrap } from "../engine/prose.ts";
import { examine, examineFlags, LARGE, millions } from "./models/examine.ts";

const flags = flagTable({
  name: {
    type: "string",
    positional: true,
    value: "NAME",
    help: "only this classifier, or one in a file (.onnx, .ts)",
  },
  layers: {
    type: "boolean",
    help: "its layers, by the names that --layer takes",
    rule: ({ layers, name }) =>
      layers && name === undefined ? "needs the name of a classifier" : undefined,
  },
  ...examineFlags,
  json: { type: "boolean", help: "print JSON" },
});
type Args = Values<typeof flags>;

export const command = defineCommand({
  name: "models",
  summary: "List the classifiers, or a classifier's layers",
  description:
    "Parameters and operations (multiply-adds of a forward pass for one image) of every " +
    "classifier; with a name and --layers, its modules in order with their outputs (channels x " +
    "height x width). --layer takes these names, and patterns of them: conv5_x.* are the parts of " +
    `conv5_x. A classifier that is too deep for the size is shown at ${LARGE} x ${LARGE}. --width ` +
    "scales the channels of those that come in widths, and lists these alone.",
  flags,
  withoutGpu: true,
  examples: [
    { args: "", does: "all of them, at the size of images they are made for" },
    { args: "resnet50 --layers", does: "the layers of ResNet-50" },
    { args: "describe my.onnx", does: "a network as a table of its parts" },
    { args: "--size 224 --classes 1000 --json", does: "a list for programs, for ImageNet's size" },
  ],
  async run(args, { print }) {
    const show = args.layers ? showLayers : showClassifiers;
    const all = classifiers.filter((entry) => comesInWidth(entry, args.width));
    print(show(args.name === undefined ? all : [await classifierOrFile(args.name)], args));
  },
});

function showClassifiers(entries: readonly ClassifierEntry[], args: Args): string {
  const found = entries.map((entry) => {
    const { imageSize, parameters, macs } = examine(entry, args);
    const { name, summary, widths = [] } = entry;
    return { name, summary, imageSize, parameters, macs, widths };
  });
  if (args.json) return JSON.stringify(found, null, 2);
  const rows = found.map(({ name, summary, imageSize, parameters, macs, widths }) => [
    name,
    millions(parameters),
    millions(macs),
    `${imageSize} x ${imageSize}`,
    String(widths),
    summary,
  ]);
  return table(["model", "parameters", "multiply-adds", "images", "--width", "what"], rows);
}

function showLayers([entry]: readonly ClassifierEntry[], args: Args): string {
  const { network, image, imageSize, parameters, macs, modules } = examine(entry, args);
  const choices = Object.fromEntries(
    ["last", "features"].map((choice) => {
      const [layer] = resolveLayers(network, [choice], entry.featureLayer);
      const constant = constraintIsConstant(network, layer, image);
      return [choice, { layer, constant }];
    }),
  );
  if (args.json) {
    const facts = { name: entry.name, imageSize, parameters, macs };
    return JSON.stringify({ ...facts, ...choices, layers: modules }, null, 2);
  }
  const marks = (name: string) =>
    Object.entries(choices).filter(([, { layer }]) => layer === name).map(([mark]) => mark);
  const rows = modules.map((m) => [
    m.name,
    m.type,
    outputOf(m),
    m.parameters === 0 ? "" : m.parameters.toLocaleString("en"),
    marks(m.name).join(", "),
  ]);
  const notes = Object.entries(choices).filter(([, { constant }]) => constant).map(([mark, of]) =>
    `\n\n${mark} (${of.layer}) feeds the logits in a fixed, linear way: the gradient there holds no ` +
    "parameter, so\nthe constraints are constant and nothing can be treated. " +
    "Choose --layer features or a name."
  );
  const told = network.notes().map((note) => `${wrap(note)}\n`).join("");
  return told + table(["layer", "type", "output", "params", "--layer"], rows) + notes.join("");
}

const outputOf = ({ output }: ModuleSummary) => output ? output.join(" x ") : "(not applied)";
