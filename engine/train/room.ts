/** Whether a training step has room on the device, known from its plan before anything is trained. */

import type { DataSet, Split } from "../data/dataset.ts";
import { ExitCode, TooLarge, UserError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { type StepOptions, TrainingStep } from "./step.ts";

/** What changes a step's size; the rest changes numbers. */
type RoomOptions = Omit<StepOptions, "seed" | "momentum" | "weightDecay">;

/** @throws UserError (usage) where the step has none, with the largest batch that was found to have */
export function requireRoom(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  split: Split,
  options: RoomOptions,
): void {
  const lacking = (batch: number) => whatLacks(runtime, network, set, split, { ...options, batch });
  const batch = Math.min(options.batch, split.labels.length);
  const reason = lacking(batch);
  if (reason === undefined) return;
  let fitting = Math.floor(batch / 2);
  while (fitting > 0 && lacking(fitting) !== undefined) fitting = Math.floor(fitting / 2);
  throw new UserError(
    `a step on a batch of ${batch} images has no room: ${reason}`,
    ExitCode.usage,
    fitting > 0 ? `--batch ${fitting} has room` : "use a smaller model, or smaller images (--size)",
  );
}

/** What there is too little of for a step, in words. */
function whatLacks(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  split: Split,
  options: RoomOptions,
): string | undefined {
  const rest = { seed: 0, momentum: 0.9, weightDecay: 1e-4 };
  try {
    const passes = TrainingStep.weigh(runtime, network, set, split, { ...rest, ...options });
    // Passes have memory of their own, and nearly all of their variables in common.
    const own = passes.map(({ values, textures, inputs }) =>
      values.bytes + textures.bytes + inputs
    );
    const shared = Math.max(...passes.map(({ variables }) => variables));
    const bytes = own.reduce((sum, one) => sum + one) + shared;
    const { memory = Infinity } = runtime.gpu;
    return bytes > memory
      ? `it takes ${gib(bytes)} of memory, and ${gib(memory)} are free`
      : undefined;
  } catch (error) {
    if (error instanceof TooLarge) return error.message;
    throw error;
  }
}

const gib = (bytes: number) => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
