/**
 * The data sets by name: from a folder, from the network's cache, or made here. A new one is a file
 * beside this and its entry in one of the two tables.
 */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import {
  cifar10,
  cifar100,
  cifar100Coarse,
  type CifarSet,
  cifarSource,
  readCifar,
} from "./cifar.ts";
import { type CompositeOptions, figureSets, makeComposite, sceneSet } from "./composite.ts";
import { makeCmnist } from "./cmnist.ts";
import { colourMnist } from "./colour_mnist.ts";
import { type DataSet, type MemorySplit, type Split, storedSize } from "./dataset.ts";
import { decoy } from "./decoy.ts";
import { warnOfDuplicates } from "./duplicates.ts";
import { type FolderOptions, imageFolder, miniImageNet, readFolder } from "./folder.ts";
import { halfDecoy } from "./half_decoy.ts";
import type { ImageSet } from "./image_set.ts";
import { NORMALISE_FLAGS, normalised, type NormaliseOptions } from "./normalise.ts";
import { Notes } from "./notes.ts";
import { fashionMnist, type IdxSet, mnist, readIdxSet } from "./idx.ts";
import { makeShapes, ShapesOptions } from "./shapes.ts";
import { makeShortcut, type Shortcut, type ShortcutOptions } from "./shortcut.ts";
import { FetchOptions, fetchSource, type Source } from "./sources.ts";
import { readStl10, stl10Source } from "./stl10.ts";
import { readSvhn, svhnSource } from "./svhn.ts";
import { readWebDataset } from "./webdataset.ts";

/** A data set that comes in files. */
interface Stored<Set extends DataSet = DataSet> {
  readonly name: string;
  /** Where the files are published; without it the folder has to be given. */
  readonly source?: Source;
  /** Whether what is read may be no folder. */
  readonly isPlace?: boolean;
  read(folder: string, options?: FolderOptions): Promise<Set>;
}

type Figures = typeof figureSets[number];

/** A data set that is made here, by options of its own. */
interface Made {
  readonly name: string;
  /** What its figures may be, the first by default, where it is made from the files of others. */
  readonly figures?: readonly Figures[];
  make(options: LoadOptions): DataSet | Promise<DataSet>;
}

type InMemory = Stored<DataSet<MemorySplit>>;

const idx = (set: IdxSet): InMemory => ({ ...set, read: (folder) => readIdxSet(set, folder) });
const cifar = (set: CifarSet): InMemory => (
  { name: set.name, source: cifarSource(set), read: (folder) => readCifar(set, folder) }
);
const images = (set: ImageSet): Stored => (
  { name: set.name, read: (folder, options) => readFolder(set, folder, options) }
);

/** Those that `composite` can be made from. */
const parts: readonly InMemory[] = [...[mnist, fashionMnist].map(idx), cifar(cifar10)];
const shards: Stored = { name: "webdataset", isPlace: true, read: readWebDataset };
const inFiles: readonly Stored[] = [...[miniImageNet, imageFolder].map(images), shards];

/** The data sets that come in files. */
const stored: readonly Stored[] = [
  ...parts,
  ...[cifar100, cifar100Coarse].map(cifar),
  { name: "svhn", source: svhnSource, read: readSvhn },
  { name: "stl10", source: stl10Source, read: readStl10 },
  ...inFiles,
];

/** The data sets that are computed. */
const made: readonly Made[] = [
  { name: "shapes", make: ({ shapes }) => makeShapes(shapes) },
  { name: "composite", figures: figureSets, make: composed },
  ...[decoy, halfDecoy, colourMnist].map(withShortcut),
  { name: "cmnist", figures: ["mnist"], make: coloured },
];

const namesOf = (sets: readonly { readonly name: string }[]) => sets.map(({ name }) => name);

/** Every name that `loadDataSet` takes; the first is the default. */
export const dataSetNames: readonly string[] = namesOf([...made, ...stored]);

