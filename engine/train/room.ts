/**
 * Whether a training step has room on the device: known from its plan before anything is trained
 * where the device tells how much memory is free, and else when it refuses some.
 */

import type { DataSet, Split } from "../data/dataset.ts";
import { ExitCode, OutOfMemory, UserError } from "../errors.ts";
import { halved } from "../gpu/kernels/target.ts";
import type { Module } from "../nn/module.ts";
import { bytesInAll } from "../plan/allocate.ts";
import { halvesOf, lackOfRoom, SMALLER } from "../plan/room.ts";
import { Runtime } from "../plan/runtime.ts";
import { type StepSize, stepSize } from "./parts.ts";
import { Predictor } from "./predict.ts";
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
 * A training step, and beside it what looks at the validation images between its epochs.
 * @throws OutOfMemory (gpu) with a smaller size that has room for both
 */
export async function makeStep(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  { train, validation }: { readonly train: Split; readonly validation: Split },
  options: StepOptions,
): Promise<{ step: TrainingStep; predictor: Predictor }> {
  const size = stepSize(options, options.batch);
  const weighStep = (size: StepSize, on = runtime) =>
    TrainingStep.draft(on, network, set, train, { ...options, ...size }).memory;
  const weighLook = ({ batch, microBatch = batch }: StepSize, on = runtime) =>
    Predictor.draft(on, network, set, validation, microBatch).memory;
  let step: TrainingStep | undefined;
  try {
    step = await TrainingStep.make(runtime, network, set, train, { ...options, ...size });
    const looks = [network, set, validation, size.microBatch] as const;
    return { step, predictor: await Predictor.make(runtime, ...looks) };
  } catch (error) {
    step?.destroy();
    if (!(error instanceof OutOfMemory && error.room)) throw error;
    // The variables, which both have, are counted twice.
    const available = error.room.available + (step ? bytesInAll(weighStep(size)) : 0);
    const hint = adviceFor(runtime, size, (size, on) => {
      const left = available - bytesInAll(weighStep(size, on));
      return lackOfRoom(left, () => weighLook(size, on)) === undefined;
    });
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
