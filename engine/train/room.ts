/**
 * Whether a training step has room on the device: known from its plan before anything is trained
 * where the device tells how much memory is free, and else when it refuses some.
 */

import type { DataSet, Split } from "../data/dataset.ts";
import { ExitCode, OutOfMemory, UserError } from "../errors.ts";
import { halved } from "../gpu/kernels/target.ts";
import type { Module } from "../nn/module.ts";
import { halvesOf, lackOfRoom, SMALLER } from "../plan/room.ts";
import { Runtime } from "../plan/runtime.ts";
import { type StepSize, stepSize } from "./parts.ts";
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
  const lacking = (size: StepSize, on = runtime) => {
    const of = [on, network, set, split, { ...options, ...size }] as const;
    return whatLacks(runtime.gpu.facts.memory, ...of);
  };
  const size = stepSize(options, split.labels.length);
  const reason = lacking(size);
  if (reason === undefined) return;
  throw new UserError(
    `a step on ${inWords(size)} has no room: ${reason}`,
    ExitCode.usage,
    adviceFor(runtime, size, (...other) => lacking(...other) === undefined),
  );
}

const inWords = ({ batch, microBatch }: Required<StepSize>) =>
  microBatch < batch
    ? `${microBatch} images at a time of a batch of ${batch}`
    : `a batch of ${batch} images`;

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
    const hasRoom = (size: StepSize, on = runtime) =>
      !whatLacks(available, on, network, set, split, { ...options, ...size });
    const hint = adviceFor(runtime, stepSize(options, options.batch), hasRoom);
    throw new OutOfMemory(error.message, hint, error.room, { cause: error });
  }
}

/**
 * What has room, as something to do: activations as halves, the largest of the batch's halves as a
 * part of it, and alone.
 */
function adviceFor(
  { gpu, target }: Runtime,
  { batch, microBatch }: Required<StepSize>,
  hasRoom: (size: StepSize, on?: Runtime) => boolean,
): string {
  const inHalves = !target.halves &&
    hasRoom({ batch, microBatch }, new Runtime(gpu, halved(target)));
  const part = halvesOf(microBatch)
    .find((size) => size > 1 && batch % size === 0 && hasRoom({ batch, microBatch: size }));
  const smaller = halvesOf(microBatch).find((size) => hasRoom({ batch: size }));
  const advice = [
    inHalves && "--activations f16 has room",
    part !== undefined && `--micro-batch ${part} has room, with the same batch`,
    smaller !== undefined && `--batch ${smaller} has room`,
  ].filter(Boolean);
  return advice.join("; ") || SMALLER;
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
  const of = [runtime, network, set, split, { ...rest, ...options }] as const;
  return lackOfRoom(free, () => TrainingStep.draft(...of).memory);
}
