/** Runs one kernel of a plan, and writes what it read and made. */

import { join } from "node:path";
import { norm, relativeError } from "../../engine/averages.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { makeFolder, readBytes, writeFileAtomic } from "../../engine/io/files.ts";
import { decodeNpy, encodeNpy } from "../../engine/io/npy.ts";
import { exactly } from "../../engine/lab/attempt.ts";
import { Rig } from "../../engine/lab/rig.ts";
import type { PlannedKernel } from "../../engine/lab/unit.ts";
import { didYouMean } from "../../engine/nearest.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { wrap } from "../../engine/prose.ts";
import { type HostArray, sameShape, showShape, type Tensor } from "../../engine/tensor/mod.ts";
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
import { valuesFor } from "./values.ts";

const flags = flagTable({
  ...nameFlag,
  inputs: {
    type: "list",
    of: "string",
    value: "x=FILE.npy,..",
    help: "values of operands, by their names in deno task kernel show",
  },
  out: {
    type: "string",
    value: "DIR",
    help: "write every operand and result there, as .npy",
    writes: { what: "folder" },
  },
  ...kernelFlags,
});

export const command = defineCommand({
  name: "kernel run",
  summary: "Run one kernel, and hold what it computes against float64",
  description:
    "Operands have the values that the plan gives them, its inputs being random by the seed, or those " +
    "of files. A kernel that is one of several for an operation runs with the others.",
  flags,
  examples: [
    { args: "1 --out out", does: "the first kernel of the small network" },
    {
      args: '"conv" --of "conv2d(x, w)" --order 0 --shapes x=1x8x8x4,w=3x3x4x8 --inputs x=x.npy',
      does: "a convolution of an image from a file",
    },
  ],
  async run(args, context) {
    const subject = await openKernelSubject(args);
    const gpu = await context.gpu();
    const target = await targetOf(args, () => Promise.resolve(gpu));
    const runtime = new Runtime(gpu, target);
    const planned = named(plannedKernels(subject, args.order, target), args.kernel);
    const names = namesOf(planned);
    const given = await readInputs(args.inputs ?? [], names);
    const values = await valuesFor(runtime, [planned], given);
    const rig = await Rig.make(runtime, planned.unit, values);
    try {
      const results = await rig.run();
      const exact = exactly(planned.unit, values);
      const { reads, writes } = planned.unit;
      const rows = writes.map((tensor, i) => [
        names.get(tensor)!,
        showShape(tensor.shape),
        norm(results[i]).toPrecision(6),
        relativeError(results[i], exact[i]).toExponential(1),
      ]);
      const read = reads.map((tensor) => [names.get(tensor)!, showShape(tensor.shape)]);
      context.print(wrap(planned.kernel.label) + "\n");
      context.print(table(["operand", "shape"], read) + "\n");
      context.print(table(["result", "shape", "norm", "relative error"], rows));
      if (args.out === undefined) return;
      const all = new Map([...values, ...writes.map((tensor, i) => [tensor, results[i]] as const)]);
      await writeAll(args.out, names, all);
      context.print(`\nwritten to ${args.out}`);
    } finally {
      rig.destroy();
      runtime.destroy();
    }
  },
});

/** The unit's tensors by the names that its shaders have for them. */
function namesOf({ unit }: PlannedKernel): Map<Tensor, string> {
  const names = new Map<Tensor, string>();
  const taken = new Set<string>();
  for (const { kernel, buffers } of unit.dispatches) {
    for (const tensor of [...unit.reads, ...unit.writes]) {
      const binding = buffers.indexOf(tensor);
      if (binding < 0 || names.has(tensor)) continue;
      const { name } = kernel.operands[binding];
      const free = taken.has(name) ? `${name}_${names.size}` : name;
      taken.add(free);
      names.set(tensor, free);
    }
  }
  return names;
}

/** @throws UserError (usage, data) where a name or a shape is another than the kernel's */
async function readInputs(inputs: readonly string[], names: ReadonlyMap<Tensor, string>) {
  const tensors = new Map([...names].map(([tensor, name]) => [name, tensor]));
  const given = new Map<Tensor, HostArray>();
  for (const text of inputs) {
    const [name, ...rest] = text.split("=");
    const path = rest.join("=");
    const tensor = tensors.get(name);
    if (!tensor || !path) {
      const known = [...tensors.keys()];
      throw new UserError(
        `--inputs: the kernel has no operand ${name}${didYouMean(name, known)}`,
        ExitCode.usage,
        `give name=FILE.npy; its operands are ${known.join(", ")}`,
      );
    }
    const { shape, data } = decodeNpy(await readBytes(path), path);
    if (!sameShape(shape, tensor.shape)) {
      throw new UserError(
        `${path} has the shape ${showShape(shape)}, and ${name} has ${showShape(tensor.shape)}`,
        ExitCode.data,
      );
    }
    const numbers = Array.from(data, Number);
    given.set(
      tensor,
      tensor.dtype === "f32" ? Float32Array.from(numbers) : Uint32Array.from(numbers),
    );
  }
  return given;
}

async function writeAll(
  folder: string,
  names: ReadonlyMap<Tensor, string>,
  values: ReadonlyMap<Tensor, HostArray>,
): Promise<void> {
  await makeFolder(folder);
  for (const [tensor, data] of values) {
    const dtype = tensor.dtype === "f32" ? "F32" : "U32";
    const path = join(folder, `${names.get(tensor)}.npy`);
    await writeFileAtomic(path, encodeNpy({ dtype, shape: tensor.shape, data }));
  }
}
