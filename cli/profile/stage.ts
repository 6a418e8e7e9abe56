/** The steps that can be profiled, as plans on images made up for the purpose. */

import type { Batches } from "../../engine/data/batch.ts";
import { type DataSet, masksOfAll, type Split } from "../../engine/data/dataset.ts";
import type { Constraint } from "../../engine/doctor/constraint.ts";
import { constraintPenalty } from "../../engine/doctor/penalty.ts";
import { type Module, run } from "../../engine/nn/module.ts";
import { observe } from "../../engine/nn/observe.ts";
import type { Feed, Plan } from "../../engine/plan/plan.ts";
import type { Site } from "../../engine/plan/resources.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import type { Option } from "../../engine/options.ts";
import { Input, Variable } from "../../engine/tensor/tensor.ts";
import { RowCollector } from "../../engine/train/collect.ts";
import type { Penalty } from "../../engine/train/loss.ts";
import type { StepSize } from "../../engine/train/parts.ts";
import { type StepDraft, TrainingStep } from "../../engine/train/step.ts";
import {
  type ClassifierEntry,
  type ClassifierOptions,
  optionsFor,
} from "../../models/classifier.ts";
import { batchFlag, MAX_WEIGHT } from "../train_flags.ts";
import { buildModel } from "../open_model.ts";
import { modelFlags } from "../model_flags.ts";
import { termFlags } from "../constraint_flags.ts";
import { activationsFlag, exactFlag } from "../exact.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { needs } from "../framework/rules.ts";
import { classifierOrFile } from "../model_file.ts";

export const STAGES = ["train", "treat", "eval"] as const;
export type Stage = typeof STAGES[number];

const ofTreat = needs.oneOf("stage", "treat");

/** The images and classes where nothing is said. */
const USUAL: ClassifierOptions = { imageSize: 32, inChannels: 3, numClasses: 10 };
const byDefault = (value: number) => `(default ${value}, or those of the model's file)`;

/** Which step, of which network, on which images. */
export const stageFlags = flagTable({
  ...modelFlags,
  stage: {
    type: "choice",
    choices: STAGES,
    default: "train",
    help: "a training step, one with the constraint, or the evaluation of a batch",
  },
  ...batchFlag,
  ...exactFlag,
  activations: { ...activationsFlag.activations, need: needs.otherThan("stage", "eval") },
  size: {
    type: "integer",
    min: 1,
    max: 1024,
    help: `height and width of the images ${byDefault(USUAL.imageSize)}`,
  },
  channels: {
    type: "integer",
    min: 1,
    max: 1024,
    help: `channels of the images ${byDefault(USUAL.inChannels)}`,
  },
  classes: { type: "integer", min: 2, max: 256, help: `classes ${byDefault(USUAL.numClasses)}` },
  ...Object.fromEntries(
    Object.entries(termFlags).map(([key, flag]) => [
      key,
      { ...flag, need: ofTreat, help: `treat: ${flag.help}` },
    ]),
  ) as Record<string, Option> as typeof termFlags,
  alpha: {
    type: "number",
    min: 0,
    max: MAX_WEIGHT,
    default: 1,
    need: ofTreat,
    help: "treat: weight of the channel-wise constraint",
  },
  beta: {
    type: "number",
    min: 0,
    max: MAX_WEIGHT,
    default: 0,
    need: ofTreat,
    help: "treat: weight of the space-wise constraint",
  },
});

/** A step to be looked at. */
export interface Subject {
  readonly plan: Plan;
  /** The paths of the network's modules, in order. */
  readonly modules: readonly string[];
  /** Whose images the steps have, one batch after the other, and from the first again. */
  readonly split: Split;
  /** Images in a step. */
  readonly batch: number;
  /** What the plan is fed in step `step`; the images of the one after it are read ahead. */
  feeds(step: number): Promise<readonly Feed[]>;
  /** What the runs left: the sums of a training step's losses, or the scores of a batch. */
  read(): Promise<ArrayLike<number>>;
}

export interface ImageOptions {
  /** Height and width. */
  readonly size: number;
  readonly channels: number;
  readonly classes: number;
  readonly batch: number;
}

/** The network that the flags ask for, with images made up for it. */
export async function openMadeUp(args: Values<typeof stageFlags>, seed = 0) {
  const entry = await classifierOrFile(args.model);
  const set = madeUpFor(entry, args);
  return { set, entry, network: buildModel(entry, set, args.width, seed) };
}

type Asked = Partial<ImageOptions> & Pick<ImageOptions, "batch">;

/** Images that a classifier can take. */
export const madeUpFor = (entry: ClassifierEntry, asked: Asked): DataSet =>
  syntheticData(imagesFor(entry, asked));

/** The same before they are made. */
export function imagesFor(
  entry: ClassifierEntry,
  { size, channels, classes, batch }: Asked,
): ImageOptions {
  const asked = { imageSize: size, inChannels: channels, numClasses: classes };
  const { imageSize, inChannels, numClasses } = optionsFor(entry, asked, USUAL);
  return { size: imageSize, channels: inChannels, classes: numClasses, batch };
}

