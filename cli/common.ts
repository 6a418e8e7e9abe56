/** What the commands share: flags, loading of data, models and weights, and progress. */

import { withMaskFiles } from "../engine/data/mask_files.ts";
import { dataSetNames, loadDataSet } from "../engine/data/registry.ts";
import { compositeDefaults, figureSets } from "../engine/data/composite.ts";
import { shapesDefaults } from "../engine/data/shapes.ts";
import type { DataSet } from "../engine/data/dataset.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { readWeights } from "../engine/io/weights.ts";
import type { Module } from "../engine/nn/module.ts";
import { initialize, type StateDict } from "../engine/nn/state.ts";
import type { EpochRecord, TrainProgress } from "../engine/train/train.ts";
import { RunFolder } from "../engine/train/run_folder.ts";
import { classifier, classifiers } from "../models/registry.ts";
import type { Context } from "./framework/command.ts";
import { flagName, type FlagTable, flagTable, parseFlags, type Values } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";

const modelNames = classifiers.map(({ name }) => name);

export const modelFlags = flagTable({
  model: { type: "choice", choices: modelNames, default: "small", help: "the classifier" },
});

export const dataFlags = flagTable({
  data: { type: "choice", choices: dataSetNames, default: "shapes", help: "the data set" },
  dataDir: {
    type: "string",
    value: "DIR",
    help: "the folder with its files; without it they are downloaded (shapes needs none)",
  },
  masks: {
    type: "string",
    value: "DIR",
    help: "a folder with masks for some images (LabelMe's .json, or .png); see deno task sift",
  },
  size: {
    type: "integer",
    min: 8,
    max: 1024,
    help: "pixels of the images along a side (default the set's own)",
  },
  correlation: {
    type: "number",
    min: -1,
    max: 1,
    help: "shapes and composite: how often a training image has its class's own background " +
      `(default ${shapesDefaults.correlation} and ${compositeDefaults.correlation})`,
  },
  testCorrelation: {
    type: "number",
    min: -1,
    max: 1,
    help: "the same for test images; below 0 how often another class's (default 0)",
  },
  figures: {
    type: "choice",
    choices: figureSets,
    default: figureSets[0],
    help: "composite: what stands on images of CIFAR-10",
  },
});

export const seedFlag = flagTable({
  seed: {
    type: "integer",
    min: 0,
    max: 2 ** 32 - 1,
    default: 0,
    help: "decides everything random",
  },
});

export const batchFlag = flagTable({
  batch: { type: "integer", min: 1, default: 64, help: "images in a step" },
});

export const trainFlags = flagTable({
  ...batchFlag,
  ...seedFlag,
  lr: { type: "number", above: 0, default: 0.01, help: "learning rate at the start" },
  momentum: { type: "number", min: 0, below: 1, default: 0.9, help: "momentum of SGD" },
  weightDecay: { type: "number", min: 0, default: 5e-4, help: "weight decay of SGD" },
  validation: {
    type: "number",
    above: 0,
    below: 1,
    default: 0.1,
    help: "share of the training images on which the best epoch is chosen",
  },
  limit: { type: "integer", min: 20, help: "training images to use (default all)" },
  out: { type: "string", value: "DIR", help: "the run folder (default a new one in runs/)" },
  resume: {
    type: "string",
    value: "DIR",
    help: "continue the run in this folder, with its own settings",
  },
});

export const diagnosisFlags = flagTable({
  layer: {
    type: "list",
    of: "string",
    default: ["features"],
    help: "the layers: features (what feeds the head), last (convolution), convs, input, or " +
      "module paths and globs",
  },
  theta: {
    type: "number",
    min: 0,
    max: 1,
    default: 0.2,
    help: "share of a class's strongest response from which a kernel is its own",
  },
  imagesPerClass: { type: "integer", min: 1, default: 50, help: "images to diagnose a class by" },
  noise: { type: "number", min: 0, default: 0, help: "half width of feature noise in diagnosis" },
  noiseCopies: { type: "integer", min: 1, default: 10, help: "noisy copies to average over" },
});

export type DataArgs = Values<typeof dataFlags>;
export type ModelArgs = Values<typeof modelFlags>;

/** The entries that have a value. */
const defined = <T extends object>(of: T) =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as Partial<T>;

/** The data set that the flags ask for, with a progress bar where it is downloaded. */
export async function openData(args: DataArgs, signal: AbortSignal): Promise<DataSet> {
  let bar: Progress | undefined;
  let current = "";
  const set = await loadDataSet({
    name: args.data,
    dataDir: args.dataDir,
    size: args.size,
    shapes: defined({ correlation: args.correlation, testCorrelation: args.testCorrelation }),
    composite: defined({
      correlation: args.correlation,
      testCorrelation: args.testCorrelation,
      figures: args.figures,
    }),
    onProgress: ({ file, bytes, total }) => {
      if (file !== current) {
        bar?.finish();
        current = file;
        bar = new Progress({ label: `download ${file}`, total: total ?? bytes, unit: "bytes" });
      }
      bar?.update(bytes, {});
      signal.throwIfAborted();
    },
  });
  bar?.finish();
  return args.masks === undefined ? set : await withMaskFiles(set, args.masks);
}

/** The classifier for a data set, with starting weights that follow from the seed. */
export function openModel(name: string, set: DataSet, seed: number) {
  const entry = classifier(name);
  const network = entry.create({
    inChannels: set.channels,
    numClasses: set.classes.length,
    imageSize: set.height,
  });
  initialize(network, seed);
  return { network, entry };
}

