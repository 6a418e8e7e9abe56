/**
 * The stages of a trial in a run folder. A baseline is trained (or given) and diagnosed, and then
 * each arm trains on (or anew) from the same weights, such as with the constraint or, as the
 * control, without. Seed, order of images, augmentation and schedule are the same in all, so what
 * its recipe changes is an arm's only difference. A validation split picks the best epoch of each.
 */

import { type DataSet, type Split, trainingSplits } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readJson } from "../io/files.ts";
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
import { epochsInWords } from "../train/schedule.ts";
import type { Recipe } from "./arms/arm.ts";
import { costsSchema, epochsFor, stepSeconds } from "./arms/budget.ts";
import { type ArmName, type ArmOptions, recipeOf } from "./arms/arms.ts";
import { type Examination, examine, withoutKernels, withoutKernelsInWords } from "./examine.ts";
import { CONTROL } from "./contrasts.ts";
import { type Constraint, termsOf, weightInWords, type Weights } from "./constraint.ts";
import { evidenceOf } from "./findings/evidence.ts";
import { type FindingsFile, findingsOf } from "./findings/findings.ts";
import type { ClassKernels } from "./forms/form.ts";
import { formOf } from "./forms/forms.ts";
import { checkConstraint } from "./penalty.ts";
import { measureRatios, weighed } from "./ratio.ts";
import { weightFlag } from "./terms.ts";
import { imagesAtATime, type StageSettings, type Treatment } from "./treatment.ts";

