/**
 * The method from end to end: a baseline is trained (or given), diagnosed, and trained on twice
 * from the same weights, once with the constraint and once, as the control, without. Seed, order
 * of images, augmentation and schedule are the same in both, so the constraint is the only
 * difference. A validation split picks the best epoch of each; the test set is used once, at the
 * end.
 */

import { atMost, type DataSet, type Split, trainingSplits } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import { checkStateDict, loadStateDict, type StateDict, stateDict } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { Variable } from "../tensor/tensor.ts";
import { type Accuracy, accuracy, type Prediction, predictions } from "../train/measures.ts";
import { Predictor } from "../train/predict.ts";
import type { RunFolder, StageResult } from "../train/run_folder.ts";
import { type StageReporter, trainStage } from "../train/stage.ts";
import { examine, saveExamination } from "./examine.ts";
import {
  checkConstraint,
  type ConstrainedLayer,
  type ConstraintForm,
  constraintPenalty,
} from "./penalty.ts";
import { type Interval, type McNemar, mcnemar, pairedDifference, wilson } from "./statistics.ts";

export interface TreatOptions {
  /** Epochs of the baseline, unless weights are given. */
  readonly epochs: number;
  /** Further epochs, with and without the constraint. */
  readonly treatEpochs: number;
  readonly batch: number;
  readonly lr: number;
  readonly treatLr: number;
  readonly momentum: number;
  readonly weightDecay: number;
  readonly form: ConstraintForm;
  readonly alpha: number;
  readonly beta: number;
  readonly theta: number;
  readonly imagesPerClass: number;
  /** Names of modules, or "input". */
  readonly layers: readonly string[];
  /** Half width of the feature noise in the diagnosis. */
  readonly noise: number;
  readonly noiseCopies: number;
  readonly seed: number;
  /** Training images to use, before the validation split; all of them where absent. */
  readonly limit?: number;
  /** Test images to use; all of them where absent. */
  readonly testLimit?: number;
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

export interface TestResult extends Accuracy {
  /** Wilson's 95 % interval of the accuracy. */
  readonly interval: Interval;
}

/** A model's place in the comparison. */
export interface Outcome {
  readonly test: TestResult;
  /** Accuracy on the validation split in the epoch that was kept; absent for given weights. */
  readonly validation?: number;
  readonly best_epoch?: number;
}

export interface TreatResult {
  /** Numbers of images. */
  readonly images: Readonly<Record<"train" | "validation" | "test", number>>;
  readonly baseline: Outcome;
  readonly control: Outcome;
  readonly treated: Outcome;
  /** Test accuracy, treated minus control. */
  readonly delta_vs_control: number;
  /** 95 % interval of that difference on the same images. */
  readonly delta_interval: Interval;
  /** Control against treated: b only control right, c only treated right. */
  readonly mcnemar: McNemar;
  /** Wall-clock seconds by stage. */
  readonly seconds: Readonly<Record<string, number>>;
}

/**
 * Finds out before anything is trained or written whether the treatment can be had.
 * @throws UserError (usage) for a layer that is none, (method) for a constraint that can do
 * nothing, (weights) for weights of another model
 */
export function checkTreatment(
  network: Module,
  set: DataSet,
  options: Pick<TreatOptions, "layers" | "form" | "alpha" | "beta" | "weights">,
): void {
  const { layers, weights } = options;
  if (weights) checkStateDict(network, weights.state, weights.path);
  checkConstraint(network, set, layers, options);
}

/** Runs all stages, or what is left of them in a folder that is resumed. See `checkTreatment`. */
export async function treat(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  folder: RunFolder,
  options: TreatOptions,
  report: TreatReporter,
): Promise<TreatResult> {
  return await new Treatment(runtime, network, set, folder, options, report).run();
}

class Treatment {
  private readonly seconds: Record<string, number> = {};
  private readonly split: { readonly train: Split; readonly validation: Split };
  private readonly tested: Split;

  constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly set: DataSet,
    private readonly folder: RunFolder,
    private readonly options: TreatOptions,
    private readonly report: TreatReporter,
  ) {
    this.split = trainingSplits(set, options);
    this.tested = atMost(set.test, options.testLimit, options.seed);
  }

