/** Prints a network as the table of layers that the files in models/ open with. */

import { describeNetwork, type Stage } from "../../engine/nn/describe.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable } from "../framework/flags.ts";
import { table } from "../framework/table.ts";
import { wrap } from "../../engine/prose.ts";
import { classifierOrFile } from "../model_file.ts";
import { examine, examineFlags, millions } from "./examine.ts";

const flags = flagTable({
  name: {
    type: "string",
    positional: true,
    required: true,
    value: "MODEL",
    help: "a classifier, or one in a file (.onnx, .ts)",
  },
  ...examineFlags,
  json: { type: "boolean", help: "print JSON" },
});

export const command = defineCommand({
  name: "models describe",
  summary: "Print a network as a table of its parts",
  description:
    "What a network does, part by part and size of maps by size of maps: convolutions by their " +
    "kernels (3 x 3), how often where it is more than once, pools, linear layers, and where " +
    "branches are joined by a sum or by concatenation. Channels are those that a part puts out.",
  flags,
  withoutGpu: true,
  examples: [
    { args: "resnet18", does: "the table of ResNet-18" },
    { args: "my.onnx", does: "that of a network of one's own" },
  ],
  async run(args, { print }) {
    const entry = await classifierOrFile(args.name);
    const { network, image, classes, parameters, macs } = examine(entry, args);
    const stages = describeNetwork(network, image);
    const { name, summary } = entry;
    if (args.json) {
      const facts = { name, summary, image, classes, parameters, macs };
      const told = stages.map(({ does, ...rest }) => ({ ...rest, does: Object.fromEntries(does) }));
      return print(JSON.stringify({ ...facts, stages: told }, null, 2));
    }
    const of = name === summary ? name : `${name}: ${summary}`;
    const [height, width, channels] = image;
    print(wrap(
      `${of}; images of ${height} x ${width} x ${channels}, ${classes} classes; ` +
        `${parameters.toLocaleString("en")} parameters, ${millions(macs)} multiply-adds`,
    ));
    for (const note of network.notes()) print(wrap(note));
    const header = ["maps", "channels", "part", "parameters", "multiply-adds", "what it does"];
    print(`\n${table(header, stages.map(cells))}`);
  },
});

function cells({ pixels, channels, part, does, parameters, macs }: Stage): string[] {
  return [
    pixels.join(" x "),
    `${channels}`,
    part,
    parameters > 0 ? parameters.toLocaleString("en") : "",
    macs > 0 ? millions(macs) : "",
    [...does].map(([kind, times]) => times > 1 ? `${kind} (${times})` : kind).join(", "),
  ];
}
