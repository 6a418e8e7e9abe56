/**
 * The training loop: epochs of steps, a validation after each, the best epoch kept. It can be
 * stopped at any step and resumed from its checkpoint with the same bits.
 */

import type { DataSet, Split } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { Settings } from "../io/canonical.ts";
import type { HostTensor } from "../io/host_tensor.ts";
import type { Module } from "../nn/module.ts";
import { checkStateDict, loadStateDict, type StateDict, stateDict } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { permutation, streamId } from "../random.ts";
import { sameShape } from "../tensor/shape.ts";
import type { Variable } from "../tensor/tensor.ts";
import type { Checkpoint, CheckpointStore, EpochRecord } from "./checkpoint.ts";
import { type Accuracy, accuracy, predictions } from "./predictions.ts";
import { Predictor } from "./predict.ts";
import { cosineRate, type Schedule, strengthAt } from "./schedule.ts";
import { type Penalty, TrainingStep } from "./step.ts";

export interface TrainOptions {
  /** "baseline", "control", "treated": for progress, metrics and messages. */
  readonly stage: string;
  readonly set: DataSet;
  readonly train: Split;
  readonly validation: Split;
  readonly epochs: number;
  readonly batch: number;
  /** Learning rate at the start; it falls to zero along a cosine. */
  readonly lr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly seed: number;
  readonly penalty?: Penalty;
  /** Where the run's state is kept while it is under way; nowhere if absent. */
  readonly checkpoint?: CheckpointStore;
  /** What decides the result besides the numbers above: only the same run takes a checkpoint up. */
  readonly settings?: Settings;
  readonly signal?: AbortSignal;
  /** Told the epochs that are already there when a checkpoint is taken up. */
  readonly onResume?: (history: readonly EpochRecord[]) => void;
  readonly onProgress?: (progress: TrainProgress) => void;
  readonly onEpoch?: (record: EpochRecord) => void | Promise<void>;
}

export interface TrainProgress {
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number;
  readonly batch: number;
  /** Means over the epoch so far: loss, accuracy and the penalty's terms; {} as it begins. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface TrainResult {
  readonly history: readonly EpochRecord[];
  /** From 1. */
  readonly bestEpoch: number;
}

/** About how often the host waits for the device and looks at the metrics, in milliseconds. */
const METRICS_INTERVAL = 300;
/** How often the state is saved within an epoch, in milliseconds. */
const CHECKPOINT_INTERVAL = 120_000;

/**
 * Trains the network from the state it is in and leaves the best epoch's state in it. The
 * checkpoint is for whoever keeps the result to remove.
 * @throws UserError (diverged) where a loss is no longer a number; the signal's reason when it is
 * aborted, after the state was saved
 */
export async function train(
  runtime: Runtime,
  network: Module,
  options: TrainOptions,
): Promise<TrainResult> {
  const batch = Math.min(options.batch, options.train.labels.length);
  const step = await TrainingStep.make(runtime, network, options.set, options.train, {
    ...options,
    batch,
  });
  const { set, validation } = options;
  const predictor = await Predictor.make(runtime, network, set, validation, options.batch);
  const loop = new Loop(runtime, network, options, batch, step, predictor);
  try {
    return await loop.run();
  } finally {
    step.destroy();
    predictor.destroy();
  }
}

class Loop {
  private epoch = 0;
  private done = 0;
  /** Seconds spent on this epoch before `begun`. */
  private spent = 0;
  private begun = 0;
  private history: EpochRecord[] = [];
  private bestEpoch = 0;
  private best: StateDict = new Map();
  private readonly steps: number;

  constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly options: TrainOptions,
    private readonly batch: number,
    private readonly step: TrainingStep,
    private readonly predictor: Predictor,
  ) {
    // A batch that is not full is left out; the next epoch's order is another.
    this.steps = Math.floor(options.train.labels.length / batch);
  }

  async run(): Promise<TrainResult> {
    await this.resume();
    try {
      while (this.epoch < this.options.epochs) {
        this.begun = performance.now();
        await this.finishEpoch(await this.trainEpoch());
      }
    } catch (error) {
      if (error === this.options.signal?.reason) await this.save();
      throw error;
    }
    loadStateDict(this.network, this.best, this.runtime, "the best epoch");
    return { history: this.history, bestEpoch: this.bestEpoch };
  }

  /** The rest of the epoch under way; returns the metrics' means. */
  private async trainEpoch(): Promise<Record<string, number>> {
    const { options, steps, batch } = this;
    const order = permutation(
      options.train.labels.length,
      options.seed,
      streamId(`order of epoch ${this.epoch}`),
    );
    const lr = cosineRate(options.lr, this.epoch, options.epochs);
    if (this.done === 0) this.step.clearMetrics();
    this.report({});
    let saved = performance.now();
    // Submitting is faster than computing: how many steps the device may run ahead is measured.
    let ahead = 1;
    let means: Record<string, number> | undefined;
    while (this.done < steps) {
      const begun = performance.now();
      const end = Math.min(this.done + ahead, steps);
      for (; this.done < end; this.done++) {
        const images = (step: number) => order.slice(step * batch, (step + 1) * batch);
        const next = this.done + 1 < steps ? images(this.done + 1) : undefined;
        const at = this.epoch + this.done / steps;
        const strength = (schedule: Schedule) => strengthAt(schedule, at, options.epochs);
        const step = this.epoch * steps + this.done;
        await this.step.run(images(this.done), step, lr, strength, next);
      }
      means = await this.means();
      this.report(means);
      options.signal?.throwIfAborted();
      const now = performance.now();
      const fitting = ahead * METRICS_INTERVAL / (now - begun);
      ahead = Math.max(1, Math.min(2 * ahead, Math.floor(fitting)));
      if (now - saved > CHECKPOINT_INTERVAL) {
        await this.save();
        saved = now;
      }
    }
    return means ?? await this.means();
  }

  private async finishEpoch(means: Record<string, number>): Promise<void> {
    const { options } = this;
    const { signal } = options;
    const validation = accuracy(predictions(await this.predictor.predict({ signal })));
    this.checkLoss(validation.loss, "validation loss");
    const record: EpochRecord = {
      stage: options.stage,
      epoch: this.epoch + 1,
      lr: cosineRate(options.lr, this.epoch, options.epochs),
      train: means,
      validation,
      seconds: this.seconds(),
    };
    const best = this.history[this.bestEpoch - 1]?.validation;
    if (!best || isBetter(validation, best)) {
      this.bestEpoch = record.epoch;
      this.best = await stateDict(this.network, this.runtime);
    }
    this.history.push(record);
    this.epoch++;
    this.done = 0;
    this.spent = 0;
    this.begun = performance.now();
    await this.save();
    await options.onEpoch?.(record);
    signal?.throwIfAborted();
  }

  private async means(): Promise<Record<string, number>> {
    const { correct, ...sums } = await this.step.readMetrics();
    this.checkLoss(sums.loss, "loss");
    const means = Object.entries(sums).map(([name, sum]) => [name, sum / this.done]);
    return { ...Object.fromEntries(means), accuracy: correct / (this.done * this.batch) };
  }

  private checkLoss(loss: number, what: string): void {
    if (Number.isFinite(loss)) return;
    const { epoch, done, steps, options: { stage } } = this;
    throw new UserError(
      `the ${what} became ${loss} in epoch ${epoch + 1} of stage ${stage}, ` +
        `within its first ${done} of ${steps} steps`,
      ExitCode.diverged,
      "a lower --lr, or a smaller --alpha or --beta where a constraint is trained, often helps",
    );
  }

  private seconds(): number {
    return this.spent + (performance.now() - this.begun) / 1000;
  }

  private report(metrics: Record<string, number>): void {
    const { epochs, onProgress } = this.options;
    const { epoch, done: step, steps, batch } = this;
    onProgress?.({ epoch: epoch + 1, epochs, step, steps, batch, metrics });
  }

  private async save(): Promise<void> {
    const { epoch, done, history, bestEpoch, best } = this;
    await this.options.checkpoint?.save({
      epoch,
      step: done,
      seconds: this.seconds(),
      history,
      bestEpoch,
      settings: settingsOf(this.options),
      model: await stateDict(this.network, this.runtime),
      velocities: await this.hostTensors(this.step.velocities),
      metrics: await this.hostTensors(this.step.metrics),
      best,
    });
  }

  private async resume(): Promise<void> {
    const { checkpoint: store } = this.options;
    const checkpoint = await store?.load(settingsOf(this.options));
    if (checkpoint) this.restore(checkpoint, store!.name);
  }

  private restore(checkpoint: Checkpoint, where: string): void {
    const damaged = (problem: string) => new UserError(`${where} ${problem}`, ExitCode.weights);
    if (checkpoint.step > this.steps || checkpoint.epoch > this.options.epochs) {
      throw damaged(
        `stands at step ${checkpoint.step} of epoch ${checkpoint.epoch + 1}, which ` +
          `this run of ${this.options.epochs} epochs of ${this.steps} steps never reaches`,
      );
    }
    loadStateDict(this.network, checkpoint.model, this.runtime, where);
    if (checkpoint.bestEpoch > 0) checkStateDict(this.network, checkpoint.best, where);
    for (const group of ["velocities", "metrics"] as const) {
      for (const [name, variable] of this.step[group]) {
        const tensor = checkpoint[group].get(name);
        if (!tensor) throw damaged(`lacks ${group}/${name}`);
        if (!sameShape(tensor.shape, variable.shape)) throw damaged(`has another ${group}/${name}`);
        this.runtime.write(variable, Float32Array.from(tensor.data, Number));
      }
    }
    this.epoch = checkpoint.epoch;
    this.done = checkpoint.step;
    this.spent = checkpoint.seconds;
    this.history = [...checkpoint.history];
    this.bestEpoch = checkpoint.bestEpoch;
    this.best = checkpoint.best;
    this.options.onResume?.(this.history);
  }

  private async hostTensors(variables: ReadonlyMap<string, Variable>): Promise<StateDict> {
    const values = await this.runtime.read([...variables.values()]);
    return new Map([...variables].map(([name, { shape }], i): [string, HostTensor] => [
      name,
      { dtype: "F32", shape, data: values[i] as Float32Array<ArrayBuffer> },
    ]));
  }
}

/** Everything that decides what a training ends with. */
function settingsOf(options: TrainOptions): Settings {
  const { stage, set, epochs, batch, lr, momentum, weightDecay, seed, settings } = options;
  const images = {
    train: options.train.labels.length,
    validation: options.validation.labels.length,
  };
  const own = { stage, data: set.name, images, epochs, batch, lr, momentum, weightDecay, seed };
  return { ...settings, ...own };
}

/** More accurate, or as accurate with less loss. */
function isBetter(a: Accuracy, b: Accuracy): boolean {
  return a.accuracy > b.accuracy || (a.accuracy === b.accuracy && a.loss < b.loss);
}
