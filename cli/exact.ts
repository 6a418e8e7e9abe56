/** How convolutions are computed, which decides the last bits of what a network gives and learns. */
import type { Gpu } from "../engine/gpu/adapter.ts";
import { exact, type Target, targetFor } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { flagTable, type Values } from "./framework/flags.ts";

export const exactFlag = flagTable({
  exact: {
    type: "boolean",
    help: "no convolution goes Winograd's way, which is faster and rounds more (shaders/README.md)",
  },
});

/** A runtime with the kernels that are asked for. @param target as the device wants it by default */
export function openRuntime(
  gpu: Gpu,
  args: Values<typeof exactFlag>,
  target: Target = targetFor(gpu),
): Runtime {
  return new Runtime(gpu, args.exact ? exact(target) : target);
}
