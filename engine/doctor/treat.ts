/**
 * A trial from end to end: baseline, diagnosis and every arm (see stages.ts), and the comparison of
 * all. The test set is used once, at the end.
 */

import { ACCOUNT, type Account, accountOf } from "../data/account.ts";
import { atMost, type DataSet, type Split, trainingSplits } from "../data/dataset.ts";
import { groupSizes, pairingsOf } from "../data/groups.ts";
import type { Module } from "../nn/module.ts";
import { parameterCount } from "../nn/state.ts";
import type { Runtime } from "../plan/runtime.ts";
import type { RunFolder, StageResult } from "../run/run_folder.ts";
import { type StepSize, stepSize } from "../train/parts.ts";
import { accuracy, isRight, type Prediction, predictions } from "../train/predictions.ts";
import type { ArmName, ArmOptions } from "./arms/arms.ts";
import type { Budget } from "./arms/budget.ts";
import { classMeasures, classScalars, type Times } from "./class_measures.ts";
import { Comparison, type ComparisonOptions } from "./comparison.ts";
import { contrastsOf } from "./contrasts.ts";
import { saveExamination } from "./examine.ts";
import { saveExhibits } from "./exhibits.ts";
import { FINDINGS_FILE } from "./findings/findings.ts";
import { probedSplit, type ProbeResults } from "./probes/probes.ts";
import {
  BASELINE,
  mainArm,
  mapModels,
  type OfModels,
  type Outcome,
  RESULT_VERSION,
  type ResultFile,
} from "./result.ts";
import { wilson } from "./significance.ts";
import { classKernels, Stages, type TreatReporter, type Trial } from "./stages.ts";
import { imagesAtATime, type StageSettings, type Treatment } from "./treatment.ts";
import { evidenceOfImages, verdictOf } from "./verdict.ts";

export interface TreatOptions extends StageSettings, Treatment, ComparisonOptions {
  /** The control first. */
  readonly arms: readonly ArmName[];
  readonly armOptions: ArmOptions;
  /** What is the same for all arms: their steps, or what these cost together. */
  readonly budget: Budget;
  /** Test images to use; all of them where absent. */
  readonly testLimit?: number;
}

/**
 * Runs all stages, or what is left of them in a folder that is resumed, and leaves result.json, the
 * last of its files. What can't be had is found out by `checkTreatment` before.
 * @param network with the starting values of the seed; see `initialize`
 */
export async function treat(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  folder: RunFolder,
  options: TreatOptions,
  report: TreatReporter,
): Promise<ResultFile> {
  await folder.writeJson(ACCOUNT, treatAccount(set, options));
  const { seconds, split, found, models, weights } = await runStages(
    new Stages(runtime, network, set, folder, options, report),
    folder,
    options,
  );
  const tested = atMost(set.test, options.testLimit, options.seed);
  const [n, all] = [tested.labels.length, set.test.labels.length];
  report.stage("test", `${n} of ${all} images, not seen before`);
  const comparison = new Comparison(
    runtime,
    network,
    set,
    tested,
    { ...options, batch: imagesAtATime(options) },
    report,
    models,
  );
  const logits = await timed(seconds, "test", () => comparison.predict());
  const names = Object.keys(models);
  const predicted = mapModels(names, (model) => predictions(logits[model]));
  const { [BASELINE]: _, ...arms } = models;
  const probed = probedSplit(tested, options.measures, options.seed);
  const probes = await timed(seconds, "measure", () => comparison.probe(probed));
  const exhibits = await timed(
    seconds,
    "exhibits",
    async () =>
      comparison.exhibit(predicted, mainArm({ arms }), found, [
        { name: "training", split: split.train, logits: found.logits },
        await comparison.validation(split.validation),
        { name: "test", split: tested, logits: logits[BASELINE] },
      ]),
  );
  await saveExhibits(folder.path, exhibits);
  await folder.writeJson("predictions.json", {
    labels: [...tested.labels],
    ...mapModels(names, (model) => ({
      predicted: predicted[model].map((p) => p.predicted),
      confidence: predicted[model].map((p) => p.confidence),
    })),
  });

  const { model, seed, start, constraint, theta } = options;
  const [train, validation] = [split.train, split.validation].map(({ labels }) => labels.length);
  const result: ResultFile = {
    version: RESULT_VERSION,
    ...{ model, data: set.name, classes: set.classes, seed },
    adapter: runtime.gpu.adapter.name,
    parameters: parameterCount(network),
    ...{ start, constraint, weights, theta },
    images: { train, validation, test: n, probed: probed.labels.length },
    ...compared(set, tested, split.train, models, predicted, probes, options),
    seconds,
  };
  await folder.writeJson("result.json", result);
  return result;
}

/** What of the data a treatment uses. @throws UserError as `trainingSplits` does */
export function treatAccount(set: DataSet, options: TreatOptions): Account {
  const { train, validation } = trainingSplits(set, options);
  const test = atMost(set.test, options.testLimit, options.seed);
  return accountOf(set, { training: train, validation, test });
}

/** Each model's outcome, and the arms against each other. */
function compared(
  set: DataSet,
  tested: Split,
  train: Split,
  models: OfModels<StageResult>,
  predicted: OfModels<readonly Prediction[]>,
  probes: OfModels<ProbeResults>,
  { constraint, seed, ...size }: TreatOptions,
) {
  const [groups, known] = [tested, train].map(pairingsOf);
  const sized = groups && { ...groups, training: known && groupSizes(known) };
  const measured = (model: string, times?: Times) =>
    classMeasures(predicted[model], set.classes.length, sized, times);
  const { [BASELINE]: baseline, ...arms } = mapModels(Object.keys(models), (model): Outcome => {
    const { history, bestEpoch } = models[model];
    const test = accuracy(predicted[model]);
    return {
      test: { ...test, interval: wilson(test.correct, test.total) },
      validation: history[bestEpoch - 1]?.validation.accuracy,
      best_epoch: history.length > 0 ? bestEpoch : undefined,
      steps: history.length * stepsPerEpoch(train.labels.length, size),
      measures: { ...measured(model), probes: probes[model] },
    };
  });
  const right = (model: string) => predicted[model].map(isRight);
  const names = Object.keys(arms);
  const measure = (model: string, times?: Times) => classScalars(measured(model, times));
  const contrasts = contrastsOf(names, right, measure, seed);
  const verdict = verdictOf(names, evidenceOfImages(contrasts), constraint, 1);
  return { groups: groups?.names, baseline, arms, contrasts, verdict };
}

/** A batch that is not full is left out. */
const stepsPerEpoch = (images: number, size: StepSize): number =>
  Math.floor(images / stepSize(size, images).batch);

async function runStages(stages: Stages, folder: RunFolder, options: TreatOptions) {
  stages.requireMasks(options.constraint);
  const baseline = await stages.baseline();
  const found = await stages.diagnose(baseline.state, options);
  await saveExamination(folder.path, found);
  await folder.writeJson(FINDINGS_FILE, await stages.findings(found));
  const kernels = classKernels(found);
  const { treatment, weights } = await stages.weigh(baseline.state, options, kernels);
  const common: Trial = {
    ...{ baseline: baseline.state, treatment, kernels },
    options: options.armOptions,
  };
  const epochs = options.budget === "compute"
    ? await stages.epochsOfCompute(options.arms, common)
    : undefined;
  const trial = { ...common, epochs };
  const models: Record<string, StageResult> = { [BASELINE]: baseline };
  for (const arm of options.arms) models[arm] = await stages.arm(arm, trial);
  const { split, seconds } = stages;
  return { models, weights, split, seconds, found };
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
