/** The models of a trial side by side, each in the same network in turn. */

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
import { BASELINE, mapModels, type OfModels } from "./result.ts";
import type { TreatReporter } from "./stages.ts";

export interface ComparisonOptions {
  readonly batch: number;
  readonly seed: number;
  readonly measures: MeasureOptions;
  /** The module whose output is the final map that feeds the head. */
  readonly featureLayer: string;
}

/** The models on the test images. */
export class Comparison {
  private readonly models: readonly string[];

  /** @param stages the baseline and the arms */
  constructor(
    private readonly runtime: Runtime,
    private readonly network: Module,
    private readonly set: DataSet,
    private readonly tested: Split,
    private readonly options: ComparisonOptions,
    private readonly report: TreatReporter,
    private readonly stages: OfModels<StageResult>,
  ) {
    this.models = Object.keys(stages);
  }

  async predict(): Promise<Record<string, Logits>> {
    const { runtime, network, set, tested, options } = this;
    const predictor = await Predictor.make(runtime, network, set, tested, options.batch);
    try {
      return await this.forEach("test", (observer) => predictor.predict(observer));
    } finally {
      predictor.destroy();
    }
  }

  /** Every probe that was asked for and can be had. */
  async probe(split: Split): Promise<Record<string, ProbeResults>> {
    const { runtime, network, set, options: { batch, seed, measures, featureLayer } } = this;
    const subject = { runtime, network, featureLayer, set, split, batch, seed };
    let results = mapModels(this.models, (): ProbeResults => ({}));
    for (const name of measures.probes) {
      const probe = await makeProbe(name, subject, measures.options);
      if (!probe) continue;
      try {
        const found = await this.forEach(name, (observer) => probe.measure(observer));
        results = mapModels(this.models, (model) => ({ ...results[model], ...found[model] }));
      } finally {
        probe.destroy();
      }
    }
    return results;
  }

  /** The validation images as the baseline sees them. */
  async validation(split: Split): Promise<Pool> {
    const { runtime, network, set, options: { batch }, report: { signal } } = this;
    this.load(BASELINE);
    const logits = await predictSplit(runtime, network, set, split, { batch, signal });
    return { name: "validation", split, logits };
  }

  /**
   * What a report shows of single images; the pools are as the baseline sees them.
   * @param main the arm whose changes are shown
   */
  async exhibit(
    predicted: OfModels<readonly Prediction[]>,
    main: string,
    found: Examination,
    pools: readonly Pool[],
  ): Promise<Exhibits> {
    const { runtime, network, set, tested, options: { batch } } = this;
    const stock = { runtime, set, batch };
    const load = (model: string) => this.load(model);
    const doubtful = await doubtfulExhibits(stock, pools, found.low);
    const shown = await changedExhibits(stock, network, tested, predicted, main, load);
    const { models, changed, tensors } = shown;
    return {
      file: { ...doubtful.file, models, changed },
      tensors: new Map([...doubtful.tensors, ...tensors]),
    };
  }

  /** Does the same with each model, as one piece of work to be watched. */
  private async forEach<T>(
    what: string,
    measure: (observer: Observer) => Promise<T>,
  ): Promise<Record<string, T>> {
    const { report } = this;
    const observer: Observer = {
      signal: report.signal,
      onProgress: (done, total) => report.looked(what, done, total),
    };
    const found: Record<string, T> = {};
    for (const [i, model] of this.models.entries()) {
      this.load(model);
      found[model] = await measure(partOf(observer, i, this.models.length));
    }
    return found;
  }

  private load(model: string): void {
    loadStateDict(this.network, this.stages[model].state, this.runtime, "a finished stage");
  }
}
