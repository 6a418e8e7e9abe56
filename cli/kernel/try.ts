/** Tries an edited shader in the place of the one in use: is it right, and is it faster? */

import { dirname, resolve } from "node:path";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import type { Kernel } from "../../engine/gpu/kernel.ts";
import { exact, namedTargets, type Target } from "../../engine/gpu/kernels/target.ts";
import { readText } from "../../engine/io/files.ts";
import { attempt, replaced } from "../../engine/lab/attempt.ts";
import type { Subject } from "../../engine/lab/gradcheck.ts";
import type { PlannedKernel } from "../../engine/lab/unit.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { wrap } from "../../engine/prose.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable } from "../framework/flags.ts";
import {
  type KernelArgs,
  kernelFlags,
  named,
  openKernelSubject,
  plannedKernels,
  targetOf,
} from "./common.ts";
import { readShaders, shaderFor } from "./shaders.ts";
import { describeAttempt, isWrong } from "./tried.ts";
import { valuesFor } from "./values.ts";

const flags = flagTable({
  file: {
    type: "string",
    positional: true,
    required: true,
    value: "FILE.wgsl",
    help: "an edited copy of a file of shaders/",
  },
  for: {
    type: "string",
    value: "NAME",
    help: "the shader it stands for, such as conv/tile (default the one of the file's name)",
  },
  kernel: {
    type: "string",
    value: "KERNEL",
    help: "the kernel to try it in, by number or name in deno task kernel list",
  },
  top: {
    type: "integer",
    min: 1,
    max: 1000,
    default: 3,
    help: "kernels to try it in, the costliest",
  },
  seconds: {
    type: "number",
    min: 0,
    max: 600,
    default: 20,
    help: "longest time to spend on timing a kernel; 0 checks alone",
  },
  watch: { type: "boolean", help: "try again whenever the file is saved" },
  ...kernelFlags,
});

export const command = defineCommand({
  name: "kernel try",
  summary: "Try an edited shader: check it, and time it against the one in use",
  description:
    "The shader stands in for the one in use in the kernels of --of that are made of it, on the same " +
    "operands. Results are compared bit by bit, and where they differ each element with float64: one " +
    "that is off by more than rounding makes the kernel in use is wrong (exit code 1). What is right " +
    "is timed in turns with the one in use until one is surely faster, or both are surely alike, or " +
    "the time is over; the ratio is told with an interval, and what lies within the noise is called " +
    "so. An error names the file's own line.",
  flags,
  examples: [
    { args: "/tmp/tile.wgsl", does: "in the small network's costliest kernels of conv/tile.wgsl" },
    { args: "mine.wgsl --for conv/block --watch", does: "for GPUs' blocks, at every save" },
    {
      args: 'map.wgsl --of "x * sigmoid(x)" --shapes x=64x1024 --order 0',
      does: "in one kernel of an expression",
    },
  ],
  async run(args, context) {
    const shaders = await readShaders();
    const name = shaderFor(args.file, shaders, args.for);
    const original = shaders.get(name)!;
    const subject = await openKernelSubject(args);
    const gpu = await context.gpu();
    const found = await kernelsMadeOf(original, name, subject, args, gpu);
    const runtime = new Runtime(gpu, found.target);
    const values = await valuesFor(runtime, found.kernels);
    context.print(wrap(`${args.file} for shaders/${name}, in ${args.of}; ${gpu.adapter.name}`));
    if (found.note) context.print(wrap(found.note));

    const tryAll = async () => {
      const edited = await readText(args.file);
      if (edited === original) context.print("\nit is the one in use, unchanged");
      let right = true;
      for (const planned of found.kernels) {
        const kernel = replaced(planned.kernel, original, edited, args.file)!;
        const fresh = new Runtime(gpu, found.target);
        const tried = await attempt(fresh, planned, kernel, values, args.seconds);
        context.print("\n" + describeAttempt(planned, tried));
        right &&= !isWrong(tried);
        context.signal.throwIfAborted();
      }
      return right;
    };
    if (!args.watch) return await tryAll() ? ExitCode.ok : ExitCode.failure;
    for await (const _ of saves(args.file)) {
      await tryAll().catch((error) => {
        if (!(error instanceof UserError) || error.exitCode === ExitCode.interrupted) throw error;
        context.print(`\nerror: ${error.message}`);
      });
      context.print("\nwatching: save the file, or stop by Ctrl-C");
    }
  },
});

interface Found {
  readonly kernels: readonly PlannedKernel[];
  readonly target: Target;
  readonly note?: string;
}

/**
 * The costliest kernels that are made of a shader, by the target that is asked for; or where that
 * has none and nothing was asked for, by the first other one that has.
 */
async function kernelsMadeOf(
  original: string,
  name: string,
  subject: Subject,
  args: KernelArgs & { readonly kernel?: string; readonly top: number },
  gpu: Gpu,
): Promise<Found> {
  const asked = await targetOf(args, () => Promise.resolve(gpu));
  const others = args.target === "adapter" ? Object.entries(namedTargets) : [];
  const targets: [string, Target][] = [["", asked], ...others];
  for (const [other, plain] of targets) {
    const target = args.exact ? exact(plain) : plain;
    const all = plannedKernels(subject, args.order, target);
    const isMade = ({ kernel }: { kernel: Kernel }) =>
      replaced(kernel, original, original, name) !== undefined;
    const made = all.filter(isMade).sort((a, b) => costOf(b) - costOf(a));
    if (made.length === 0) continue;
    const note = other && `the adapter's own kernels have none of it: those of --target ${other}`;
    if (args.kernel === undefined) return { kernels: made.slice(0, args.top), target, note };
    const wanted = named(all, args.kernel);
    if (isMade(wanted)) return { kernels: [wanted], target, note };
    throw new UserError(`${wanted.kernel.label} is not made of ${name}`, ExitCode.usage);
  }
  throw new UserError(
    `no kernel of ${args.of} is made of shaders/${name}`,
    ExitCode.usage,
    "name an expression or a classifier with --of, or another --target; " +
      "deno task kernel list shows what is made of what",
  );
}

const costOf = ({ kernel, calls }: PlannedKernel) => calls * (kernel.flops + kernel.bytes);

/** Once at the beginning, then whenever the file has been saved. */
async function* saves(file: string): AsyncGenerator<void> {
  yield;
  // Editors save by writing another file and renaming it, so the folder is watched.
  const path = resolve(file);
  let text = await readText(path);
  for await (const { paths } of Deno.watchFs(dirname(path))) {
    if (!paths.includes(path)) continue;
    await new Promise((resolve) => setTimeout(resolve, SETTLE));
    const now = await readText(path).catch(() => text);
    if (now === text) continue;
    text = now;
    yield;
  }
}

/** Milliseconds in which an editor has written all of a file. */
const SETTLE = 100;
