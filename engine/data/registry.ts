/** The data sets by name: from a folder, from the network's cache, or made here. */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { didYouMean } from "../nearest.ts";
import { readCifar10 } from "./cifar10.ts";
import type { DataSet } from "./dataset.ts";
import { fashionMnist, mnist, readIdxSet } from "./idx.ts";
import { makeShapes, ShapesOptions } from "./shapes.ts";
import { fetchDataSet, FetchOptions, sources } from "./sources.ts";

/** The data sets that come in files, with their readers. */
const readers: Record<keyof typeof sources, (folder: string) => Promise<DataSet>> = {
  mnist: (folder) => readIdxSet(mnist, folder),
  "fashion-mnist": (folder) => readIdxSet(fashionMnist, folder),
  cifar10: readCifar10,
};

/** Every name that `loadDataSet` takes; the first is the default. */
export const dataSetNames: readonly string[] = ["shapes", ...Object.keys(readers)];

export interface LoadOptions extends FetchOptions {
  readonly name: string;
  /** The folder with the data set's files; without it they are downloaded. */
  readonly dataDir?: string;
  /** For `shapes`, which is made and not read. */
  readonly shapes?: Partial<ShapesOptions>;
}

/**
 * Loads a data set.
 * @throws UserError (usage) for an unknown name, or a folder for a set that is made;
 *   (data) for files that are missing or wrong; (io) for a cache that can't be written
 */
export async function loadDataSet(options: LoadOptions): Promise<DataSet> {
  const { name, dataDir, shapes } = options;
  if (name === "shapes") {
    if (dataDir === undefined) return makeShapes(shapes);
    throw new UserError(
      "the data set shapes is made by the program and read from no folder",
      ExitCode.usage,
      "Leave out --data-dir, or name another data set with --data.",
    );
  }
  if (!isStored(name)) throw unknown(name);
  const folder = dataDir === undefined
    ? await fetchDataSet(name, options)
    : await chooseFolder(dataDir, name);
  return await readers[name](folder);
}

function isStored(name: string): name is keyof typeof sources {
  return Object.hasOwn(readers, name);
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
  const inner = join(dataDir, name);
  return await isFolder(inner) ? inner : dataDir;
}
