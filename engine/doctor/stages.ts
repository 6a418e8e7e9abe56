/**
 * The method's training stages in a run folder. A baseline is trained (or given), diagnosed, and
 * trained on (or anew) from the same weights with the constraint or, as the control, without. Seed,
 * order of images, augmentation and schedule are the same in both, so the constraint is the only
 * difference. A validation split picks the best epoch of each.
 */

import { type DataSet, type Split, trainingSplits } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { Settings } from "../io/canonical.ts";
import type { Module } from "../nn/module.ts";
import {
  checkStateDict,
  loadStateDict,
  resetState,
  type StateDict,
  stateDict,
} from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { Variable } from "../tensor/tensor.ts";
import type { RunFolder, StageResult } from "../run/run_folder.ts";
import { type StageReporter, trainStage } from "../run/stage.ts";
import { backgroundKernels } from "./background.ts";
import type { Penalty } from "../train/loss.ts";
import type { OptimizerName } from "../train/optimizers/optimizers.ts";
import type { LrSchedule } from "../train/rate.ts";
import { type Examination, examine } from "./examine.ts";
import { type Constraint, termsOf } from "./constraint.ts";
import type { ClassKernels } from "./forms/form.ts";
import { formOf } from "./forms/forms.ts";
import { checkConstraint, constraintPenalty } from "./penalty.ts";
import { weightFlag } from "./terms.ts";

/** What a model is treated by: the constraint, and how the kernels that it rests on are found. */
export interface Treatment {
  readonly constraint: Constraint;
  /** Share of a class's range of responses from which a kernel is its own. */
  readonly theta: number;
  /** Images that a class is diagnosed by. */
  readonly imagesPerClass: number;
}

/**
 * Where control and treated start: at the baseline's weights, or, as in the authors' scripts, at
 * untrained ones; what the baseline is needed for is then its diagnosis alone.
 */
export const STARTS = ["baseline", "scratch"] as const;

export interface StageSettings {
  /** The classifier's name. */
  readonly model: string;
  /** Epochs of the baseline, unless weights are given. */
  readonly epochs: number;
  /** Further epochs, with and without the constraint. */
  readonly treatEpochs: number;
  readonly start: typeof STARTS[number];
  readonly batch: number;
  readonly lr: number;
  readonly treatLr: number;
  readonly lrSchedule?: LrSchedule;
  readonly optimizer?: OptimizerName;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Half width of the feature noise in the diagnosis. */
  readonly noise: number;
  readonly noiseCopies: number;
  readonly seed: number;
  /** Training images to use, before the validation split; all of them where absent. */
  readonly limit?: number;
  /** Share of the training images that is kept for validation. */
  readonly validation: number;
  /** Trained weights to start from instead of training a baseline. */
  readonly weights?: { readonly path: string; readonly state: StateDict };
}

/** What is told while it runs. */
export interface TreatReporter extends StageReporter {
  note(text: string): void;
  /** Images that were looked at without training on them. */
  looked(stage: string, done: number, total: number): void;
}

/**
 * Finds out before anything is trained or written whether the treatment can be had.
 * @throws UserError (usage) for a layer that is none, (method) for a constraint that can do
 * nothing, (weights) for weights of another model
 */
export function checkTreatment(
  network: Module,
  set: DataSet,
  { constraint, weights }:
    & Pick<Treatment, "constraint">
    & Pick<StageSettings, "weights">,
): void {
  if (weights) checkStateDict(network, weights.state, weights.path);
  checkConstraint(network, set, constraint);
}

export class Stages {
  readonly split: { readonly train: Split; readonly validation: Split };
  /** Wall-clock seconds by stage. */
  readonly seconds: Record<string, number> = {};

  constructor(
    readonly runtime: Runtime,
    readonly network: Module,
    readonly set: DataSet,
    private readonly folder: RunFolder,
    private readonly settings: StageSettings,
    private readonly report: TreatReporter,
  ) {
    this.split = trainingSplits(set, settings);
  }

  /**
   * Finds out before anything is trained whether there are masks for the terms that need them: a
   * limit, or the validation split, may leave none of a few drawn ones.
   * @throws UserError (method)
   */
  requireMasks(constraint: Constraint): void {
    const { set, split: { train } } = this;
    const needing = termsOf(constraint)
      .filter((term) => formOf(term, constraint[term].form).needs.includes("background"));
    if (needing.length === 0 || train.masks?.count) return;
    const [term] = needing;
    throw new UserError(
      `none of the ${train.labels.length} images to train on has a mask, which the ${term}-wise ` +
        `constraint (${weightFlag(term)}) needs; of all ${set.train.labels.length} training ` +
        `images ${set.train.masks?.count ?? 0} have one`,
      ExitCode.method,
      "train on more images (--limit), or draw more masks (deno task sift)",
    );
  }

