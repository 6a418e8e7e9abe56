/** What the commands share: flags, loading of models and weights, and progress. Data: data.ts. */

import type { DataSet } from "../engine/data/dataset.ts";
import { ExitCode, TooLarge, UserError } from "../engine/errors.ts";
import type { Module } from "../engine/nn/module.ts";
import type { AllValues } from "../engine/options.ts";
import { initialize, parameterCount } from "../engine/nn/state.ts";
import type { EpochRecord } from "../engine/train/checkpoint.ts";
import type { TrainProgress } from "../engine/train/options.ts";
import { OPTIMIZERS } from "../engine/train/optimizers/optimizers.ts";
import { LR_SCHEDULES } from "../engine/train/rate.ts";
import { SELECTIONS } from "../engine/train/select.ts";
import { RunFolder, WEIGHTS_FORMATS } from "../engine/run/run_folder.ts";
import { FINISHED_BEFORE } from "../engine/run/stage.ts";
import { type ClassifierEntry, createClassifier } from "../models/classifier.ts";
import { classifierOrFile, isModelFile, isOnnx, modelFileName } from "./model_file.ts";
import { classifiers } from "../models/registry.ts";
import { activationsFlag, exactFlag } from "./exact.ts";
import { microBatchFlag } from "./parts.ts";
import type { Context } from "./framework/command.ts";
import { flagName, type FlagTable, flagTable, parseFlags, type Values } from "./framework/flags.ts";
import type { Forecast } from "./framework/forecast.ts";
import { Progress } from "./framework/progress.ts";
import { labelled } from "../engine/prose.ts";
import { checkRules, needs } from "./framework/rules.ts";

export { dataFlags, masksFlag, openData } from "./data.ts";

/** What may stand for a model: a name, or a file. */
export const modelChoices = {
  choices: classifiers.map(({ name }) => name),
  also: { is: isModelFile, what: "or a file: model.onnx, model.ts" },
};

export const widthFlag = flagTable({
  width: {
    type: "number",
    above: 0,
    max: 8,
    default: 1,
    help: "channels of the classifier's layers, times this (deno task models says which take it)",
  },
});

export const modelFlags = flagTable({
  model: {
    type: "choice",
    ...modelChoices,
    default: "small",
    help: "the classifier",
  },
  ...widthFlag,
});

/** Of the commands that take several. */
export const modelsFlag = (help: string) =>
  flagTable({
    models: {
      type: "list",
      of: "string",
      ...modelChoices,
      what: "model",
      default: ["small"],
      help,
    },
  });

/** Of the commands that train from what a model's file holds. */
export const newHeadFlag = flagTable({
  newHead: {
    type: "boolean",
    need: {
      otherwise: "without a file of ONNX as --model",
      holds: ({ model }) => isOnnx(String(model)),
    },
    help: "a new last layer for the data's classes, in a model from a file of ONNX",
  },
});

const MAX_SEED = 2 ** 32 - 1;

export const seedFlag = flagTable({
  seed: {
    type: "integer",
    min: 0,
    max: MAX_SEED,
    default: 0,
    help: "decides everything random",
  },
});

/** How many seeds, from --seed on. */
export const seedsFlag = <const Default extends number>(of: Default, help: string) =>
  flagTable({
    seeds: {
      type: "integer",
      min: 1,
      max: 1000,
      default: of,
      help,
      rule: ({ seed, seeds }) =>
        Number(seed) + Number(seeds) - 1 > MAX_SEED
          ? `${seeds} from --seed ${seed} on go past the largest seed, ${MAX_SEED}`
          : undefined,
    },
  });

/** A model that is a file of ONNX has weights of its own, unless a part of them is new. */
export const ownWeights = ({ model, newHead }: AllValues): string | undefined =>
  typeof model === "string" && isOnnx(model) && !newHead ? model : undefined;

/** Of the commands that look at a trained network. */
export const weightsFlag = flagTable({
  weights: {
    type: "string",
    value: "FILE",
    required: true,
    follows: ownWeights,
    help: "weights (.safetensors, .pth, .onnx; default those of --model, where it is an .onnx)",
  },
});

export const batchFlag = flagTable({
  batch: { type: "integer", min: 1, max: 65536, default: 64, help: "images in a step" },
});

/** Bounds that no sensible command line meets: beyond them a number is a slip of the hand. */
export const MAX_IMAGES = 1e9, MAX_EPOCHS = 1e5, MAX_WEIGHT = 1e6;

/** Which training images are looked at, and the folder for what is found in them. */
export const trainingImagesFlags = flagTable({
  limit: {
    type: "integer",
    min: 20,
    max: MAX_IMAGES,
    help: "training images to use (default all)",
  },
  validation: {
    type: "number",
    min: 0,
    below: 1,
    default: 0.1,
    help: "share of the training images to leave out, as training did",
  },
  out: {
    type: "string",
    value: "DIR",
    help: "the folder for it (default a new one in runs/)",
    writes: { what: "folder", otherwise: "runs" },
  },
});

