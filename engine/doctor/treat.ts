/**
 * The method from end to end: baseline, diagnosis, control and treatment (see stages.ts), and the
 * comparison of all three. The test set is used once, at the end.
 */

import { atMost, type DataSet, type Split } from "../data/dataset.ts";
import { pairingsOf } from "../data/groups.ts";
import type { Module } from "../nn/module.ts";
import { loadStateDict } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import { accuracy, type Prediction, predictions } from "../train/predictions.ts";
import { type Observer, partOf } from "../train/observer.ts";
import { type Logits, Predictor, predictSplit } from "../train/predict.ts";
import type { RunFolder, StageResult } from "../run/run_folder.ts";
import { type Examination, saveExamination } from "./examine.ts";
import {
  changedExhibits,
  doubtfulExhibits,
  type Exhibits,
  type Pool,
  saveExhibits,
} from "./exhibits.ts";
import { classMeasures } from "./class_measures.ts";
import { makeProbe, type MeasureOptions, probedSplit, type ProbeResults } from "./probes/probes.ts";
import { mapModels, type ModelName, MODELS, type Outcome, type TreatResult } from "./result.ts";
import {
  constrainedLayers,
  type ConstraintSettings,
  Stages,
  type StageSettings,
  type TreatReporter,
} from "./stages.ts";
import { mcnemar, pairedDifference, wilson } from "./significance.ts";

export interface TreatOptions extends StageSettings, ConstraintSettings {
  /** Test images to use; all of them where absent. */
  readonly testLimit?: number;
  readonly measures: MeasureOptions;
  /** The module whose output is the final map that feeds the head. */
  readonly featureLayer: string;
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
  const { seconds, split, found, ...stages } = await runStages(
    new Stages(runtime, network, set, folder, options, report),
    folder,
    options,
  );
  const tested = atMost(set.test, options.testLimit, options.seed);
  const [n, all] = [tested.labels.length, set.test.labels.length];
  report.stage("test", `${n} of ${all} images, not seen before`);
  const comparison = new Comparison(runtime, network, set, tested, options, report, stages);
  const logits = await timed(seconds, "test", () => comparison.predict());
  const predicted = mapModels((model) => predictions(logits[model]));
  const probed = probedSplit(tested, options.measures, options.seed);
  const probes = await timed(seconds, "measure", () => comparison.probe(probed));
  const exhibits = await timed(
    seconds,
    "exhibits",
    async () =>
      comparison.exhibit(predicted, found, [
        { name: "training", split: split.train, logits: found.logits },
        await comparison.validation(split.validation),
        { name: "test", split: tested, logits: logits.baseline },
      ]),
  );
  await saveExhibits(folder.path, exhibits);
  await folder.writeJson("predictions.json", {
    labels: [...tested.labels],
    ...mapModels((model) => ({
      predicted: predicted[model].map((p) => p.predicted),
      confidence: predicted[model].map((p) => p.confidence),
    })),
  });

  const groups = pairingsOf(tested);
  const outcomes = mapModels((model): Outcome => {
    const { history, bestEpoch } = stages[model];
    const test = accuracy(predicted[model]);
    return {
      test: { ...test, interval: wilson(test.correct, test.total) },
      validation: history[bestEpoch - 1]?.validation.accuracy,
      best_epoch: history.length > 0 ? bestEpoch : undefined,
      measures: {
        ...classMeasures(predicted[model], set.classes.length, groups),
        probes: probes[model],
      },
    };
  });
  const right = (of: readonly Prediction[]) => of.map((p) => p.label === p.predicted);
  const test = mcnemar(right(predicted.control), right(predicted.treated));
  return {
    images: {
      train: split.train.labels.length,
      validation: split.validation.labels.length,
      test: n,
      probed: probed.labels.length,
    },
    groups: groups?.names,
    ...outcomes,
    delta_vs_control: (test.c - test.b) / n,
    delta_interval: pairedDifference(test, n),
    mcnemar: test,
    seconds,
  };
}

