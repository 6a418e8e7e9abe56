/** What the commands share: flags, loading of data, models and weights, and progress. */

import { dataSetNames, loadDataSet } from "../engine/data/registry.ts";
import { shapesDefaults } from "../engine/data/shapes.ts";
import type { DataSet } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import { readBytes } from "../engine/io/files.ts";
import { decodeSafetensors } from "../engine/io/safetensors.ts";
import type { Module } from "../engine/nn/module.ts";
import { initialize, type StateDict } from "../engine/nn/state.ts";
import type { EpochRecord, TrainProgress } from "../engine/train/train.ts";
import { RunFolder } from "../engine/train/run_folder.ts";
import { classifier, classifiers } from "../models/registry.ts";
import type { Context } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
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
  correlation: {
    type: "number",
    min: 0,
    max: 1,
    default: shapesDefaults.correlation,
    help: "shapes: how often a training image has its class's own background",
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
  lr: { type: "number", above: 0, default: 0.05, help: "learning rate at the start" },
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
    default: ["last"],
    help: "the layers: last, features, convs, input, or module paths",
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

/** The data set that the flags ask for, with a progress bar where it is downloaded. */
export async function openData(args: DataArgs, signal: AbortSignal): Promise<DataSet> {
  let bar: Progress | undefined;
  let current = "";
  const set = await loadDataSet({
    name: args.data,
    dataDir: args.dataDir,
    shapes: { correlation: args.correlation },
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
  return set;
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
  const { tensors } = decodeSafetensors(await readBytes(path, ExitCode.weights), path);
  return { path, state: tensors };
}

/** Number of trained values. */
export function parameterCount(network: Module): number {
  return [...network.namedParameters()].reduce((sum, [, { size }]) => sum + size, 0);
}

/**
 * The settings of a run: those given, or those that the run to be resumed was started with. The
 * folder is opened when `open` is called, so that a mistake found before leaves nothing behind.
 */
export async function openRun<
  Args extends { model: string; data: string; out?: string; resume?: string },
>(command: string, given: Args): Promise<{ args: Args; open: () => Promise<RunFolder> }> {
  if (given.resume !== undefined) {
    const { folder, config } = await RunFolder.resume(given.resume);
    return { args: config as Args, open: () => Promise.resolve(folder) };
  }
  const open = async () => {
    const base = `runs/${command}-${given.model}-${given.data}`;
    return await RunFolder.create(given.out ?? await RunFolder.firstFree(base), given);
  };
  return { args: given, open };
}

/** Says how to go on where the user stopped a run. */
export function adviseResume(command: string, folder: RunFolder, context: Context): void {
  if (!context.signal.aborted) return;
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

/** The epochs of a training stage as progress bars and lines. */
export class EpochBars {
  private bar: Progress | undefined;
  private epoch = 0;

  constructor(private readonly print: (line: string) => void) {}

  progress(stage: string, p: TrainProgress): void {
    const { batch, epoch, epochs, step, steps, metrics } = p;
    if (!this.bar || this.epoch !== epoch) {
      this.bar?.finish();
      this.epoch = epoch;
      const label = `${stage} ${epoch}/${epochs}`;
      this.bar = new Progress({
        label,
        total: steps * batch,
        unit: "images",
        from: Math.max(0, step - 1) * batch,
      });
    }
    const { accuracy, ...losses } = metrics;
    this.bar.update(step * batch, { ...losses, acc: percent(accuracy, 1) });
  }

  finished(record: EpochRecord): void {
    this.bar?.finish();
    this.bar = undefined;
    const { validation: v, epoch, seconds } = record;
    this.print(
      `  epoch ${epoch}: validation ${percent(v.accuracy)} (loss ${v.loss.toFixed(3)}), ` +
        `${seconds.toFixed(1)} s`,
    );
  }

  /** Leaves the line as it is where the stage ends early. */
  abandon(): void {
    this.bar?.abandon();
    this.bar = undefined;
  }
}
