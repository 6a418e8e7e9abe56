/** Which data set a command works on: the flags, and loading it. */

import { compositeDefaults, figureSets } from "../engine/data/composite.ts";
import { COLOURS, type DataSet } from "../engine/data/dataset.ts";
import { withMaskFiles } from "../engine/data/mask_files.ts";
import { VAL_USES } from "../engine/data/division.ts";
import { LAYOUTS } from "../engine/data/folder_layout.ts";
import { RESIZE_MODES } from "../engine/data/fit.ts";
import { isNormalised, NORMALISE_FLAGS } from "../engine/data/normalise.ts";
import { Notes } from "../engine/data/notes.ts";
import {
  computedSets,
  correlatedSets,
  dataSetNames,
  figureChoices,
  folderSets,
  imageFileSets,
  loadDataSet,
} from "../engine/data/registry.ts";
import { shapesDefaults } from "../engine/data/shapes.ts";
import { shortcutDefaults } from "../engine/data/shortcut.ts";
import { classifierOrFile, isOnnx } from "./model_file.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";
import { needs } from "./framework/rules.ts";
import { type TrainedWith, trainedWith } from "./trained_with.ts";

const inFiles = needs.oneOf("data", ...imageFileSets);
const inFolders = needs.oneOf("data", ...folderSets);
const madeUp = needs.oneOf("data", ...correlatedSets);

export const dataFlags = flagTable({
  data: { type: "choice", choices: dataSetNames, default: "shapes", help: "the data set" },
  dataDir: {
    type: "string",
    value: "DIR",
    need: needs.otherThan("data", ...computedSets),
    help: "the folder with its files, or shards (webdataset); without it they are downloaded " +
      `(not wanted by ${computedSets.join(" and ")})`,
  },
  size: {
    type: "integer",
    min: 8,
    max: 1024,
    help: "pixels of the images along a side (default the set's own)",
  },
  mean: {
    type: "list",
    of: "number",
    min: -1000,
    max: 1000,
    repeats: true,
    help:
      "of the images, by channel or one for all: the network's input is (byte / scale - mean) " +
      "/ std (default the set's own, ImageNet's for image folders, or those of the run that the " +
      "weights are from)",
  },
  std: {
    type: "list",
    of: "number",
    repeats: true,
    above: 0,
    max: 1000,
    help: "the same for the standard deviation",
  },
  scale: {
    type: "number",
    above: 0,
    max: 65535,
    help: "what a byte is divided by (default 255); with it, mean and std are 0 and 1 unless given",
  },
  colour: {
    type: "choice",
    choices: COLOURS,
    help:
      "the order of an image's colours in the network's input, and so of --mean and --std: bgr " +
      "for networks from Caffe and OpenCV (default rgb, or that of the run that the weights are " +
      "from)",
  },
  resizeMode: {
    type: "choice",
    choices: RESIZE_MODES,
    need: inFiles,
    help: "image folders: how an image becomes square, stretched, its middle, or the whole with " +
      "bars (default stretch)",
  },
  layout: {
    type: "choice",
    choices: LAYOUTS,
    need: inFolders,
    help: "image folders: what the folders are, classes or parts (train, val, test) with classes " +
      "in them (default what they look like)",
  },
  testShare: {
    type: "number",
    above: 0,
    below: 1,
    need: inFiles,
    help: "image folders without a test part: the share of each class that is set apart for it " +
      "(default one in six)",
  },
  valFor: {
    type: "choice",
    choices: VAL_USES,
    need: inFiles,
    help: "image folders with a val part and no test part: what it is for; both, half of it " +
      "chooses the epoch and half is the test (default test)",
  },
  outside: {
    type: "boolean",
    need: inFolders,
    help: "image folders with a table: let it name files outside of the folder",
  },
  correlation: {
    type: "number",
    min: -1,
    max: 1,
    need: madeUp,
    help: "sets that are made here: how often a training image has its class's own background, " +
      `or shortcut (default ${shapesDefaults.correlation} of shapes, ` +
      `${compositeDefaults.correlation} of composite, ${shortcutDefaults.correlation} of the ` +
      "decoys and colour-mnist, 0.6 and 0.8 in turns of cmnist)",
  },
  testCorrelation: {
    type: "number",
    min: -1,
    max: 1,
    need: madeUp,
    help:
      "the same for test images; below 0 how often another class's (default 0; of cmnist -0.8, " +
      "of colour-mnist the classes have each other's)",
  },
  figures: {
    type: "choice",
    choices: figureSets,
    need: needs.oneOf("data", ...figureChoices),
    help: `${figureChoices.join(", ")}: whose figures they are (default mnist, of composite ` +
      `${figureSets[0]})`,
  },
});

