/** Which data set a command works on: the flags, and loading it. */

import { compositeDefaults, figureSets } from "../engine/data/composite.ts";
import type { DataSet } from "../engine/data/dataset.ts";
import { withMaskFiles } from "../engine/data/mask_files.ts";
import { dataSetNames, loadDataSet } from "../engine/data/registry.ts";
import { shapesDefaults } from "../engine/data/shapes.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import { Progress } from "./framework/progress.ts";

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
