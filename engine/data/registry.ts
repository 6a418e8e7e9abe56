/** The data sets by name: from a folder, from the network's cache, or made here. */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { cifar10, cifar100, cifar100Coarse, readCifar } from "./cifar.ts";
import { type CompositeOptions, figureSets, makeComposite, sceneSet } from "./composite.ts";
import { type DataSet, type MemorySplit, type Split, storedSize } from "./dataset.ts";
import { warnOfDuplicates } from "./duplicates.ts";
import { type FolderOptions, imageFolder, miniImageNet, readFolder } from "./folder.ts";
import { NORMALISE_FLAGS, normalised, type NormaliseOptions } from "./normalise.ts";
import { Notes } from "./notes.ts";
import { fashionMnist, mnist, readIdxSet } from "./idx.ts";
import { makeShapes, ShapesOptions } from "./shapes.ts";
import { fetchDataSet, FetchOptions, type SourceName } from "./sources.ts";
import { readStl10 } from "./stl10.ts";
import { readSvhn } from "./svhn.ts";

/** How a data set comes from a folder with its files. */
interface Stored<Set extends DataSet> {
  /** Where the files are published; without it the folder has to be given. */
  readonly source?: SourceName;
  read(folder: string, options?: FolderOptions): Promise<Set>;
}

/** Those that `composite` is made from. */
const parts: Readonly<Record<string, Stored<DataSet<MemorySplit>>>> = {
  mnist: { source: "mnist", read: (folder) => readIdxSet(mnist, folder) },
  "fashion-mnist": { source: "fashion-mnist", read: (folder) => readIdxSet(fashionMnist, folder) },
  cifar10: { source: "cifar10", read: (folder) => readCifar(cifar10, folder) },
};

/** The data sets that come in files. */
const stored: Readonly<Record<string, Stored<DataSet>>> = {
  ...parts,
  cifar100: { source: "cifar100", read: (folder) => readCifar(cifar100, folder) },
  "cifar100-coarse": { source: "cifar100", read: (folder) => readCifar(cifar100Coarse, folder) },
  svhn: { source: "svhn", read: readSvhn },
  stl10: { source: "stl10", read: readStl10 },
  "mini-imagenet": { read: (folder, options) => readFolder(miniImageNet, folder, options) },
  folder: { read: (folder, options) => readFolder(imageFolder, folder, options) },
};

/** Every name that `loadDataSet` takes; the first is the default. */
export const dataSetNames: readonly string[] = ["shapes", "composite", ...Object.keys(stored)];

/** Those that are folders of images. */
export const folderSets: readonly string[] = ["folder", "mini-imagenet"];

export interface LoadOptions extends FetchOptions {
  readonly name: string;
  /** The folder with the data set's files; without it they are downloaded. */
  readonly dataDir?: string;
  /** Pixels of the network's input along a side; by default the set's own. */
  readonly size?: number;
  /** Another normalisation than the set's own. */
  readonly normalise?: NormaliseOptions;
  /** For folders of images. */
  readonly folder?: Omit<FolderOptions, "size">;
  /** For `shapes`, which is made and not read. */
  readonly shapes?: Partial<ShapesOptions>;
  /** For `composite`, and the set that its figures come from. */
  readonly composite?: Partial<CompositeOptions> & { readonly figures?: typeof figureSets[number] };
}

/**
 * Loads a data set.
 * @throws UserError (usage) for an unknown name, or a folder for a set that is made;
 *   (data) for files that are missing or wrong; (io) for a cache that can't be written
 */
export async function loadDataSet(options: LoadOptions): Promise<DataSet> {
  const { normalise = {}, size, name } = options;
  const set = named(resized(await load(options), size));
  if (name === "folder" && !normalise.mean && !normalise.scale) {
    set.notes!.guess("mean and std are those of ImageNet", NORMALISE_FLAGS);
  }
  return normalised(set, normalise);
}

async function load(options: LoadOptions): Promise<DataSet> {
  const { name, dataDir, shapes, size, folder } = options;
  if (name === "shapes") {
    if (dataDir === undefined) return makeShapes(shapes);
    throw new UserError(
      "the data set shapes is made by the program and read from no folder",
      ExitCode.usage,
      "Leave out --data-dir, or name another data set with --data.",
    );
  }
  if (name === "composite") {
    const read = async (part: string) => await parts[part].read(await filesOf(part, options));
    const figures = await read(options.composite?.figures ?? figureSets[0]);
    return makeComposite(figures, await read(sceneSet), options.composite);
  }
  if (!Object.hasOwn(stored, name)) throw unknown(name);
  const set = await stored[name].read(await filesOf(name, options), { ...folder, size });
  const notes = set.notes ?? new Notes();
  await warnOfDuplicates(set, notes);
  return { ...set, notes };
}

/** The folder with a set's files: the one given, or that of the downloads. */
async function filesOf(name: string, options: LoadOptions): Promise<string> {
  const { source } = stored[name];
  if (options.dataDir !== undefined) return await chooseFolder(options.dataDir, name);
  if (source) return await fetchDataSet(source, options);
  throw new UserError(
    `${name} can't be downloaded`,
    ExitCode.data,
    name === "folder"
      ? "Name the folder with --data-dir."
      : "Its images may be had by those who accept ImageNet's terms: name their folder with " +
        "--data-dir.",
  );
}

/** The set with images of another size as the network's input. */
function resized(set: DataSet, side?: number): DataSet {
  if (side === undefined) return set;
  return { ...set, height: side, width: side, stored: storedSize(set) };
}

/** The set with names for its images: train-00017 where they have none of their own. */
function named(set: DataSet): DataSet {
  const name = (split: Split, part: string): Split => ({
    ...split,
    names: split.names ??
      Array.from(split.labels, (_, i) => `${part}-${String(i).padStart(5, "0")}`),
  });
  return {
    ...set,
    train: name(set.train, "train"),
    test: name(set.test, "test"),
    validation: set.validation && name(set.validation, "validation"),
  };
}

function unknown(name: string): UserError {
  return new UserError(
    `there is no data set ${JSON.stringify(name)}${didYouMean(name, dataSetNames)}`,
    ExitCode.usage,
    `The data sets are ${dataSetNames.join(", ")}.`,
  );
}

/** The folder given, or the one in it that bears the data set's name. */
async function chooseFolder(dataDir: string, name: string): Promise<string> {
  const isFolder = (path: string) => Deno.stat(path).then((info) => info.isDirectory, () => false);
  if (!await isFolder(dataDir)) {
    throw new UserError(`${name}: there is no folder ${dataDir}`, ExitCode.data);
  }
  // In a folder of classes, one may well be called folder.
  if (name === "folder") return dataDir;
  const inner = join(dataDir, name);
  return await isFolder(inner) ? inner : dataDir;
}
