/** Shows a kernel: its operands, constants and cost, and its text at a stage of its making. */

import { expandLines } from "../../engine/gpu/expand.ts";
import type { Kernel } from "../../engine/gpu/kernel.ts";
import { placesOf, render } from "../../engine/gpu/render.ts";
import type { PlannedKernel } from "../../engine/lab/unit.ts";
import { showShape } from "../../engine/tensor/shape.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable } from "../framework/flags.ts";
import { table } from "../framework/table.ts";
import {
  kernelFlags,
  named,
  nameFlag,
  openKernelSubject,
  plannedKernels,
  targetOf,
} from "./common.ts";
import { filesOf, readShaders, type Shaders } from "./shaders.ts";

const STAGES = ["written", "specialised", "expanded"] as const;

const flags = flagTable({
  ...nameFlag,
  as: {
    type: "choice",
    choices: STAGES,
    default: "specialised",
    help:
      "the text as it stands in its file, with sizes and slots filled in, or as a driver gets it",
  },
  ...kernelFlags,
});

export const command = defineCommand({
  name: "kernel show",
  summary: "Show a kernel: operands, constants, cost, and its WGSL at each stage",
  flags,
  examples: [
    { args: "1", does: "the first kernel of the small network" },
    { args: "1 --as expanded --target gpu", does: "for a GPU, its loops unrolled" },
  ],
  async run(args, context) {
    const subject = await openKernelSubject(args);
    const target = await targetOf(args, context.gpu);
    const found = named(plannedKernels(subject, args.order, target), args.kernel);
    const stage = args.as as typeof STAGES[number];
    context.print(`${headOf(found, await readShaders())}\n\n${textOf(found.kernel, stage)}`);
  },
});

function headOf({ kernel, unit, at, calls }: PlannedKernel, shaders: Shaders): string {
  const { label, operands, constants = {}, workgroups, flops, bytes, tunable } = kernel;
  const facts = [
    ["kernel", label],
    ["shader", filesOf(kernel, shaders).map((name) => `shaders/${name}`).join(", ")],
    ["calls", `${calls}, of ${workgroups} workgroups`],
    ["cost", `${flops} operations on ${bytes} bytes, ${(flops / bytes).toFixed(2)} a byte`],
    ...(tunable ? [["variant", `${tunable.chosen}, of ${tunable.variants.length}`]] : []),
    ["constants", Object.entries(constants).map(([name, v]) => `${name} ${v}`).join(", ")],
  ];
  const bindings = operands.map(({ name, element, storage, role }, binding) => [
    `${binding}`,
    name,
    element,
    storage,
    role,
    showShape(unit.dispatches[at].buffers[binding].shape),
  ]);
  const header = ["binding", "operand", "element", "in a", "is", "shape"];
  return `${table(undefined, facts)}\n\n${table(header, bindings)}`;
}

/** The expanded text has the lines' places beside it, as errors name them. */
function textOf(kernel: Kernel, stage: typeof STAGES[number]): string {
  if (stage === "written") return kernel.shader.trimEnd();
  if (stage === "specialised") return render(kernel).trimEnd();
  const lines = expandLines(render(kernel), placesOf(kernel));
  return lines.map(({ text, place }) => `${text.padEnd(72)} // ${place.replace("shader ", "")}`)
    .join("\n");
}
