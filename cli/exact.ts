/** How exactly a network is computed, which decides the last bits of what it gives and learns. */

import type { Gpu } from "../engine/gpu/adapter.ts";
import { exact, halved, type Target, targetFor } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { flagTable, type Values } from "./framework/flags.ts";

export const exactFlag = flagTable({
  exact: {
    type: "boolean",
    help: "no convolution goes Winograd's way, which is faster and rounds more (shaders/README.md)",
  },
});

/** Of the commands that take steps. */
export const activationsFlag = flagTable({
  activations: {
    type: "choice",
    choices: ["f32", "f16"],
    default: "f32",
    help:
      "as what activations wait for the gradients: f16 takes down to half of the memory and moves " +
      "gradients by some 1e-4 of their size; all arithmetic stays in f32",
  },
});

type Args = Values<typeof exactFlag> & Partial<Values<typeof activationsFlag>>;

/** A target with the kernels that are asked for. */
export function askedTarget(args: Args, target: Target): Target {
  const rounded = args.exact ? exact(target) : target;
  return args.activations === "f16" ? halved(rounded) : rounded;
}

/** A runtime with the kernels that are asked for. @param target as the device wants it by default */
export const openRuntime = (gpu: Gpu, args: Args, target: Target = targetFor(gpu)): Runtime =>
  new Runtime(gpu, askedTarget(args, target));
