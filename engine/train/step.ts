/**
 * One training step as a plan, or SAM's as two: a batch is gathered and augmented, the network and
 * its loss are evaluated, parameters, what the optimizer remembers and running averages are updated,
 * and the metrics are added up on the device. Nothing is read back.
 */

import { Batches } from "../data/batch.ts";
import type { DataSet, Split } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import type { MemoryUse } from "../plan/allocate.ts";
import { type Feed, type Plan, type PlanSpec, weigh } from "../plan/plan.ts";
import type { Runtime } from "../plan/runtime.ts";
import { gradOrZeros } from "../tensor/autograd.ts";
import { argmax } from "../tensor/indexing.ts";
import { inLayer } from "../tensor/origin.ts";
import { add, equal } from "../tensor/pointwise.ts";
import { sum } from "../tensor/reduce.ts";
import { type AssignmentPair, Input, type Tensor, type Variable } from "../tensor/tensor.ts";
import { type Batch, forward, type Transform } from "./graph.ts";
import { lossOf, type LossOptions, type Strength } from "./loss.ts";
import type { OptimizerOptions, Trained } from "./optimizers/optimizer.ts";
import { type OptimizerName, optimizerOf } from "./optimizers/optimizers.ts";
import { climb, type SamOptions } from "./optimizers/sam.ts";
import type { Schedule } from "./schedule.ts";
import { StepState } from "./state.ts";

/** Which parameters are trained, where that is not all of them. */
export interface Trainable {
  /** By their names in the state dict; the others stay as they are. */
  readonly names: ReadonlySet<string>;
  /** Whether the network is applied as in a test: with its running averages, without dropout. */
  readonly evaluation: boolean;
}

export interface StepOptions extends OptimizerOptions, LossOptions {
  readonly batch: number;
  readonly seed: number;
  /** SGD if absent. */
  readonly optimizer?: OptimizerName;
  /** Makes a step two passes over its batch; see optimizers/sam.ts. */
  readonly sam?: SamOptions;
  readonly trainable?: Trainable;
  /** What the network is shown in the place of the batch; the labels count for the accuracy. */
  readonly transform?: Transform;
}

export class TrainingStep {
  private constructor(
    private readonly runtime: Runtime,
    /** What a step computes, as passes over the batch in order: one, or SAM's two. */
    readonly passes: readonly PlanSpec<never>[],
    /** Made of the passes. */
    readonly plans: readonly Plan<never>[],
    private readonly batches: Batches,
    private readonly inputs: Readonly<Record<"key" | "lr", Input>>,
    /** The penalty's terms: how strong each is, and what decides it. */
    private readonly strengths: readonly (readonly [Input, Schedule])[],
    private readonly seed: number,
    /** What is remembered beside the network, by name. */
    readonly state: ReadonlyMap<string, Variable>,
    /** Sums over steps, by name: "loss", "correct" and the penalty's terms. */
    readonly metrics: ReadonlyMap<string, Variable>,
  ) {}

  static async make(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    split: Split,
    options: StepOptions,
  ): Promise<TrainingStep> {
    const { passes, batches, inputs, strengths, state, metrics } = TrainingStep.trace(
      ...[runtime, network, set, split, options] as const,
    );
    const plans: Plan<never>[] = [];
    for (const pass of passes) plans.push(await runtime.plan<never>(pass));
    return new TrainingStep(
      ...[runtime, passes, plans, batches, inputs, strengths] as const,
      ...[options.seed, state, metrics] as const,
    );
  }

  /**
   * What each pass of a step would occupy of the device's memory; nothing is made. Throws as `weigh`
   * does.
   */
  static weigh(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    split: Split,
    options: StepOptions,
  ): MemoryUse[] {
    const { passes } = TrainingStep.trace(runtime, network, set, split, options);
    return passes.map((pass) => weigh(runtime, pass));
  }