  async baseline(): Promise<StageResult> {
    const { weights, epochs, lr } = this.settings;
    // A resumed run has copied its weights already; the file may have changed since.
    if (weights && !await this.folder.finished("baseline")) {
      this.report.note(`weights from ${weights.path}`);
      loadStateDict(this.network, weights.state, this.runtime, weights.path);
      const state = await stateDict(this.network, this.runtime);
      await this.folder.finish("baseline", { state, history: [], bestEpoch: 0 });
    }
    return await this.trained("baseline", epochs, lr);
  }

  /** Trains on from the baseline's weights without the constraint. */
  async control(baseline: StateDict): Promise<StageResult> {
    return await this.further("control", baseline);
  }

  /** Trains on from the baseline's weights with the constraint. */
  async treated(
    stage: string,
    baseline: StateDict,
    kernels: ReadonlyMap<string, ClassKernels>,
    treatment: Treatment,
  ): Promise<StageResult> {
    const { constraint, theta, imagesPerClass } = treatment;
    const { noise, noiseCopies } = this.settings;
    const penalty = constraintPenalty(this.network, constraint, kernels);
    const settings = { constraint, theta, imagesPerClass, noise, noiseCopies };
    return await this.further(stage, baseline, penalty, settings);
  }

  /** Finds each class's kernels. */
  async diagnose(
    state: StateDict,
    { constraint: { channel: { layers } }, theta, imagesPerClass }: Treatment,
  ): Promise<Examination> {
    const { runtime, network, set, split, report } = this;
    report.stage("diagnose", `${layers.join(", ")}, up to ${imagesPerClass} images a class`);
    const begun = performance.now();
    loadStateDict(network, state, runtime, "the baseline");
    const found = await examine(runtime, network, set, split.train, {
      ...this.settings,
      ...{ layers, theta, imagesPerClass },
      signal: report.signal,
      onProgress: (done, total) => report.looked("diagnose", done, total),
    });
    this.seconds.diagnose = (performance.now() - begun) / 1000;
    const unknown = set.classes.filter((_, k) => found.high[k].length === 0);
    if (unknown.length > 0) {
      report.note(
        `no image of ${unknown.join(", ")} is classified right: their kernels are not known, and ` +
          "the constraint lets them respond wherever they do",
      );
    }
    for (const { layer, classes, channels, mask } of found.layers) {
      const own = mask.reduce((sum, value) => sum + value, 0) / (classes - unknown.length);
      report.note(
        `${layer}: on average ${own.toFixed(1)} of ${channels} kernels are a class's own`,
      );
    }
    return found;
  }

  private async further(
    stage: string,
    baseline: StateDict,
    penalty?: Penalty,
    settings: Settings = {},
  ): Promise<StageResult> {
    const { start, treatEpochs, treatLr } = this.settings;
    if (start === "scratch") resetState(this.network, this.runtime);
    else loadStateDict(this.network, baseline, this.runtime, "the baseline");
    return await this.trained(stage, treatEpochs, treatLr, penalty, { start, ...settings });
  }

  /** @param settings what decides the stage besides the settings of every stage */
  private async trained(
    stage: string,
    epochs: number,
    lr: number,
    penalty?: Penalty,
    settings: Settings = {},
  ): Promise<StageResult> {
    const { folder, network, runtime, set, split, report } = this;
    const { model, batch, seed, optimizer, lrSchedule, momentum, weightDecay } = this.settings;
    const result = await trainStage(runtime, network, folder, {
      ...{ stage, set, epochs, lr, penalty, batch, seed },
      ...{ optimizer, lrSchedule, momentum, weightDecay },
      ...split,
      settings: { model, ...settings },
    }, report);
    this.seconds[stage] = result.history.reduce((sum, { seconds }) => sum + seconds, 0);
    return result;
  }
}

/** What was found, as the penalty takes it: by layer the masks, and the classes that have one. */
export function classKernels({ layers, high }: Examination): Map<string, ClassKernels> {
  const isKnown = high.map((images) => images.length > 0);
  const known = isKnown.every(Boolean)
    ? undefined
    : new Variable("known classes", [isKnown.length, 1], Float32Array.from(isKnown, Number));
  return new Map(layers.map(({ layer, classes, channels, mask, evidence }) => {
    const table = (name: string, values: Float32Array<ArrayBuffer>) =>
      new Variable(`${name} of ${layer}`, [classes, channels], values);
    const background = evidence && table("background kernels", backgroundKernels(evidence));
    return [layer, { known, mask: table("mask", mask), background }];
  }));
}