export const trainFlags = flagTable({
  ...batchFlag,
  ...microBatchFlag,
  ...seedFlag,
  lr: {
    type: "number",
    above: 0,
    max: 100,
    default: 0.01,
    help: "learning rate at the start",
    // Where a trained network is given, --treat-lr is what is left.
    need: needs.absent("weights"),
  },
  lrSchedule: {
    type: "choice",
    choices: LR_SCHEDULES,
    default: "cosine",
    help: "the learning rate over the epochs: down to 0 along a cosine, or the same in all",
  },
  optimizer: {
    type: "choice",
    choices: OPTIMIZERS.map(({ name }) => name),
    default: "sgd",
    help: "how weights follow gradients: " +
      OPTIMIZERS.map(({ name, help }) => `${name} (${help})`).join(", "),
  },
  momentum: {
    type: "number",
    min: 0,
    below: 1,
    default: 0.9,
    help: "momentum of SGD",
    need: needs.oneOf("optimizer", "sgd"),
  },
  weightDecay: { type: "number", min: 0, max: 1, default: 5e-4, help: "weight decay" },
  validation: {
    type: "number",
    above: 0,
    below: 1,
    default: 0.1,
    help: "share of the training images on which the best epoch is chosen",
  },
  select: {
    type: "choice",
    choices: SELECTIONS,
    default: "accuracy",
    help:
      "which epoch is kept: the best in accuracy, in that of the class that does worst, or the " +
      "last one",
  },
  limit: {
    type: "integer",
    min: 20,
    max: MAX_IMAGES,
    help: "training images to use (default all)",
  },
  ...exactFlag,
  ...activationsFlag,
  out: {
    type: "string",
    value: "DIR",
    help: "the run folder (default a new one in runs/)",
    writes: { what: "folder", otherwise: "runs" },
  },
  resume: {
    type: "string",
    value: "DIR",
    writes: { what: "folder" },
    help: "continue the run in this folder, with its own settings",
  },
});

/** Of the commands that leave weights. */
export const formatFlag = flagTable({
  format: {
    type: "choice",
    choices: WEIGHTS_FORMATS,
    default: "safetensors",
    help: "how weights are written: as .safetensors, or as .pth too, which torch.load takes",
  },
});

