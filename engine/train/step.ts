/**
 * One training step as a plan, or SAM's as two: a batch is gathered and augmented, the network and
 * its loss are evaluated, parameters, what the optimizer remembers and running averages are updated,
 * and the metrics are added up on the device. Nothing is read back. Where the batch comes in parts
 * (parts.ts), a plan that adds up gradients runs for each of them, and another updates.
 */

import { Batches } from "../data/batch.ts";
import type { DataSet, Split } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import { type Draft, draft, type Feed, type Plan, type PlanSpec } from "../plan/plan.ts";
import type { Site } from "../plan/resources.ts";
import type { Runtime } from "../plan/runtime.ts";
import { gradOrZeros } from "../tensor/autograd.ts";
import { argmax } from "../tensor/indexing.ts";
import { inLayer } from "../tensor/origin.ts";
import { add, equal, mul } from "../tensor/pointwise.ts";
import { sum } from "../tensor/reduce.ts";
import { type AssignmentPair, Input, type Tensor, type Variable } from "../tensor/tensor.ts";
import { type Batch, forward, type Transform } from "./graph.ts";
import { lossOf, type LossOptions, type Strength } from "./loss.ts";
import type { OptimizerOptions, Trained } from "./optimizers/optimizer.ts";
import { type OptimizerName, optimizerOf } from "./optimizers/optimizers.ts";
import { climb, type SamOptions } from "./optimizers/sam.ts";
import { accumulated, type StepSize, stepSize } from "./parts.ts";
import type { Schedule } from "./schedule.ts";
import { StepState } from "./state.ts";

/** Which parameters are trained, where that is not all of them. */
export interface Trainable {
  /** By their names in the state dict; the others stay as they are. */
  readonly names: ReadonlySet<string>;
  /** Whether the network is applied as in a test: with its running averages, without dropout. */
  readonly evaluation: boolean;
}

export interface StepOptions extends OptimizerOptions, LossOptions, StepSize {
  readonly seed: number;
  /** SGD if absent. */
  readonly optimizer?: OptimizerName;
  /** Makes a step two passes over its batch; see optimizers/sam.ts. */
  readonly sam?: SamOptions;
  readonly trainable?: Trainable;
  /** What the network is shown in the place of the batch; the labels count for the accuracy. */
  readonly transform?: Transform;
}

/** What a plan of a step computes. */
export interface StepPass extends PlanSpec<never> {
  /** Whether it runs for each part of the batch, or once, on what these came to. */
  readonly perPart: boolean;
}

/** One run of a step's plans. */
export interface PassRun {
  /** The number of the pass. */
  readonly pass: number;
  readonly feeds: readonly Feed[];
}

/** A step before it is made. */
export interface StepDraft extends Draft {
  /** How often each plan runs in a step. */
  readonly runs: readonly number[];
  /** What training remembers from step to step beside the network. */
  readonly state: readonly Variable[];
}

export class TrainingStep {
  private constructor(
    private readonly runtime: Runtime,
    /** What a step computes, in order: a pass over the batch, or SAM's two; two each in parts. */
    readonly passes: readonly StepPass[],
    /** Made of the passes. */
    readonly plans: readonly Plan<never>[],
    private readonly batches: Batches,
    private readonly inputs: Readonly<Record<"key" | "lr" | "isFirst", Input>>,
    /** The penalty's terms: how strong each is, and what decides it. */
    private readonly strengths: readonly (readonly [Input, Schedule])[],
    private readonly seed: number,
    /** Images of a part of the batch. */
    private readonly microBatch: number,
    /** The parts' gradients, added up; none where the batch comes at once. */
    private readonly sums: readonly Variable[],
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
    const { passes, batches, inputs, strengths, size, sums, state, metrics } = TrainingStep.trace(
      ...[runtime, network, set, split, options] as const,
    );
    const plans: Plan<never>[] = [];
    for (const pass of passes) plans.push(await runtime.plan<never>(pass));
    return new TrainingStep(
      ...[runtime, passes, plans, batches, inputs, strengths] as const,
      ...[options.seed, size.microBatch, sums, state, metrics] as const,
    );
  }

