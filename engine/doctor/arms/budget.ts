/**
 * How long arms train: all for as many steps, or all for as much computing. An arm whose steps cost
 * less is then trained for more epochs, so that what another gains by costlier steps is held against
 * what its time would have bought otherwise.
 */

import * as v from "valibot";
import { finite, type Schema } from "../../io/json.ts";
import type { TrainOptions } from "../../train/options.ts";
import { shuffled } from "../../train/order.ts";
import { stepSize } from "../../train/parts.ts";
import { makeStep } from "../../train/room.ts";
import type { TrainingStep } from "../../train/step.ts";
import type { Runtime } from "../../plan/runtime.ts";
import type { Module } from "../../nn/module.ts";

/** What is the same for all arms. */
export const BUDGETS = ["steps", "compute"] as const;
export type Budget = typeof BUDGETS[number];

/** costs.json: the seconds of a step, by arm. A run that is gone on with keeps to them. */
export type Costs = Readonly<Record<string, number>>;
export const costsSchema: Schema<Costs> = v.record(v.string(), finite);

/** Steps before the timed ones, of which the first wait for what a device does once. */
const WARM = 2;
const TIMED = 8;

/** What a step is made of; see `TrainingStep.make`. */
type StepOptions =
  & Pick<TrainOptions, "set" | "train" | "validation" | "lr">
  & Parameters<typeof TrainingStep.make>[4];

/** The seconds that a step takes. The network is trained by it. */
export async function stepSeconds(
  runtime: Runtime,
  network: Module,
  options: StepOptions,
): Promise<number> {
  const { set, train, lr, seed } = options;
  const size = stepSize(options, train.labels.length);
  const { step, predictor } = await makeStep(runtime, network, set, options, {
    ...options,
    ...size,
  });
  predictor.destroy();
  const { batch } = size;
  const order = shuffled(train.labels.length, seed, 0);
  try {
    let begun = 0;
    for (let i = 0; i < WARM + TIMED; i++) {
      // Wait for the device, so that it is timed and not the submitting.
      if (i === WARM) begun = (await step.readMetrics(), performance.now());
      const from = (i * batch) % (order.length - batch + 1);
      await step.run(order.slice(from, from + batch), i, lr);
    }
    await step.readMetrics();
    return (performance.now() - begun) / 1000 / TIMED;
  } finally {
    step.destroy();
  }
}

/**
 * The epochs of each arm: `epochs` of the dearest, of others as many more as their steps are cheaper.
 */
export function epochsFor(costs: Costs, epochs: number): Record<string, number> {
  const dearest = Math.max(...Object.values(costs));
  return Object.fromEntries(
    Object.entries(costs).map(([arm, cost]) => [arm, Math.round(epochs * dearest / cost)]),
  );
}