export async function openWeights(path: string): Promise<{ path: string; state: StateDict }> {
  return { path, state: await readWeights(path) };
}

/** Number of trained values. */
export function parameterCount(network: Module): number {
  return [...network.namedParameters()].reduce((sum, [, { size }]) => sum + size, 0);
}

/** A run that is begun or gone on with. */
export interface Run<Args> {
  readonly args: Args;
  /** The folder of a run that is gone on with. */
  readonly resumed?: RunFolder;
  /** Opens the run's folder. Not called before, so that a mistake leaves nothing behind. */
  open(): Promise<RunFolder>;
}

/**
 * The run that the flags ask for: a new one, or with --resume one that was begun before, with the
 * settings that it was begun with.
 * @throws UserError (usage) where a flag contradicts those, (io) where there is no such run
 */
export async function openRun<T extends FlagTable>(
  command: string,
  flags: T,
  given: Values<T> & { model: string; data: string; out?: string; resume?: string },
): Promise<Run<Values<T>>> {
  if (given.resume !== undefined) {
    const { folder, config } = await RunFolder.resume(given.resume);
    const args = parseConfig(command, flags, config, folder.file("config.json"));
    refuseContradictions(flags, given, args, given.resume);
    return { args, resumed: folder, open: () => Promise.resolve(folder) };
  }
  const open = async () => {
    const path = given.out ?? await freeFolder(command, given);
    return await RunFolder.create(path, { command, ...given });
  };
  return { args: given, open };
}

/** A folder in runs/ that is not there yet. */
export function freeFolder(command: string, args: { model: string; data: string }) {
  return RunFolder.firstFree(`runs/${command}-${args.model}-${args.data}`);
}

/** The settings in a run's config.json, read as the flags that they once were. */
function parseConfig<T extends FlagTable>(
  command: string,
  flags: T,
  config: unknown,
  path: string,
): Values<T> {
  const { command: of, ...settings } = Object(config);
  if (of !== command) {
    throw new UserError(
      `${path} is of no run of ${command}`,
      ExitCode.usage,
      of && `continue it with deno task ${of} --resume`,
    );
  }
  try {
    return parseFlags(
      flags,
      Object.entries(settings).map(([key, value]) => `${flagName(key)}=${value}`),
    );
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    throw new UserError(`${path}: ${error.message}`, ExitCode.io);
  }
}

function refuseContradictions<T extends FlagTable>(
  flags: T,
  given: Values<T>,
  settings: Values<T>,
  folder: string,
): void {
  for (const [key, flag] of Object.entries(flags)) {
    const [wanted, has] = [given[key], settings[key]].map((value) => value && String(value));
    const isDefault = wanted === (flag.default && String(flag.default));
    if (key === "resume" || isDefault || wanted === has) continue;
    throw new UserError(
      `${flagName(key)} ${wanted} contradicts the run in ${folder}, which was begun ` +
        (has === undefined ? `without ${flagName(key)}` : `with ${flagName(key)} ${has}`),
      ExitCode.usage,
      "leave it out to continue that run, or begin another one without --resume",
    );
  }
}

/** Says how to go on where a run ended early for a reason that may be gone the next time. */
export function adviseResume(
  command: string,
  folder: RunFolder,
  context: Context,
  error: unknown,
): void {
  const passing: ExitCode[] = [ExitCode.interrupted, ExitCode.io, ExitCode.gpu];
  if (!(error instanceof UserError) || !passing.includes(error.exitCode)) return;
  context.print(`\nstopped; continue with: deno task ${command} --resume ${folder.path}`);
}

/** The first lines of a run: what is trained on what, and where it goes. */
export function introduce(
  print: (line: string) => void,
  model: string,
  network: Module,
  set: DataSet,
  adapter: string,
  folder: string,
): void {
  print(`model    ${model}, ${parameterCount(network).toLocaleString("en")} parameters`);
  print(`data     ${set.name}: ${set.source}`);
  print(`adapter  ${adapter}`);
  print(`folder   ${folder}`);
}

export const percent = (share: number, digits = 2) => `${(100 * share).toFixed(digits)} %`;

/** What goes on in a stage, as a progress bar that ends as a line: an epoch, a look at images. */
export class StageBars {
  private bar: Progress | undefined;
  private label = "";
  private metrics: Readonly<Record<string, number | string>> = {};

  progress(stage: string, p: TrainProgress): void {
    const { batch, epoch, epochs, step, steps, metrics } = p;
    const bar = this.show(`${stage} ${epoch}/${epochs}`, step * batch, steps * batch);
    if (Object.keys(metrics).length === 0) return;
    const { loss, accuracy, ...terms } = metrics;
    this.metrics = { loss, acc: percent(accuracy, 1), ...terms };
    bar.update(step * batch, this.metrics);
  }

  /** Ends an epoch's line with what the validation says. */
  epoch({ validation: { accuracy, loss } }: EpochRecord): void {
    this.bar?.finish({ ...this.metrics, "val loss": loss, "val acc": percent(accuracy, 1) });
    this.bar = undefined;
  }

  /** Images that are looked at without training on them. */
  looked(stage: string, done: number, total: number): void {
    this.show(stage, 0, total).update(done);
    if (done < total) return;
    this.bar?.finish();
    this.bar = undefined;
  }

  /** Takes the line away where the stage ends early. */
  abandon(): void {
    this.bar?.abandon();
    this.bar = undefined;
  }

  private show(label: string, from: number, total: number): Progress {
    if (!this.bar || this.label !== label) {
      this.label = label;
      this.bar = new Progress({ label, total, from, unit: "images" });
    }
    return this.bar;
  }
}
