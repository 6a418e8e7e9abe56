/** Which data set a command works on: the flags, and loading it. */

import { compositeDefaults, figureSets } from "../engine/data/composite.ts";
import type { DataSet } from "../engine/data/dataset.ts";
import { withMaskFiles } from "../engine/data/mask_files.ts";
import { VAL_USES } from "../engine/data/division.ts";
import { LAYOUTS } from "../engine/data/folder_listing.ts";
import { dataSetNames, folderSets, loadDataSet } from "../engine/data/registry.ts";
import { shapesDefaults } from "../engine/data/shapes.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";
import { needs } from "./framework/rules.ts";

const inFolders = needs.oneOf("data", ...folderSets);
const madeUp = needs.oneOf("data", "shapes", "composite");

export const dataFlags = flagTable({
  data: { type: "choice", choices: dataSetNames, default: "shapes", help: "the data set" },
  dataDir: {
    type: "string",
    value: "DIR",
    need: needs.otherThan("data", "shapes"),
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
    need: inFolders,
    help: "image folders without a test part: the share of each class that is set apart for it " +
      "(default one in six)",
  },
  valFor: {
    type: "choice",
    choices: VAL_USES,
    need: inFolders,
    help: "image folders with a val part and no test part: what it is for (default test)",
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
    help: "shapes and composite: how often a training image has its class's own background " +
      `(default ${shapesDefaults.correlation} and ${compositeDefaults.correlation})`,
  },
  testCorrelation: {
    type: "number",
    min: -1,
    max: 1,
    need: madeUp,
    help: "the same for test images; below 0 how often another class's (default 0)",
  },
  figures: {
    type: "choice",
    choices: figureSets,
    need: needs.oneOf("data", "composite"),
    help: `composite: what stands on images of CIFAR-10 (default ${figureSets[0]})`,
  },
});

export type DataArgs = Values<typeof dataFlags>;

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
    folder: defined({
      layout: args.layout,
      testShare: args.testShare,
      valFor: args.valFor,
      outside: args.outside,
    }),
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
