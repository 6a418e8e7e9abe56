/**
 * The losses that training must show: the same steps, traced once, run on the adapter and in float64
 * on the processor, from the same weights, each from what its own step before left. So the expected
 * numbers are computed on every machine anew, by nothing that the adapter has a hand in.
 */

import type { DataSet } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { float64 } from "../reference/float64.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { type PassRun, type StepOptions, TrainingStep } from "../train/step.ts";

export interface TrajectoryOptions extends StepOptions {
  readonly steps: number;
  readonly lr: number;
}

/** A step's loss here and in float64. */
export interface Losses {
  readonly here: number;
  readonly float64: number;
}

/**
 * The loss of each of some steps, the penalty in it.
 * @param onStep is told what has been computed; may throw to stop
 */
export async function trajectory(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  { steps, lr, ...options }: TrajectoryOptions,
  onStep: (done: number) => void,
): Promise<Losses[]> {
  const step = await TrainingStep.make(runtime, network, set, set.train, options);
  try {
    const values = new Map<Tensor, ArrayLike<number>>();
    const losses: Losses[] = [];
    const sums = { here: 0, float64: 0 };
    for (let k = 0; k < steps; k++) {
      const indices = Uint32Array.from({ length: options.batch }, (_, i) => k * options.batch + i);
      const runs = await step.runs(indices, k, lr);
      step.submit(runs);
      const here = (await step.readMetrics()).loss;
      const exact = inFloat64(step, runs, values);
      losses.push({ here: here - sums.here, float64: exact - sums.float64 });
      Object.assign(sums, { here, float64: exact });
      onStep(k + 1);
    }
    return losses;
  } finally {
    step.destroy();
  }
}

/** Does what a step assigns, and returns the sum of losses that it leaves. */
function inFloat64(
  { passes, metrics }: TrainingStep,
  runs: readonly PassRun[],
  values: Map<Tensor, ArrayLike<number>>,
): number {
  for (const { pass, feeds } of runs) {
    const { assign = [] } = passes[pass];
    const inputs = feeds.map(([input, value]) =>
      [input, typeof value === "number" ? [value] : value] as const
    );
    const run = float64(
      assign.map(([, value]) => value),
      new Map<Tensor, ArrayLike<number>>([...values, ...inputs]),
      undefined,
      { simplified: false },
    );
    assign.forEach(([variable], i) => values.set(variable, run.values[i]));
  }
  return values.get(metrics.get("loss")!)![0];
}