/** By what a class's kernels are told. */
export const kernelFlags = flagTable({
  theta: {
    type: "number",
    min: 0,
    max: 1,
    default: 0.2,
    help: "share of a class's strongest response from which a kernel is its own",
  },
  imagesPerClass: {
    type: "integer",
    min: 1,
    max: MAX_IMAGES,
    default: 50,
    help: "images to diagnose a class by",
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
  ...kernelFlags,
  noise: {
    type: "number",
    min: 0,
    max: 1000,
    default: 0,
    help: "half width of feature noise in diagnosis",
  },
  noiseCopies: {
    type: "integer",
    min: 1,
    max: 10000,
    default: 10,
    help: "noisy copies to average over",
    need: needs.nonzero("noise"),
  },
});

export type ModelArgs = Values<typeof modelFlags>;

/** The classifier for a data set, with starting weights: those of its file, or what the seed says. */
export async function openModel(
  { model, width, newHead = false }: ModelArgs & { readonly newHead?: boolean },
  set: DataSet,
  seed: number,
) {
  const head = newHead ? { classes: set.classes.length, seed } : undefined;
  const entry = await classifierOrFile(model, head);
  return { network: buildModel(entry, set, width, seed), entry };
}

/** A classifier for a data set, with the starting weights of a seed. */
export function buildModel(
  entry: ClassifierEntry,
  set: DataSet,
  width: number | undefined,
  seed: number,
): Module {
  const network = createClassifier(entry, {
    inChannels: set.channels,
    numClasses: set.classes.length,
    imageSize: set.height,
    width,
  });
  initialize(network, seed);
  return network;
}

/** A run that is begun or gone on with. */
export interface Run<Args> {
  readonly args: Args;
  /** The folder of a run that is gone on with. */
  readonly resumed?: RunFolder;
  /** Opens the run's folder. Not called before, so that a mistake leaves nothing behind. */
  open(): Promise<RunFolder>;
}

export interface RunOptions {
  /** Flags of each call, which the run does not keep. */
  readonly own?: FlagTable;
  /** Several processes work in it; the first begins it, and the same command finds it. */
  readonly isShared?: boolean;
  /** It is looked into alone: where there is none, none is made. */
  readonly looksOnly?: boolean;
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
  { given: named }: Context,
  { own = {}, isShared = false, looksOnly = false }: RunOptions = {},
): Promise<Run<Values<T>>> {
  const isOwn = ([key]: readonly [string, unknown]) => key in own;
  const [ofCall = [], kept = []] = [true, false].map((wanted) =>
    Object.entries(given).filter((entry) => isOwn(entry) === wanted)
  );
  const begun = given.resume ?? (isShared ? await begunAt(given.out) : undefined);
  if (begun !== undefined) {
    const { folder, config } = await RunFolder.resume(begun);
    const settings = parseConfig(command, flags, config, folder.file("config.json"));
    const isSaid = (key: string) => key in own || (key === "out" && given.out === begun);
    const said = new Set([...named].filter((key) => !isSaid(key)));
    refuseContradictions(flags, said, given, settings, begun);
    const args = { ...settings, ...Object.fromEntries(ofCall) };
    checkRules(own, args, new Set([...named].filter((key) => key in own)));
    return { args, resumed: folder, open: async () => isShared ? folder : await folder.enter() };
  }
  const config = { command, ...Object.fromEntries(kept) };
  const open = async () =>
    looksOnly
      ? await RunFolder.peek(given.out!)
      : isShared
      ? await RunFolder.share(given.out!, config)
      : await RunFolder.create(given.out ?? await freeFolder(command, given), config);
  return { args: given, open };
}

/** The folder of a shared run, where it is begun. @throws UserError (usage) where none is named */
async function begunAt(out: string | undefined): Promise<string | undefined> {
  if (out === undefined) {
    throw new UserError(
      "several processes work in one folder, and none is named",
      ExitCode.usage,
      "name it with --out; --resume does for a run that is begun",
    );
  }
  return await RunFolder.isAt(out) ? out : undefined;
}

/** A folder in runs/ that is not there yet. */
export function freeFolder(command: string, args: { model: string; data: string }) {
  const name = command.replace(" ", "-");
  return RunFolder.firstFree(`runs/${name}-${modelFileName(args.model)}-${args.data}`);
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

/** A flag on the command line that says something else than the run was begun with. */
function refuseContradictions<T extends FlagTable>(
  flags: T,
  named: ReadonlySet<string>,
  given: Values<T>,
  settings: Values<T>,
  folder: string,
): void {
  for (const key of Object.keys(flags)) {
    const [wanted, has] = [given[key], settings[key]].map((value) => value && String(value));
    if (key === "resume" || !named.has(key) || wanted === has) continue;
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
  if (error instanceof TooLarge) return;
  context.print(`\nstopped; continue with: deno task ${command} --resume ${folder.path}`);
}

/** The first lines: which network, on which data, and where what comes of it goes, if anywhere. */
export function introduce(
  print: (line: string) => void,
  model: string,
  network: Module,
  set: DataSet,
  adapter: string,
  folder?: string,
): void {
  print(`model    ${model}, ${parameterCount(network).toLocaleString("en")} parameters`);
  for (const note of network.notes()) print(labelled("", note));
  print(labelled("data", `${set.name}: ${set.source}`));
  print(`adapter  ${adapter}`);
  if (folder !== undefined) print(`folder   ${folder}`);
}

export const percent = (share: number, digits = 2) => `${(100 * share).toFixed(digits)} %`;

/** The share of an epoch's time that is told if images were waited for in it. */
const WORTH_TELLING = 0.05;

/** What goes on in a stage, as a progress bar that ends as a line: an epoch, a look at images. */
export class StageBars {
  private bar: Progress | undefined;
  private label = "";
  private metrics: Readonly<Record<string, number | string>> = {};

  /**
   * @param context is told as soon as there is work to lose
   * @param forecast of the whole run, where it has several stages
   */
  constructor(private readonly context: Context, private readonly forecast?: Forecast) {}

  /** A stage begins, or was finished before. */
  stage(name: string, what: string): void {
    this.forecast?.stage(name, what === FINISHED_BEFORE);
  }

  progress(stage: string, p: TrainProgress): void {
    const { batch, epoch, epochs, step, steps, metrics } = p;
    const bar = this.show(`${stage} ${epoch}/${epochs}`, step * batch, steps * batch);
    if (Object.keys(metrics).length === 0) {
      this.forecast?.epoch(epoch, epochs);
      return;
    }
    this.context.working();
    const { loss, accuracy, ...terms } = metrics;
    this.metrics = { loss, acc: percent(accuracy, 1), ...terms };
    bar.update(step * batch, this.metrics);
  }

  /** Ends an epoch's line with what the validation says. */
  epoch({ stage, seconds, waited = 0, validation: { accuracy, loss } }: EpochRecord): void {
    this.bar?.finish({
      ...this.metrics,
      ...{ "val loss": loss, "val acc": percent(accuracy, 1) },
      ...waited > WORTH_TELLING * seconds && { "waited for images": percent(waited / seconds, 0) },
    });
    this.forecast?.took(stage, 1000 * seconds);
    this.bar = undefined;
  }

  /** Images that are looked at without training on them. */
  looked(stage: string, done: number, total: number): void {
    this.context.working();
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
      const rest = (whole: number) => this.forecast?.rest(whole) ?? 0;
      this.bar = new Progress({ label, total, from, unit: "images", rest });
    }
    return this.bar;
  }
}