  /** What a step would do and occupy; nothing is made. Throws as `draft` does. */
  static draft(
    site: Site,
    network: Module,
    set: DataSet,
    split: Split,
    options: StepOptions,
  ): StepDraft {
    const { passes, size, state, sums } = TrainingStep.trace(site, network, set, split, options);
    const parts = Math.ceil(size.batch / size.microBatch);
    return {
      ...draft(site, passes),
      runs: passes.map(({ perPart }) => perPart ? parts : 1),
      state: [...state.values(), ...sums],
    };
  }

  private static trace(
    site: Site,
    network: Module,
    set: DataSet,
    split: Split,
    options: StepOptions,
  ) {
    const { transform, trainable } = options;
    const size = stepSize(options, options.batch);
    const { batch, microBatch } = size;
    const share = microBatch / batch;
    const inputs = {
      // Seed, step, images of the batch before.
      key: new Input("key", [3], "u32"),
      lr: new Input("learning rate", []),
      isFirst: new Input("is the first part", []),
    };
    const { augmentation } = set;
    const [batches, shown] = inLayer("(batch)", (): [Batches, Batch] => {
      const { key } = inputs;
      const own = new Batches(site, set, split, { batch: microBatch, augmentation, key });
      const { images, labels, background, indices } = own;
      const plain = { images, labels, background, indices, share };
      return [own, transform?.(plain, inputs.key) ?? plain];
    });
    const training = !trainable?.evaluation;
    const { graph, updates } = forward(network, shown, inputs.key, { training });
    const state = new StepState();
    const loss = lossOf(graph, options, state);

    const parameters = [...network.namedParameters()]
      .filter(([name]) => trainable?.names.has(name) ?? true);
    const ofBatch = (value: Tensor) => share < 1 ? mul(value, share) : value;
    const own = inLayer("(loss)", () => ofBatch(loss.value));
    const gradients = gradOrZeros(own, parameters.map(([, parameter]) => parameter));
    const trained = parameters.map(([name, parameter], i): Trained => ({
      ...{ name, parameter, value: parameter, gradient: gradients[i] },
    }));

    const metrics = inLayer("(metrics)", () =>
      summed({
        loss: own,
        correct: sum(equal(argmax(graph.logits), batches.labels)),
        ...Object.fromEntries(loss.terms.map(([name, value]) => [name, ofBatch(value)])),
      }, state));
    const parts = share < 1
      ? inLayer("(update)", () => accumulated(trained, inputs.isFirst))
      : undefined;
    const assigned = inLayer(
      "(update)",
      () => updatePasses(parts?.trained ?? trained, inputs.lr, options, state),
    );
    const purpose = `a training step on ${batch} images`;
    const passes = assigned.flatMap((assign, i): StepPass[] => {
      // What goes with the first look at the images.
      const beside = i === 0 ? [...updates, ...state.updates] : [];
      if (!parts) return [{ purpose, perPart: true, assign: [...beside, ...assign] }];
      return [
        { purpose, perPart: true, assign: [...beside, ...parts.adding] },
        { purpose, perPart: false, assign },
      ];
    });
    return {
      ...{ passes, batches, inputs, size, metrics, state: state.variables },
      ...{ strengths: loss.strengths, sums: parts?.sums ?? [] },
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
    this.submit(await this.runs(indices, step, lr, strength, next));
  }

  /** Trains by what `runs` gave. */
  submit(runs: readonly PassRun[]): void {
    for (const { pass, feeds } of runs) this.plans[pass].run(feeds);
  }

  /** What the plans are fed for that step, in the order in which they run. */
  async runs(
    indices: Uint32Array<ArrayBuffer>,
    step: number,
    lr: number,
    strength: Strength = () => 1,
    next?: Uint32Array,
  ): Promise<PassRun[]> {
    const { inputs, microBatch: size } = this;
    const parts: Feed[][] = [];
    for (let first = 0; first < indices.length; first += size) {
      const end = first + size;
      const after = end < indices.length ? indices.slice(end, end + size) : next?.slice(0, size);
      parts.push([
        ...await this.batches.feeds(indices.slice(first, end), after),
        [inputs.key, Uint32Array.of(this.seed, step, first)],
        [inputs.isFirst, first === 0 ? 1 : 0],
        [inputs.lr, lr],
        ...this.strengths.map(([input, schedule]): Feed => [input, strength(schedule)]),
      ]);
    }
    return this.passes.flatMap(({ perPart }, pass) =>
      (perPart ? parts : parts.slice(0, 1)).map((feeds) => ({ pass, feeds }))
    );
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
    this.runtime.release([...this.state.values(), ...this.sums]);
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