  async run(): Promise<TreatResult> {
    const { alpha, beta } = this.options;
    const baseline = await this.baseline();
    const masks = await this.diagnose(baseline.state);
    const control = await this.further("control", baseline.state, 0, 0, masks);
    const treated = await this.further("treated", baseline.state, alpha, beta, masks);

    this.report.stage(
      "test",
      `${this.tested.labels.length} of ${this.set.test.labels.length} images, not seen before`,
    );
    const begun = performance.now();
    const outcomes = { baseline, control, treated };
    const tested = await this.test(Object.values(outcomes).map(({ state }) => state));
    this.seconds.test = (performance.now() - begun) / 1000;
    const [, first, second] = tested.map((of) => of.map((p) => p.label === p.predicted));
    const comparison = mcnemar(first, second);
    const n = first.length;
    const outcome = (stage: StageResult, of: readonly Prediction[]): Outcome => {
      const test = accuracy(of);
      return {
        test: { ...test, interval: wilson(test.correct, test.total) },
        validation: stage.history[stage.bestEpoch - 1]?.validation.accuracy,
        best_epoch: stage.history.length > 0 ? stage.bestEpoch : undefined,
      };
    };
    return {
      images: {
        train: this.split.train.labels.length,
        validation: this.split.validation.labels.length,
        test: n,
      },
      baseline: outcome(baseline, tested[0]),
      control: outcome(control, tested[1]),
      treated: outcome(treated, tested[2]),
      delta_vs_control: (comparison.c - comparison.b) / n,
      delta_interval: pairedDifference(comparison, n),
      mcnemar: comparison,
      seconds: this.seconds,
    };
  }

  private async baseline(): Promise<StageResult> {
    const { weights, epochs, lr } = this.options;
    // A resumed run has copied its weights already; the file may have changed since.
    if (weights && !await this.folder.finished("baseline")) {
      this.report.note(`weights from ${weights.path}`);
      loadStateDict(this.network, weights.state, this.runtime, weights.path);
      const state = await stateDict(this.network, this.runtime);
      await this.folder.finish("baseline", { state, history: [], bestEpoch: 0 });
    }
    return await this.trained("baseline", epochs, lr);
  }

  /** Trains on from the baseline's weights, with the constraint or, at 0 and 0, without. */
  private async further(
    stage: string,
    baseline: StateDict,
    alpha: number,
    beta: number,
    masks: readonly ConstrainedLayer[],
  ): Promise<StageResult> {
    loadStateDict(this.network, baseline, this.runtime, "the baseline");
    const parameters = [...this.network.namedParameters()].map(([, parameter]) => parameter);
    const penalty = constraintPenalty({
      form: this.options.form,
      layers: masks,
      alpha,
      beta,
      parameters,
    });
    const { treatEpochs, treatLr } = this.options;
    return await this.trained(stage, treatEpochs, treatLr, penalty);
  }

  private async trained(
    stage: string,
    epochs: number,
    lr: number,
    penalty?: ReturnType<typeof constraintPenalty>,
  ): Promise<StageResult> {
    const { folder, network, runtime, set, split, report, options } = this;
    const { batch, momentum, weightDecay, seed, weights, ...rest } = options;
    const result = await trainStage(runtime, network, folder, {
      ...{ stage, set, epochs, lr, penalty, batch, momentum, weightDecay, seed },
      ...split,
      fingerprint: JSON.stringify({ ...rest, weights: weights?.path }),
    }, report);
    this.seconds[stage] = result.history.reduce((sum, { seconds }) => sum + seconds, 0);
    return result;
  }

  /** Finds each class's kernels, writes them down, and returns them for the constraint. */
  private async diagnose(state: StateDict): Promise<ConstrainedLayer[]> {
    const { runtime, network, set, folder, split, report, options } = this;
    const { layers, imagesPerClass } = options;
    report.stage("diagnose", `${layers.join(", ")}, up to ${imagesPerClass} images a class`);
    const begun = performance.now();
    loadStateDict(network, state, runtime, "the baseline");
    const found = await examine(runtime, network, set, split.train, {
      ...options,
      signal: report.signal,
      onProgress: (done, total) => report.looked("diagnose", done, total),
    });
    await saveExamination(folder.path, found);
    this.seconds.diagnose = (performance.now() - begun) / 1000;
    const unknown = set.classes.filter((_, k) => found.high[k].length === 0);
    if (unknown.length > 0) {
      report.note(`no image of ${unknown.join(", ")} is classified right: no kernel is theirs`);
    }
    return found.layers.map(({ layer, classes, channels, mask }) => {
      const own = mask.reduce((sum, value) => sum + value, 0) / classes;
      report.note(
        `${layer}: on average ${own.toFixed(1)} of ${channels} kernels are a class's own`,
      );
      return { layer, mask: new Variable(`mask of ${layer}`, [classes, channels], mask) };
    });
  }

  /** Predictions of several states on the test set. */
  private async test(states: readonly StateDict[]): Promise<Prediction[][]> {
    const { runtime, network, set, options, report } = this;
    const predictor = await Predictor.make(runtime, network, set, this.tested, options.batch);
    try {
      const results: Prediction[][] = [];
      for (const [i, state] of states.entries()) {
        loadStateDict(network, state, runtime, "a finished stage");
        const logits = await predictor.predict({
          signal: report.signal,
          onProgress: (done, n) => report.looked("test", i * n + done, states.length * n),
        });
        results.push(predictions(logits));
      }
      return results;
    } finally {
      predictor.destroy();
    }
  }
}