  private static trace(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    split: Split,
    options: StepOptions,
  ) {
    const { batch, transform, trainable } = options;
    const inputs = {
      key: new Input("key", [2], "u32"),
      lr: new Input("learning rate", []),
    };
    const { augmentation } = set;
    const [batches, shown] = inLayer("(batch)", (): [Batches, Batch] => {
      const own = new Batches(runtime, set, split, { batch, augmentation, key: inputs.key });
      const { images, labels, background, indices } = own;
      const plain = { images, labels, background, indices };
      return [own, transform?.(plain, inputs.key) ?? plain];
    });
    const training = !trainable?.evaluation;
    const { graph, updates } = forward(network, shown, inputs.key, { training });
    const state = new StepState();
    const loss = lossOf(graph, options, state);

    const parameters = [...network.namedParameters()]
      .filter(([name]) => trainable?.names.has(name) ?? true);
    const gradients = gradOrZeros(loss.value, parameters.map(([, parameter]) => parameter));
    const trained = parameters.map(([name, parameter], i): Trained => ({
      ...{ name, parameter, value: parameter, gradient: gradients[i] },
    }));

    const metrics = inLayer("(metrics)", () =>
      summed({
        loss: loss.value,
        correct: sum(equal(argmax(graph.logits), batches.labels)),
        ...Object.fromEntries(loss.terms),
      }, state));
    const [first, ...further] = inLayer(
      "(update)",
      () => updatePasses(trained, inputs.lr, options, state),
    );
    const purpose = `a training step on ${batch} images`;
    const passes: PlanSpec<never>[] = [
      { purpose, assign: [...updates, ...state.updates, ...first] },
      ...further.map((assign) => ({ purpose, assign })),
    ];
    return {
      ...{ passes, batches, inputs, metrics, state: state.variables },
      strengths: loss.strengths,
    };
  }

  /**
   * Trains on the images at `indices`; resolves when the step is submitted.
   * @param step how many steps came before, over all epochs: dropout and augmentation follow it
   * @param strength of each term of the penalty; full if absent
   * @param next the images of the next step, where they are known
   */
  async run(
    indices: Uint32Array<ArrayBuffer>,
    step: number,
    lr: number,
    strength: Strength = () => 1,
    next?: Uint32Array,
  ): Promise<void> {
    this.submit(await this.feeds(indices, step, lr, strength, next));
  }

  /** Trains on what `feeds` gave. */
  submit(feeds: readonly Feed[]): void {
    for (const plan of this.plans) plan.run(feeds);
  }

  /** What the plans are fed for that step. */
  async feeds(
    indices: Uint32Array<ArrayBuffer>,
    step: number,
    lr: number,
    strength: Strength = () => 1,
    next?: Uint32Array,
  ): Promise<Feed[]> {
    return [
      ...await this.batches.feeds(indices, next),
      [this.inputs.key, Uint32Array.of(this.seed, step)],
      [this.inputs.lr, lr],
      ...this.strengths.map(([input, schedule]): Feed => [input, strength(schedule)]),
    ];
  }

  /** The metrics' sums since they were last set to zero. Waits for the device. */
  async readMetrics(): Promise<Record<string, number>> {
    const values = await this.runtime.read([...this.metrics.values()]);
    return Object.fromEntries([...this.metrics.keys()].map((name, i) => [name, values[i][0]]));
  }

  clearMetrics(): void {
    for (const total of this.metrics.values()) this.runtime.write(total, new Float32Array(1));
  }

  destroy(): void {
    for (const plan of this.plans) plan.destroy();
    this.batches.release(this.runtime);
    this.runtime.release(this.state.values());
  }
}

/** A variable for each of a step's numbers, to which the step adds it. */
function summed(terms: Readonly<Record<string, Tensor>>, state: StepState): Map<string, Variable> {
  return new Map(
    Object.entries(terms).map(([name, value]) => {
      const total = state.keep(`sum of ${name}`, []);
      state.update(total, add(total, value));
      return [name, total];
    }),
  );
}

/** What the optimizer assigns, in each pass over the batch. */
function updatePasses(
  trained: readonly Trained[],
  lr: Tensor,
  options: StepOptions,
  state: StepState,
): AssignmentPair[][] {
  const optimizer = optimizerOf(options.optimizer ?? "sgd");
  if (!options.sam) return [optimizer.update(trained, lr, options, state)];
  const { moves, moved } = climb(trained, options.sam, state);
  return [moves, optimizer.update(moved, lr, options, state)];
}
