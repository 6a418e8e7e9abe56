/**
 * The training loop: epochs of steps, a validation after each, the best epoch kept. It can be
 * stopped at any step and resumed from its checkpoint with the same bits.
 */

import { ExitCode, UserError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import {
  checkStateDict,
  loadStateDict,
  notFinite,
  type StateDict,
  stateDict,
} from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { placeOf } from "../tensor/origin.ts";
import type { Variable } from "../tensor/tensor.ts";
import { WeightAverage } from "./average.ts";
import type { Checkpoint, EpochRecord } from "./checkpoint.ts";
import { type TrainOptions, type TrainResult, trainSettings } from "./options.ts";
import { type Order, usualOrder } from "./order.ts";
import { predictions } from "./predictions.ts";
import { type Arisen, Watch } from "./nonfinite.ts";
import { Predictor } from "./predict.ts";
import { learningRate } from "./rate.ts";
import { Reading } from "./reading.ts";
import { type Schedule, strengthAt } from "./schedule.ts";
import { isBetter, validate } from "./select.ts";
import { readVariables, writeVariables } from "./state.ts";
import { makeStep } from "./room.ts";
import { stepSize } from "./parts.ts";
import type { PassRun, TrainingStep } from "./step.ts";

/**
 * About how often the metrics are read, in milliseconds. They arrive some 10 ms after the device was
 * done, for so long does Deno sleep then; further steps are submitted before, so that it goes on.
 */
const METRICS_INTERVAL = 1000;
/** How often the state is saved within an epoch, in milliseconds. */
const CHECKPOINT_INTERVAL = 120_000;

/**
 * Trains the network from the state it is in and leaves the best epoch's state in it. The
 * checkpoint is for whoever keeps the result to remove.
 * @throws UserError (diverged) where a loss or a weight is no longer a number, with the step and the
 * layer where that began; the signal's reason when it is aborted, after the state was saved
 */
export async function train(
  runtime: Runtime,
  network: Module,
  options: TrainOptions,
): Promise<TrainResult> {
  const { set } = options;
  const size = stepSize(options, options.train.labels.length);
  const { step, predictor } = await makeStep(runtime, network, set, options, {
    ...options,
    ...size,
  });
  const average = options.average &&
    await WeightAverage.make(runtime, network, options.average, {
      ...options,
      batch: size.microBatch,
    });
  const loop = new Loop(runtime, network, options, size.batch, step, predictor, average);
  try {
    return await loop.run();
  } finally {
    average?.destroy();
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
  /** Seconds of the epoch under way in which images were waited for. */
  private waited = 0;
  private history: EpochRecord[] = [];
  private bestEpoch = 0;
  private best: StateDict = new Map();
  /** The metrics that are on their way. */
  private reading?: Reading;
  /** The state that was kept last. All its weights are numbers. */
  private kept!: Checkpoint;
  private readonly steps: number;
  private readonly orderOf: Order;

  constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly options: TrainOptions,
    private readonly batch: number,
    private readonly step: TrainingStep,
    private readonly predictor: Predictor,
    private readonly average?: WeightAverage,
  ) {
    // A batch that is not full is left out; the next epoch's order is another.
    this.steps = Math.floor(options.train.labels.length / batch);
    this.orderOf = options.order ?? usualOrder(options.train.images);
  }

  async run(): Promise<TrainResult> {
    this.kept = await this.resume() ?? await this.state();
    try {
      while (this.epoch < this.options.epochs) {
        this.begun = performance.now();
        await this.finishEpoch(await this.trainEpoch());
      }
    } catch (error) {
      if (error === this.options.signal?.reason) await this.save();
      throw error;
    } finally {
      await this.reading?.settled();
    }
    loadStateDict(this.network, this.best, this.runtime, "the best epoch");
    await this.options.finish?.();
    return { history: this.history, bestEpoch: this.bestEpoch };
  }

  /** The rest of the epoch under way; returns the metrics' means. */
  private async trainEpoch(): Promise<Record<string, number>> {
    const { options: { signal }, steps } = this;
    const order = this.order();
    if (this.done === 0) this.step.clearMetrics();
    this.report({}, this.done);
    const first = this.done;
    const begun = performance.now();
    let saved = begun;
    // Submitting is faster than computing: how many steps the device may run ahead is measured.
    let ahead = 1;
    while (this.done < steps) {
      const before = this.reading;
      await this.submit(order, Math.min(this.done + ahead, steps));
      this.reading = this.read();
      if (before) {
        await this.arrived(before);
        const each = (performance.now() - begun) / (before.steps - first);
        ahead = Math.max(1, Math.min(2 * ahead, Math.floor(METRICS_INTERVAL / each)));
      }
      signal?.throwIfAborted();
      if (performance.now() - saved > CHECKPOINT_INTERVAL) {
        await this.save();
        saved = performance.now();
      }
    }
    return await this.lastMeans() ?? await this.arrived(this.read());
  }

  /** The means of the reading that is on its way. */
  private async lastMeans(): Promise<Record<string, number> | undefined> {
    const { reading } = this;
    this.reading = undefined;
    return reading && await this.arrived(reading);
  }

  /** Submits the steps up to `end`. */
  private async submit(order: Uint32Array<ArrayBuffer>, end: number): Promise<void> {
    const { steps, options: { epochs } } = this;
    while (this.done < end) {
      this.step.submit(await this.awaited(this.runs(order)));
      this.done++;
      this.average?.take(this.epoch * steps + this.done, epochs * steps);
    }
  }

  /** The order in which the epoch under way sees the images. */
  private order(): Uint32Array<ArrayBuffer> {
    const { options: { train, seed }, epoch } = this;
    return this.orderOf(train.labels.length, seed, epoch);
  }

  /** The next step. */
  private runs(order: Uint32Array<ArrayBuffer>): Promise<PassRun[]> {
    const { options: { epochs }, epoch, done, steps, batch } = this;
    const images = (step: number) => order.slice(step * batch, (step + 1) * batch);
    const next = done + 1 < steps ? images(done + 1) : undefined;
    const strength = (schedule: Schedule) => strengthAt(schedule, epoch + done / steps, epochs);
    return this.step.runs(images(done), epoch * steps + done, this.lr(), strength, next);
  }

  /** What the next step is fed; the time that it takes to come is noted. */
  private async awaited<T>(coming: Promise<T>): Promise<T> {
    const begun = performance.now();
    const there = await coming;
    this.waited += (performance.now() - begun) / 1000;
    return there;
  }

  private async finishEpoch(means: Record<string, number>): Promise<void> {
    const { options } = this;
    const { signal, select = "accuracy" } = options;
    const isAverage = this.average !== undefined && this.epoch + 1 === options.epochs;
    if (isAverage) await this.average!.settle(signal);
    const validation = validate(predictions(await this.predictor.predict({ signal })));
    await this.checkLoss(validation.loss, "validation loss");
    const record: EpochRecord = {
      stage: options.stage,
      epoch: this.epoch + 1,
      lr: this.lr(),
      train: means,
      validation,
      seconds: this.seconds(),
      waited: this.waited,
    };
    const best = this.history[this.bestEpoch - 1]?.validation;
    if (!best || isAverage || isBetter(validation, best, select)) {
      this.bestEpoch = record.epoch;
      this.best = await stateDict(this.network, this.runtime);
    }
    this.history.push(record);
    this.epoch++;
    this.done = 0;
    this.spent = 0;
    this.waited = 0;
    this.begun = performance.now();
    await this.save();
    await options.onEpoch?.(record);
    signal?.throwIfAborted();
  }

  private read(): Reading {
    return new Reading(this.step, this.done, this.batch);
  }

  /** Waits for a reading, which further steps may have followed; reports and returns its means. */
  private async arrived(reading: Reading): Promise<Record<string, number>> {
    const means = await reading.means();
    await this.checkLoss(means.loss, "loss");
    this.report(means, reading.steps);
    return means;
  }

  private async checkLoss(loss: number, what: string): Promise<void> {
    if (!Number.isFinite(loss)) throw await this.diverged(`the ${what} became ${loss}`);
  }

  /** Does again what was done since a state was kept, to tell where the first wrong value arose. */
  private async diverged(seen: string): Promise<UserError> {
    const { kept, steps, options: { stage, onReplay } } = this;
    const last = this.epoch > kept.epoch ? steps : this.done;
    onReplay?.(`${seen}: ${last - kept.step} steps are done again to find where that began`);
    this.restore(kept);
    const inTraining = await this.replay(last);
    const arisen = inTraining ?? await this.predictor.firstNotFinite();
    const where = inTraining ? `step ${this.done} of ${steps} in` : "the validation after";
    const found = arisen
      ? `it began with ${arisen.value} in ${placeOf(arisen.origin)}, at ${where}`
      : `as the steps were done again it did not, so doubt the device or its driver; in`;
    return new UserError(
      `${seen}: ${found} epoch ${this.epoch + 1} of stage ${stage}`,
      ExitCode.diverged,
      "a lower --lr, or a smaller --alpha or --beta where a constraint is trained, often helps",
    );
  }

  /** Does the steps up to `last` of the epoch under watch, as far as they stay finite. */
  private async replay(last: number): Promise<Arisen | undefined> {
    // Both at once might have no room.
    for (const plan of this.step.plans) plan.destroy();
    const watches: Watch[] = [];
    try {
      for (const pass of this.step.passes) watches.push(await Watch.make(this.runtime, pass));
      for (const order = this.order(); this.done < last;) {
        const runs = await this.runs(order);
        this.done++;
        for (const { pass, feeds } of runs) {
          const arisen = await watches[pass].run(feeds);
          if (arisen) return arisen;
        }
        this.options.signal?.throwIfAborted();
      }
    } finally {
      for (const watch of watches) watch.destroy();
    }
  }

  /** Of the epoch under way. */
  private lr(): number {
    const { lr, lrSchedule = "cosine", epochs } = this.options;
    return learningRate(lrSchedule, lr, this.epoch, epochs);
  }

  private seconds(): number {
    return this.spent + (performance.now() - this.begun) / 1000;
  }

  private report(metrics: Record<string, number>, step: number): void {
    const { epochs, onProgress } = this.options;
    const { epoch, steps, batch } = this;
    onProgress?.({ epoch: epoch + 1, epochs, step, steps, batch, metrics });
  }

  private async save(): Promise<void> {
    // What is kept has a loss that was seen to be a number.
    await this.lastMeans();
    const state = await this.state();
    const [wrong] = notFinite(state.model);
    if (wrong) throw await this.diverged(wrong);
    this.kept = state;
    await this.options.checkpoint?.save(state);
  }

  private async state(): Promise<Checkpoint> {
    const { epoch, done, history, bestEpoch, best } = this;
    return {
      epoch,
      step: done,
      seconds: this.seconds(),
      history: [...history],
      bestEpoch,
      settings: trainSettings(this.options),
      model: await stateDict(this.network, this.runtime),
      state: await readVariables(this.runtime, this.remembered()),
      best,
    };
  }

  private async resume(): Promise<Checkpoint | undefined> {
    const { checkpoint: store, onResume } = this.options;
    const checkpoint = await store?.load(trainSettings(this.options));
    if (!checkpoint) return undefined;
    this.restore(checkpoint, store!.name);
    onResume?.(this.history);
    return checkpoint;
  }

  private restore(checkpoint: Checkpoint, where = "the state that was kept"): void {
    const damaged = (problem: string) => new UserError(`${where} ${problem}`, ExitCode.weights);
    if (checkpoint.step > this.steps || checkpoint.epoch > this.options.epochs) {
      throw damaged(
        `stands at step ${checkpoint.step} of epoch ${checkpoint.epoch + 1}, which ` +
          `this run of ${this.options.epochs} epochs of ${this.steps} steps never reaches`,
      );
    }
    loadStateDict(this.network, checkpoint.model, this.runtime, where);
    if (checkpoint.bestEpoch > 0) checkStateDict(this.network, checkpoint.best, where);
    const problem = writeVariables(this.runtime, this.remembered(), checkpoint.state);
    if (problem !== undefined) throw damaged(problem);
    this.epoch = checkpoint.epoch;
    this.done = checkpoint.step;
    this.spent = checkpoint.seconds;
    this.history = [...checkpoint.history];
    this.bestEpoch = checkpoint.bestEpoch;
    this.best = checkpoint.best;
  }

  /** What is remembered beside the network. */
  private remembered(): Map<string, Variable> {
    return new Map([...this.step.state, ...this.average?.variables ?? []]);
  }
}
