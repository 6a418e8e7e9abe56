/**
 * Whether a training step has room on the device: known from its plan before anything is trained
 * where the device tells how much memory is free, and else when it refuses some.
 */

import type { DataSet, Split } from "../data/dataset.ts";
import { ExitCode, OutOfMemory, TooLarge, UserError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import { bytesInAll } from "../plan/allocate.ts";
import { showBytes } from "../plan/buffers.ts";
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
  const lacking = (batch: number) => {
    const of = [runtime, network, set, split, { ...options, batch }] as const;
    return whatLacks(runtime.gpu.facts.memory, ...of);
  };
  const batch = Math.min(options.batch, split.labels.length);
  const reason = lacking(batch);
  if (reason === undefined) return;
  throw new UserError(
    `a step on a batch of ${batch} images has no room: ${reason}`,
    ExitCode.usage,
    adviceFor(batch, (smaller) => lacking(smaller) === undefined),
  );
}

/**
 * `TrainingStep.make`, whose want of memory comes with a batch that has room.
 * @throws OutOfMemory (gpu)
 */
export async function makeStep(
  ...of: Parameters<typeof TrainingStep.make>
): Promise<TrainingStep> {
  try {
    return await TrainingStep.make(...of);
  } catch (error) {
    if (!(error instanceof OutOfMemory && error.room)) throw error;
    const [runtime, network, set, split, options] = of;
    const { available } = error.room;
    const hasRoom = (batch: number) =>
      !whatLacks(available, runtime, network, set, split, { ...options, batch });
    const hint = adviceFor(options.batch, hasRoom);
    throw new OutOfMemory(error.message, hint, error.room, { cause: error });
  }
}

/** The largest of a batch's halves that has room, as something to do. */
function adviceFor(batch: number, hasRoom: (batch: number) => boolean): string {
  let fitting = Math.floor(batch / 2);
  while (fitting > 0 && !hasRoom(fitting)) fitting = Math.floor(fitting / 2);
  return fitting > 0
    ? `--batch ${fitting} has room`
    : "use a smaller model, or smaller images (--size)";
}

/** What there is too little of for a step, in words, where so many bytes are free. */
function whatLacks(
  free: number | undefined,
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
    const shared = Math.max(...passes.map(({ variables }) => variables));
    const own = passes.map((pass) => bytesInAll(pass) - pass.variables);
    const bytes = own.reduce((sum, one) => sum + one) + shared;
    return bytes > (free ?? Infinity)
      ? `it takes ${showBytes(bytes)} of memory, and ${showBytes(free!)} are free`
      : undefined;
  } catch (error) {
    if (error instanceof TooLarge) return error.message;
    throw error;
  }
}