async function runStages(stages: Stages, folder: RunFolder, options: TreatOptions) {
  stages.requireMasks(options.beta);
  const baseline = await stages.baseline();
  const found = await stages.diagnose(baseline.state, options);
  await saveExamination(folder.path, found);
  const control = await stages.control(baseline.state);
  const masks = constrainedLayers(found);
  const treated = await stages.treated("treated", baseline.state, masks, options);
  const { split, seconds } = stages;
  return { baseline, control, treated, split, seconds, found };
}

/** The three models on the test images. */
class Comparison {
  constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly set: DataSet,
    private readonly tested: Split,
    private readonly options: TreatOptions,
    private readonly report: TreatReporter,
    private readonly stages: Readonly<Record<ModelName, StageResult>>,
  ) {}

  async predict(): Promise<Record<ModelName, Logits>> {
    const { runtime, network, set, tested, options } = this;
    const predictor = await Predictor.make(runtime, network, set, tested, options.batch);
    try {
      return await this.forEach("test", (observer) => predictor.predict(observer));
    } finally {
      predictor.destroy();
    }
  }

  /** Every probe that was asked for and can be had. */
  async probe(split: Split): Promise<Record<ModelName, ProbeResults>> {
    const { runtime, network, set, options: { batch, seed, measures, featureLayer } } = this;
    const subject = { runtime, network, featureLayer, set, split, batch, seed };
    let results = mapModels((): ProbeResults => ({}));
    for (const name of measures.probes) {
      const probe = await makeProbe(name, subject, measures.options);
      if (!probe) continue;
      try {
        const found = await this.forEach(name, (observer) => probe.measure(observer));
        results = mapModels((model) => ({ ...results[model], ...found[model] }));
      } finally {
        probe.destroy();
      }
    }
    return results;
  }

  /** The validation images as the baseline sees them. */
  async validation(split: Split): Promise<Pool> {
    const { runtime, network, set, options: { batch }, report: { signal } } = this;
    this.load("baseline");
    const logits = await predictSplit(runtime, network, set, split, { batch, signal });
    return { name: "validation", split, logits };
  }

  /** What a report shows of single images; the pools are as the baseline sees them. */
  async exhibit(
    predicted: Readonly<Record<ModelName, readonly Prediction[]>>,
    found: Examination,
    pools: readonly Pool[],
  ): Promise<Exhibits> {
    const { runtime, network, set, tested, options: { batch } } = this;
    const stock = { runtime, set, batch };
    const load = (model: ModelName) => this.load(model);
    const doubtful = await doubtfulExhibits(stock, pools, found.low);
    const { changed, tensors } = await changedExhibits(stock, network, tested, predicted, load);
    return {
      file: { ...doubtful.file, changed },
      tensors: new Map([...doubtful.tensors, ...tensors]),
    };
  }

  /** Does the same with each model, as one piece of work to be watched. */
  private async forEach<T>(
    what: string,
    measure: (observer: Observer) => Promise<T>,
  ): Promise<Record<ModelName, T>> {
    const { report } = this;
    const observer: Observer = {
      signal: report.signal,
      onProgress: (done, total) => report.looked(what, done, total),
    };
    const found: Partial<Record<ModelName, T>> = {};
    for (const [i, model] of MODELS.entries()) {
      this.load(model);
      found[model] = await measure(partOf(observer, i, MODELS.length));
    }
    return found as Record<ModelName, T>;
  }

  private load(model: ModelName): void {
    loadStateDict(this.network, this.stages[model].state, this.runtime, "a finished stage");
  }
}

async function timed<T>(
  seconds: Record<string, number>,
  stage: string,
  work: () => Promise<T>,
): Promise<T> {
  const begun = performance.now();
  const result = await work();
  seconds[stage] = (performance.now() - begun) / 1000;
  return result;
}
