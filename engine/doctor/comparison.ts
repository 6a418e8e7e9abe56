/** Baseline, control and treated model side by side, each in the same network in turn. */

import type { DataSet, Split } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import { loadStateDict } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import type { StageResult } from "../run/run_folder.ts";
import { type Observer, partOf } from "../train/observer.ts";
import { type Logits, Predictor, predictSplit } from "../train/predict.ts";
import type { Prediction } from "../train/predictions.ts";
import type { Examination } from "./examine.ts";
import { changedExhibits, doubtfulExhibits, type Exhibits, type Pool } from "./exhibits.ts";
import { makeProbe, type MeasureOptions, type ProbeResults } from "./probes/probes.ts";
import { mapModels, type ModelName, MODELS } from "./result.ts";
import type { TreatReporter } from "./stages.ts";

export interface ComparisonOptions {
  readonly batch: number;
  readonly seed: number;
  readonly measures: MeasureOptions;
  /** The module whose output is the final map that feeds the head. */
  readonly featureLayer: string;
}

/** The three models on the test images. */
export class Comparison {
  constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly set: DataSet,
    private readonly tested: Split,
    private readonly options: ComparisonOptions,
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
