/**
 * A treatment to watch: which kernels each class lives on, and training on with the constraint beside
 * the control and the placebo, step by step. The parts are those that whole runs are made of
 * (doctor/); nothing here knows files or hosts.
 */

import type { DataSet, MemorySplit } from "../data/dataset.ts";
import { masksOfOthers, otherKernels } from "../doctor/arms/misplaced.ts";
import { type Constraint, OFF } from "../doctor/constraint.ts";
import { correlationMask, diagnose } from "../doctor/diagnose.ts";
import type { ClassKernels } from "../doctor/forms/form.ts";
import { constraintPenalty } from "../doctor/penalty.ts";
import { siftHigh } from "../doctor/sift.ts";
import type { Module } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { Variable } from "../tensor/tensor.ts";
import { shuffled } from "../train/order.ts";
import { Predictor } from "../train/predict.ts";
import { accuracy, predictions } from "../train/predictions.ts";
import { TrainingStep } from "../train/step.ts";

/** The kernels each class lives on, at a layer. */
export interface Diagnosed {
  readonly layer: string;
  readonly channels: number;
  /** G, row-major [classes, channels]. */
  readonly aggregate: Float32Array;
  /** Which of them are the class's own, 0 or 1. */
  readonly mask: Float32Array<ArrayBuffer>;
  /** Images of each class that it was found by. */
  readonly images: readonly number[];
}

/** Share of a class's range of responses from which a kernel is its own. */
const THETA = 0.1;

/** @throws UserError (method) where no image is classified right */
export async function diagnosed(
  runtime: Runtime,
  network: Module,
  set: DataSet<MemorySplit>,
  layer: string,
  perClass: number,
): Promise<Diagnosed> {
  const batch = 50;
  const predictor = await Predictor.make(runtime, network, set, set.train, batch);
  const predicted = predictions(await predictor.predict());
  predictor.destroy();
  const high = siftHigh(predicted, set.classes.length, perClass);
  const options = { layers: [layer], batch, noise: 0, noiseCopies: 1, seed: 0 };
  const [found] = await diagnose(runtime, network, set, set.train, high, options);
  return {
    ...{ layer, channels: found.channels, aggregate: found.aggregate },
    mask: correlationMask(found, THETA),
    images: high.map((images) => images.length),
  };
}

export const ARMS = ["control", "treated", "placebo"] as const;
export type Arm = typeof ARMS[number];

/** Of one arm after some steps. */
export interface Point {
  readonly step: number;
  /** Of the test images. */
  readonly accuracy: number;
  readonly loss: number;
}

export interface TrialOptions {
  readonly steps: number;
  /** Steps after which the test images are looked at. */
  readonly every: number;
  readonly batch: number;
  readonly lr: number;
  /** Weights of the two terms. */
  readonly channel: number;
  readonly space: number;
  /** The layer of the space-wise term; the channel-wise one's is the diagnosed. */
  readonly spaceLayer: string;
  readonly seed: number;
}

/**
 * Trains on from the same weights three times over: without the constraint, with it, and with it on
 * masks of other images and kernels drawn by lot. The arms take turns, step by step, on the same
 * images in the same order.
 * @param make a network with the weights to start from
 */
export async function* trial(
  runtime: Runtime,
  make: () => Module,
  set: DataSet<MemorySplit>,
  found: Diagnosed,
  options: TrialOptions,
): AsyncGenerator<Readonly<Record<Arm, Point>>, void> {
  const arms: Running[] = [];
  try {
    for (const arm of ARMS) {
      arms.push(await Running.make(runtime, make(), set, found, arm, options));
    }
    yield await points(arms, 0);
    const { batch, every, lr, seed, steps } = options;
    const perEpoch = Math.floor(set.train.labels.length / batch);
    for (let step = 0; step < steps; step++) {
      const order = shuffled(set.train.labels.length, seed, Math.floor(step / perEpoch));
      const at = step % perEpoch * batch;
      const indices = Uint32Array.from(order.subarray(at, at + batch));
      for (const arm of arms) await arm.step.run(indices, step, lr);
      if ((step + 1) % every === 0 || step + 1 === steps) yield await points(arms, step + 1);
    }
  } finally {
    for (const arm of arms) arm.destroy();
  }
}

async function points(arms: readonly Running[], step: number) {
  const found = {} as Record<Arm, Point>;
  for (const { arm, predictor } of arms) {
    const { accuracy: share, loss } = accuracy(predictions(await predictor.predict()));
    found[arm] = { step, accuracy: share, loss };
  }
  return found;
}

/** An arm on its way. */
class Running {
  private constructor(
    readonly arm: Arm,
    readonly step: TrainingStep,
    readonly predictor: Predictor,
    private readonly free: () => void,
  ) {}

  static async make(
    runtime: Runtime,
    network: Module,
    set: DataSet<MemorySplit>,
    { layer, channels, mask }: Diagnosed,
    arm: Arm,
    { channel, space, spaceLayer, batch, seed }: TrialOptions,
  ): Promise<Running> {
    const constraint: Constraint = {
      channel: { ...OFF, weight: channel, layers: [layer] },
      space: { ...OFF, form: "share", weight: space, layers: [spaceLayer] },
    };
    const shape = [set.classes.length, channels];
    const own = new Map([[layer, { mask: new Variable(`mask of ${layer}`, shape, mask) }]]);
    const kernels: ReadonlyMap<string, ClassKernels> = arm === "placebo"
      ? otherKernels(own, seed)
      : own;
    const { masks } = set.train;
    const train = arm === "placebo" && masks
      ? { ...set.train, masks: masksOfOthers(masks, seed) }
      : set.train;
    const penalty = arm === "control" ? undefined : constraintPenalty(network, constraint, kernels);
    const step = await TrainingStep.make(runtime, network, set, train, {
      ...{ batch, seed, momentum: 0.9, weightDecay: 5e-4, penalty },
    });
    const predictor = await Predictor.make(runtime, network, set, set.test, 50);
    const variables = [...network.namedState()].map(([, variable]) => variable);
    return new Running(arm, step, predictor, () => runtime.release(variables));
  }

  destroy(): void {
    this.step.destroy();
    this.predictor.destroy();
    this.free();
  }
}
