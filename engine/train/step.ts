/**
 * One training step as a plan: a batch is gathered and augmented, the network and its loss are
 * evaluated, parameters, velocities and running averages are updated, and the metrics are added
 * up on the device. Nothing is read back.
 */

import { Batches } from "../data/batch.ts";
import type { DataSet, Split } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import { observe } from "../nn/observe.ts";
import type { MemoryUse } from "../plan/allocate.ts";
import { type Feed, type Plan, type PlanSpec, weigh } from "../plan/plan.ts";
import type { Runtime } from "../plan/runtime.ts";
import { grad } from "../tensor/autograd.ts";
import { argmax } from "../tensor/indexing.ts";
import { crossEntropy } from "../tensor/loss.ts";
import { inLayer } from "../tensor/origin.ts";
import { add, equal, mul } from "../tensor/pointwise.ts";
import { sum } from "../tensor/reduce.ts";
import { type AssignmentPair, Input, type Tensor, Variable } from "../tensor/tensor.ts";
import type { Schedule } from "./schedule.ts";
import { sgd, type SgdOptions, type Velocities, zeroVelocities } from "./sgd.ts";

/** What a penalty may depend on. */
export interface StepGraph {
  readonly logits: Tensor;
  readonly labels: Tensor;
  /** Share of background in each pixel [B, H, W, 1], where the data has masks. */
  readonly background?: Tensor;
  /** The output of a module by its name; "input" is the batch itself. See `observe`. */
  output(layer: string): Tensor;
}

/** A term beside the cross entropy; it is reported unweighted. */
export interface PenaltyTerm {
  readonly value: Tensor;
  readonly weight: number;
  readonly schedule: Schedule;
}

/** What is added to the cross entropy: some terms, by name. */
export interface Penalty {
  build(graph: StepGraph): Readonly<Record<string, PenaltyTerm>>;
}

/** How strong a term is in a step, as a factor of its weight. */
export type Strength = (schedule: Schedule) => number;

export interface StepOptions extends SgdOptions {
  readonly batch: number;
  readonly seed: number;
  readonly penalty?: Penalty;
}

/** What a network is applied to in a training step. */
export interface Batch {
  /** [B, H, W, C] */
  readonly images: Tensor;
  /** [B] (u32) */
  readonly labels: Tensor;
  /** [B, H, W, 1] */
  readonly background?: Tensor;
}

/** The network applied to a batch, in training mode, and its updates of running averages. */
export function forward(
  network: Module,
  { images, labels, background }: Batch,
  key: Tensor,
): { graph: StepGraph; updates: readonly AssignmentPair[] } {
  const { logits, updates, layer } = observe(network, images, { training: true, key });
  return { graph: { logits, labels, background, output: layer }, updates };
}

export class TrainingStep {
  private constructor(
    private readonly runtime: Runtime,
    /** What a step computes; the plan is made of it. */
    readonly spec: PlanSpec<never>,
    readonly plan: Plan<never>,
    private readonly batches: Batches,
    private readonly inputs: Readonly<Record<"key" | "lr", Input>>,
    /** The penalty's terms: how strong each is, and what decides it. */
    private readonly strengths: readonly (readonly [Input, Schedule])[],
    private readonly seed: number,
    readonly velocities: Velocities,
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
    const { spec, batches, inputs, strengths, velocities, metrics } = TrainingStep.trace(
      ...[runtime, network, set, split, options] as const,
    );
    const plan = await runtime.plan<never>(spec);
    return new TrainingStep(
      ...[runtime, spec, plan, batches, inputs, strengths] as const,
      ...[options.seed, velocities, metrics] as const,
    );
  }

  /** What a step would occupy of the device's memory; nothing is made. Throws as `weigh` does. */
  static weigh(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    split: Split,
    options: StepOptions,
  ): MemoryUse {
    return weigh(runtime, TrainingStep.trace(runtime, network, set, split, options).spec);
  }

  private static trace(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    split: Split,
    options: StepOptions,
  ) {
    const { batch, penalty } = options;
    const inputs = {
      key: new Input("key", [2], "u32"),
      lr: new Input("learning rate", []),
    };
    const { augmentation } = set;
    const batches = inLayer(
      "(batch)",
      () => new Batches(runtime, set, split, { batch, augmentation, key: inputs.key }),
    );
    const { graph, updates } = forward(network, batches, inputs.key);
    const { logits, labels } = graph;

    const classification = inLayer("(loss)", () => crossEntropy(logits, labels));
    const extra = Object.entries(inLayer("(constraint)", () => penalty?.build(graph) ?? {}));
    const strengths = extra.map(([name]) => new Input(`strength of ${name}`, []));
    const loss = inLayer("(loss)", () => {
      const weighted = extra.map(([, { value, weight }], i) =>
        mul(mul(value, weight), strengths[i])
      );
      return weighted.length > 0
        ? add(classification, weighted.reduce((sum, term) => add(sum, term)))
        : classification;
    });

    const parameters = new Map(network.namedParameters());
    const names = [...parameters.keys()];
    const gradients = grad(loss, [...parameters.values()]);
    const byName = new Map(names.map((name, i) => [name, gradients[i]]));
    const velocities = zeroVelocities(parameters);

    const correct = inLayer("(metrics)", () => sum(equal(argmax(logits), labels)));
    const terms: Record<string, Tensor> = {
      ...{ loss, correct },
      ...Object.fromEntries(extra.map(([name, { value }]) => [name, value])),
    };
    const metrics = new Map(
      Object.keys(terms).map((name) => [name, new Variable(name, [], new Float32Array(1))]),
    );
    const sums = inLayer(
      "(metrics)",
      () => [...metrics].map(([name, total]): AssignmentPair => [total, add(total, terms[name])]),
    );
    const steps = inLayer(
      "(update)",
      () => sgd(parameters, velocities, byName, inputs.lr, options),
    );
    return {
      spec: { assign: [...updates, ...sums, ...steps] },
      ...{ batches, inputs, velocities, metrics },
      strengths: extra.map(([, { schedule }], i) => [strengths[i], schedule] as const),
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
    this.plan.run(await this.feeds(indices, step, lr, strength, next));
  }

  /** What the plan is fed for that step. */
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
    this.plan.destroy();
    this.batches.release(this.runtime);
    this.runtime.release([...this.velocities.values(), ...this.metrics.values()]);
  }
}
