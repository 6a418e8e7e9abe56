/** Lists the kernels that compute an expression or a classifier's loss, with gradients. */

import type { PlannedKernel } from "../../engine/lab/unit.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable } from "../framework/flags.ts";
import { table, WIDE } from "../framework/table.ts";
import { kernelFlags, openKernelSubject, plannedKernels, targetOf } from "./common.ts";
import { filesOf, readShaders, type Shaders } from "./shaders.ts";

const flags = flagTable({
  ...kernelFlags,
  json: { type: "boolean", help: "print JSON" },
});

export const command = defineCommand({
  name: "kernel list",
  summary: "List the kernels of an expression or a classifier, with their shaders",
  description:
    "The kernels that compute a value and its gradients, in the order in which they first run. " +
    "Kernels with the same text count as one.",
  flags,
  examples: [
    { args: "", does: "those of the small network" },
    { args: '--of "conv2d(x, w)" --shapes x=8x32x32x16,w=3x3x16x16', does: "of a convolution" },
    { args: "--of resnet34 --target gpu", does: "of a network as a GPU runs it" },
  ],
  async run(args, context) {
    const subject = await openKernelSubject(args);
    const target = await targetOf(args, context.gpu);
    const shaders = await readShaders();
    const found = plannedKernels(subject, args.order, target)
      .map((planned, i) => factsOf(planned, i + 1, shaders));
    context.print(args.json ? JSON.stringify(found, null, 2) : describe(found));
  },
});

function factsOf({ kernel, unit, at, calls }: PlannedKernel, number: number, shaders: Shaders) {
  const { label, workgroups, flops, bytes } = kernel;
  const operation = unit.dispatches[at].node.operation.name;
  const variant = kernel.tunable?.chosen;
  const files = filesOf(kernel, shaders);
  return { number, operation, label, calls, workgroups, flops, bytes, files, variant };
}

function describe(found: readonly ReturnType<typeof factsOf>[]): string {
  const rows = found.map(({ number, label, calls, workgroups, flops, bytes, files }) => [
    `${number}`,
    `${calls}`,
    `${workgroups}`,
    (flops / 1e6).toFixed(2),
    (bytes / 1e6).toFixed(2),
    files[0].replace(/\.wgsl$/, ""),
    label,
  ]);
  const header = ["", "calls", "workgroups", "MFLOP", "MB", "shader", "kernel"];
  return table(header, rows, { width: WIDE });
}