/** Of the commands for which it makes a difference where the figure is. */
export const masksFlag = flagTable({
  masks: {
    type: "string",
    value: "DIR",
    help: "a folder with masks for some images (LabelMe's .json, or .png); see deno task sift",
  },
});

export type DataArgs = Values<typeof dataFlags>;

/** The entries that have a value. */
const defined = <T extends object>(of: T) =>
  Object.fromEntries(Object.entries(of).filter(([, value]) => value !== undefined)) as Partial<T>;

/**
 * The data set that the flags ask for, with a progress bar where it is downloaded. Where images are
 * to be looked at by weights of a run, they are prepared as that run did.
 * @param resumed the folder of a run that is gone on with
 */
export async function openData(
  args: DataArgs & { readonly weights?: string; readonly masks?: string } & {
    readonly model?: string | readonly string[];
  },
  signal: AbortSignal,
  resumed?: string,
): Promise<DataSet> {
  const origin = resumed ?? args.weights;
  const before = origin === undefined ? undefined : await trainedWith(origin);
  const size = args.size ?? await sizeOf([args.model ?? []].flat());
  const set = await load({ ...args, size }, signal, before);
  return args.masks === undefined ? set : await withMaskFiles(set, args.masks);
}

/** The size of images that models in files want, where one does. */
async function sizeOf(models: readonly string[]): Promise<number | undefined> {
  const entries = await Promise.all(models.filter(isOnnx).map((model) => classifierOrFile(model)));
  return entries.find(({ fixed }) => fixed?.imageSize)?.fixed?.imageSize;
}

async function load(args: DataArgs, signal: AbortSignal, before?: TrainedWith): Promise<DataSet> {
  const isInFiles = imageFileSets.includes(args.data);
  const correlations = defined({
    correlation: args.correlation,
    testCorrelation: args.testCorrelation,
  });
  let bar: Progress | undefined;
  let current = "";
  const set = await loadDataSet({
    name: args.data,
    // Of a table's data sets some may be read from there, and others made.
    dataDir: computedSets.includes(args.data) ? undefined : args.dataDir,
    size: args.size ?? (isInFiles ? before?.size : undefined),
    normalise: { mean: args.mean, std: args.std, scale: args.scale, colour: args.colour },
    folder: defined({
      resizeMode: args.resizeMode ?? before?.resizeMode,
      layout: args.layout,
      testShare: args.testShare,
      valFor: args.valFor,
      outside: args.outside,
    }),
    ...{ shapes: correlations, composite: correlations, shortcut: correlations },
    figures: args.figures,
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
  return before ? asBefore(set, args, before) : set;
}

/** The set with the normalisation of an earlier run, unless flags ask for another. */
function asBefore(set: DataSet, args: DataArgs, { path, mean, std, colour }: TrainedWith): DataSet {
  const same = (a: readonly number[], b: readonly number[]) =>
    a.length === b.length && a.every((value, i) => value === b[i]);
  if (same(mean, set.mean) && same(std, set.std) && colour === set.colour) return set;
  const notes = set.notes?.copy() ?? new Notes();
  if (isNormalised(args) || mean.length !== set.channels) {
    notes.warn(`the weights were trained with another mean, std or colour: see ${path}`);
    return { ...set, notes };
  }
  notes.settled(NORMALISE_FLAGS);
  notes.guess(`mean, std and colour are those of ${path}`, NORMALISE_FLAGS);
  return { ...set, mean, std, colour, notes };
}
