/**
 * Averaged weights (Izmailov et al., UAI 2018, "SWA"): beside the training the mean of the weights
 * that it passes through is kept,
 *
 *     mean = mean + (w - mean) / n        after the n-th of the steps that count
 *
 * and at its end it takes their place. The running averages of batch normalisation, which belong to
 * none of those weights, are then estimated anew over the training images, each batch counting alike
 * (as PyTorch's `AveragedModel` and `update_bn` do).
 */

import { Batches } from "../data/batch.ts";
import type { DataSet, Split } from "../data/dataset.ts";
import { BatchNorm2d } from "../nn/layers.ts";
import { type Module, run } from "../nn/module.ts";
import type { Plan } from "../plan/plan.ts";
import type { Runtime } from "../plan/runtime.ts";
import { inLayer } from "../tensor/origin.ts";
import { add, div, sub } from "../tensor/pointwise.ts";
import { type AssignmentPair, Input, type Variable } from "../tensor/tensor.ts";
import { shuffled } from "./order.ts";
import { StepState } from "./state.ts";

export interface AverageOptions {
  /** Share of the training, in steps, after which the mean begins; from 0, below 1. */
  readonly start: number;
  /** Every so many steps the weights count, counted back from the last one. */
  readonly every: number;
}

/** What the running averages are estimated over. */
interface Images {
  readonly set: DataSet;
  readonly train: Split;
  readonly batch: number;
  readonly seed: number;
}

export class WeightAverage {
  private constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly options: AverageOptions,
    private readonly images: Images,
    /** The mean, and of how many weights it is, by names for checkpoints. */
    readonly variables: ReadonlyMap<string, Variable>,
    private readonly taking: Plan<never>,
    private readonly settling: Plan<never>,
  ) {}

  static async make(
    runtime: Runtime,
    network: Module,
    options: AverageOptions,
    images: Images,
  ): Promise<WeightAverage> {
    const state = new StepState();
    const count = state.keep("weights averaged", []);
    const next = add(count, 1);
    const pairs = [...network.namedParameters()].map(([name, parameter]) =>
      [state.keep(`average of ${name}`, parameter.shape), parameter] as const
    );
    const taken = pairs.map(([mean, parameter]): AssignmentPair => [
      mean,
      add(mean, div(sub(parameter, mean), next)),
    ]);
    const taking = await runtime.plan<never>({ assign: [[count, next], ...taken] });
    const settling = await runtime.plan<never>({
      assign: pairs.map(([mean, parameter]): AssignmentPair => [parameter, mean]),
    });
    const { variables } = state;
    return new WeightAverage(runtime, network, options, images, variables, taking, settling);
  }

  /** Counts the weights in after step `done` of `total`, where it is their turn. */
  take(done: number, total: number): void {
    const { start, every } = this.options;
    if (done > start * total && (total - done) % every === 0) this.taking.run();
  }

  /**
   * Puts the mean in the place of the network's weights. What it leaves depends on the mean alone.
   * @throws the signal's reason when it is aborted
   */
  async settle(signal?: AbortSignal): Promise<void> {
    this.settling.run();
    await estimateStatistics(this.runtime, this.network, this.images, signal);
  }

  destroy(): void {
    this.taking.destroy();
    this.settling.destroy();
    this.runtime.release(this.variables.values());
  }
}

/**
 * Gives batch normalisation the mean statistics of the training images' batches, augmented as in
 * training, at the weights that the network has.
 */
async function estimateStatistics(
  runtime: Runtime,
  network: Module,
  { set, train, batch, seed }: Images,
  signal?: AbortSignal,
): Promise<void> {
  const norms = [...network.namedModules()].map(([, module]) => module)
    .filter((module) => module instanceof BatchNorm2d);
  if (norms.length === 0) return;
  const { augmentation } = set;
  const key = new Input("key", [2], "u32");
  const momentum = new Input("share of the batch", []);
  const batches = inLayer(
    "(batch)",
    () => new Batches(runtime, set, train, { batch, augmentation, key }),
  );
  const { updates } = run(network, batches.images, { training: true, key, momentum });
  const plan = await runtime.plan<never>({ assign: updates });
  const order = shuffled(train.labels.length, seed, 0);
  const rounds = Math.floor(order.length / batch);
  try {
    for (const { num_batches_tracked: count } of norms) runtime.write(count, new Uint32Array(1));
    for (let round = 0; round < rounds; round++) {
      const indices = order.slice(round * batch, (round + 1) * batch);
      plan.run([
        ...await batches.feeds(indices),
        [key, Uint32Array.of(seed, round)],
        [momentum, 1 / (round + 1)],
      ]);
      signal?.throwIfAborted();
    }
  } finally {
    plan.destroy();
    batches.release(runtime);
  }
}