/** What is told while it runs. */
export interface TreatReporter extends StageReporter {
  note(text: string): void;
  /** Images that were looked at without training on them. */
  looked(stage: string, done: number, total: number): void;
  /** What is wrong with the baseline. */
  found?(findings: FindingsFile): void;
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

/** What the arms of a trial share. */
export interface Trial {
  /** The weights that all arms come from. */
  readonly baseline: StateDict;
  readonly treatment: Treatment;
  /** What the diagnosis found; see `classKernels`. */
  readonly kernels: ReadonlyMap<string, ClassKernels>;
  readonly options: ArmOptions;
  /** How long an arm is trained, where it is not as long as all others. */
  readonly epochs?: Readonly<Record<string, number>>;
}

const COSTS = "costs.json";

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
    split: Stages["split"] = trainingSplits(set, settings),
  ) {
    this.split = split;
  }

  /** The same in another folder. */
  in(folder: RunFolder): Stages {
    const { runtime, network, set, settings, report, split } = this;
    return new Stages(runtime, network, set, folder, settings, report, split);
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
    const { weights, epochs, lr, format } = this.settings;
    // A resumed run has copied its weights already; the file may have changed since.
    if (weights && !await this.folder.finished("baseline")) {
      this.report.note(`weights from ${weights.path}`);
      loadStateDict(this.network, weights.state, this.runtime, weights.path);
      const state = await stateDict(this.network, this.runtime);
      const result = { state, history: [], bestEpoch: 0 };
      await this.folder.finish("baseline", result, format, this.network.files(state));
    }
    return await this.trained("baseline", epochs, lr);
  }

  /**
   * Trains an arm: on from the baseline's weights, or anew.
   * @param stage its name in the folder, where that is another
   */
  async arm(name: ArmName, trial: Trial, stage: string = name): Promise<StageResult> {
    const { start, treatEpochs, treatLr } = this.settings;
    const isFinished = await this.folder.finished(stage) !== undefined;
    const { note, ...changes } = isFinished ? {} : await this.recipe(name, trial);
    this.begin(trial.baseline);
    if (note !== undefined) this.report.note(`${stage}: ${note}`);
    return await this.trained(stage, trial.epochs?.[name] ?? treatEpochs, treatLr, {
      ...changes,
      settings: { start, ...changes.settings },
    });
  }

  /**
   * How many epochs each arm is trained for where all get as much computing as the dearest. What
   * steps cost is timed once and kept in the folder.
   */
  async epochsOfCompute(
    arms: readonly ArmName[],
    trial: Trial,
  ): Promise<Readonly<Record<string, number>>> {
    const { runtime, network, set, split, folder, settings, report } = this;
    const { batch, microBatch, seed, optimizer, momentum, weightDecay } = settings;
    const { treatEpochs, treatLr: lr } = settings;
    const size = { batch, microBatch };
    const common = { set, ...split, lr, ...size, seed, optimizer, momentum, weightDecay };
    const path = folder.file(COSTS);
    if (!await fileExists(path)) {
      const costs: Record<string, number> = {};
      for (const arm of arms) {
        const recipe = await this.recipe(arm, trial);
        this.begin(trial.baseline);
        costs[arm] = await stepSeconds(runtime, network, { ...common, ...recipe });
      }
      await folder.writeJson(COSTS, costs);
    }
    const costs = await readJson(path, costsSchema);
    const epochs = epochsFor(costs, treatEpochs);
    for (const arm of arms) {
      const relative = (costs[arm] / costs[CONTROL]).toFixed(1);
      report.note(
        `${arm}: a step takes ${relative} times the control's, so ${epochsInWords(epochs[arm])}`,
      );
    }
    return epochs;
  }

  /** What an arm does otherwise. */
  private async recipe(name: ArmName, { options, ...common }: Trial): Promise<Recipe> {
    const { runtime, network, set, split, settings, report: { signal } } = this;
    this.begin(common.baseline);
    return await recipeOf(
      name,
      { runtime, network, set, split, settings, signal, ...common },
      options,
    );
  }

  /**
   * What a treatment's ratios come to at the weights that all arms start from.
   * @returns the treatment with weights in their place, and these
   */
  async weigh(
    baseline: StateDict,
    treatment: Treatment,
    kernels: ReadonlyMap<string, ClassKernels>,
  ): Promise<{ readonly treatment: Treatment; readonly weights: Weights }> {
    const { runtime, network, set, split, settings, report } = this;
    const { constraint } = treatment;
    this.begin(baseline);
    const site = { runtime, network, set, split, settings };
    const weights = await measureRatios(site, constraint, kernels);
    for (const term of termsOf(constraint)) {
      if (weights[term] === undefined) continue;
      report.note(`${term}-wise: ${weightInWords(constraint[term], weights[term])}`);
    }
    return { treatment: { ...treatment, constraint: weighed(constraint, weights) }, weights };
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
      ...{ layers, theta, imagesPerClass, batch: imagesAtATime(this.settings) },
      signal: report.signal,
      onProgress: (done, total) => report.looked("diagnose", done, total),
    });
    this.seconds.diagnose = (performance.now() - begun) / 1000;
    const unknown = withoutKernels(set.classes, found.high.map(({ length }) => length));
    const why = withoutKernelsInWords(unknown);
    if (why) report.note(`${why}, and the constraint lets them respond wherever they do`);
    for (const { layer, classes, channels, mask } of found.layers) {
      const own = mask.reduce((sum, value) => sum + value, 0) / (classes - unknown.length);
      report.note(
        `${layer}: on average ${own.toFixed(1)} of ${channels} kernels are a class's own`,
      );
    }
    return found;
  }

  /** What is wrong with the network that was just diagnosed, or its data. */
  async findings(found: Examination): Promise<FindingsFile> {
    const { runtime, network, set, split, report, settings } = this;
    const begun = performance.now();
    const { seed } = settings;
    const patient = { runtime, network, set, batch: imagesAtATime(settings), seed };
    const evidence = await evidenceOf(
      { ...patient, training: split.train, heldOut: split.validation },
      found,
      {
        signal: report.signal,
        onProgress: (done, total) => report.looked("findings", done, total),
      },
    );
    const findings = findingsOf(evidence);
    this.seconds.findings = (performance.now() - begun) / 1000;
    report.found?.(findings);
    return findings;
  }

  /** Puts the network into the state that every arm starts from. */
  private begin(baseline: StateDict): void {
    const { network, runtime, settings: { start } } = this;
    if (start === "scratch") resetState(network, runtime);
    else loadStateDict(network, baseline, runtime, "the baseline");
  }

  private async trained(
    stage: string,
    epochs: number,
    lr: number,
    { settings, ...recipe }: Recipe = {},
  ): Promise<StageResult> {
    const { folder, network, runtime, set, split, report } = this;
    const { model, batch, microBatch, seed, select, format } = this.settings;
    const { optimizer, lrSchedule, momentum, weightDecay } = this.settings;
    const result = await trainStage(runtime, network, folder, {
      ...{ stage, set, epochs, lr, batch, microBatch, seed, select, format },
      ...{ optimizer, lrSchedule, momentum, weightDecay },
      ...split,
      ...recipe,
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
  return new Map(layers.map(({ layer, classes, channels, mask }) => [
    layer,
    { known, mask: new Variable(`mask of ${layer}`, [classes, channels], mask) },
  ]));
}