/** One batch of images, augmented as photographs are, with masks for the space-wise constraint. */
export function syntheticData({ size, channels, classes, batch }: ImageOptions): DataSet {
  // Any bytes will do, but zeros would make every activation alike.
  const split = {
    images: repeated(batch * size * size * channels, 4096, (i) => (i * 40503) >> 4),
    labels: Uint16Array.from({ length: batch }, (_, i) => i % classes),
    masks: masksOfAll(repeated(batch * size * size, 8, (i) => i >> 2 & 1 ? 255 : 0), batch),
  };
  return {
    name: "synthetic",
    source: "made up for measurements",
    classes: Array.from({ length: classes }, (_, k) => `${k}`),
    height: size,
    width: size,
    channels,
    mean: new Array(channels).fill(0.5),
    std: new Array(channels).fill(0.25),
    augmentation: { cropPadding: 4, flip: true },
    train: split,
    test: split,
  };
}

/** The bytes of a period, again and again. */
function repeated(length: number, period: number, at: (i: number) => number) {
  const bytes = new Uint8Array(length);
  const first = Math.min(period, length);
  for (let i = 0; i < first; i++) bytes[i] = at(i);
  for (let done = first; done < length; done *= 2) bytes.copyWithin(done, 0, done);
  return bytes;
}

const scoresOf = (network: Module) => ({ images }: Batches) =>
  run(network, images, { training: false }).output;

const stepOptions = (
  stage: Stage,
  network: Module,
  set: DataSet,
  constraint: Constraint,
  size: StepSize,
) => ({
  ...{ ...size, seed: 0, momentum: 0.9, weightDecay: 5e-4 },
  penalty: stage === "treat" ? madeUpPenalty(network, set, constraint) : undefined,
});

/**
 * A step before it is made, on any device or none. Throws as `draft` and `constraintPenalty` do.
 * @param size of the step; of one in parts the set has to hold the images of a part alone
 */
export function draftStage(
  stage: Stage,
  site: Site,
  network: Module,
  set: DataSet,
  constraint: Constraint,
  size: StepSize = { batch: set.train.labels.length },
): StepDraft {
  if (stage === "eval") {
    const { batch, microBatch = batch } = size;
    return {
      ...RowCollector.draft(site, set, set.test, microBatch, scoresOf(network)),
      ...ONE_RUN,
    };
  }
  const options = stepOptions(stage, network, set, constraint, size);
  return TrainingStep.draft(site, network, set, set.train, options);
}

const ONE_RUN = { runs: [1], state: [] };

/**
 * @param most images in a step, where the set has so many; all of them if absent
 * @throws UserError (usage, method) where the constraint can't be had; see `constraintPenalty`
 */
export async function openStage(
  stage: Stage,
  runtime: Runtime,
  network: Module,
  set: DataSet,
  constraint: Constraint,
  most = Infinity,
): Promise<Subject> {
  const split = stage === "eval" ? set.test : set.train;
  const images = split.labels.length;
  const batch = Math.min(most, images);
  const modules = [...network.namedModules()].map(([name]) => name);
  if (stage === "eval") {
    const rows = await RowCollector.make(runtime, set, split, batch, scoresOf(network));
    const rounds = Math.ceil(images / batch);
    return {
      ...{ plan: rows.plan, modules, split, batch },
      feeds: (step) => rows.feeds(0, step % rounds),
      read: () => rows.plan.read("rows").then(([scores]) => scores),
    };
  }
  const options = stepOptions(stage, network, set, constraint, { batch });
  const step = await TrainingStep.make(runtime, network, set, split, options);
  const indices = (k: number) =>
    Uint32Array.from({ length: batch }, (_, i) => (k * batch + i) % images);
  const full = () => 1;
  // At a learning rate of 0 the same work is done, and nothing diverges.
  return {
    ...{ plan: step.plans[0], modules, split, batch },
    feeds: async (k) => (await step.runs(indices(k), k, 0, full, indices(k + 1)))[0].feeds,
    read: () => step.readMetrics().then((sums) => Object.values(sums)),
  };
}

/** The constraint as it is trained on, with masks that give each class every other kernel. */
export function madeUpPenalty(
  network: Module,
  { height, width, channels, classes }: DataSet,
  constraint: Constraint,
): Penalty | undefined {
  const images = new Input("images", [1, height, width, channels]);
  const { layer: output } = observe(network, images, { training: false });
  const kernels = constraint.channel.layers.map((layer) => {
    const shape = [classes.length, output(layer).shape.at(-1)!];
    const values = Float32Array.from({ length: shape[0] * shape[1] }, (_, i) => i % 2);
    return [layer, { mask: new Variable(`mask of ${layer}`, shape, values) }] as const;
  });
  return constraintPenalty(network, constraint, new Map(kernels));
}