/** Those that need no files. */
export const computedSets: readonly string[] = namesOf(made.filter((set) => !set.figures));

/** Those in which something beside the figure goes with the class: made here, all of them. */
export const correlatedSets: readonly string[] = namesOf(made);

/** Those whose figures are one's choice. */
export const figureChoices: readonly string[] = namesOf(
  made.filter(({ figures = [] }) => figures.length > 1),
);

/** Those whose images lie in files of their own form and size. */
export const imageFileSets: readonly string[] = namesOf(inFiles);

/** Those of them that are folders, not archives. */
export const folderSets: readonly string[] = namesOf(inFiles.filter((set) => !set.isPlace));

/** Those of which nothing is known but that they are images; ImageNet's values stand in. */
const ownPhotographs: ReadonlySet<string> = new Set(["folder", "webdataset"]);

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
  /** For `composite`. */
  readonly composite?: Partial<CompositeOptions>;
  /** For `decoy`, `half-decoy`, `colour-mnist` and `cmnist`. */
  readonly shortcut?: Partial<ShortcutOptions>;
  /** For those of `figureChoices`: where their figures come from. */
  readonly figures?: Figures;
}

/**
 * Loads a data set.
 * @throws UserError (usage) for an unknown name, a folder for a set that is made, or none for one
 *   that can't be downloaded;
 *   (data) for files that are missing or wrong; (io) for a cache that can't be written
 */
export async function loadDataSet(options: LoadOptions): Promise<DataSet> {
  const { normalise = {}, size, name } = options;
  const set = named(resized(await load(options), size));
  if (ownPhotographs.has(name) && !normalise.mean && !normalise.scale) {
    set.notes!.guess("mean and std are those of ImageNet", NORMALISE_FLAGS);
  }
  return normalised(set, normalise);
}

async function load(options: LoadOptions): Promise<DataSet> {
  const { name, dataDir, size, folder } = options;
  const formula = made.find((set) => set.name === name);
  if (formula) {
    if (dataDir === undefined || formula.figures) return await formula.make(options);
    throw new UserError(
      `the data set ${name} is made by the program and read from no folder`,
      ExitCode.usage,
      "Leave out --data-dir, or name another data set with --data.",
    );
  }
  const files = stored.find((set) => set.name === name);
  if (!files) throw unknown(name);
  const set = await files.read(await folderOf(files, options), { ...folder, size });
  const notes = set.notes ?? new Notes();
  await warnOfDuplicates(set, notes);
  return { ...set, notes };
}

async function composed(options: LoadOptions): Promise<DataSet> {
  const { figures = figureSets[0] } = options;
  return makeComposite(
    await partOf(figures, options),
    await partOf(sceneSet, options),
    options.composite,
  );
}

function withShortcut(shortcut: Shortcut): Made {
  const figures: readonly Figures[] = ["mnist", "fashion-mnist"];
  const make = async (options: LoadOptions) =>
    makeShortcut(shortcut, await partOf(options.figures ?? figures[0], options), options.shortcut);
  return { name: shortcut.name, figures, make };
}

async function coloured(options: LoadOptions): Promise<DataSet> {
  return makeCmnist(await partOf("mnist", options), options.shortcut);
}

/** One of the sets that others are made from. */
async function partOf(part: string, options: LoadOptions): Promise<DataSet<MemorySplit>> {
  const set = parts.find(({ name }) => name === part)!;
  return await set.read(await folderOf(set, options));
}

/** The folder with a set's files: the one given, or that of the downloads. */
async function folderOf({ name, source, isPlace }: Stored, options: LoadOptions): Promise<string> {
  const { dataDir } = options;
  if (dataDir !== undefined) return isPlace ? dataDir : await chooseFolder(dataDir, name);
  if (source) return await fetchSource(source, options);
  throw new UserError(
    `${name} can't be downloaded`,
    ExitCode.usage,
    name === "folder" || isPlace
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
