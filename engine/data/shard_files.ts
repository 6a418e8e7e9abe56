/**
 * Which archives hold a data set: the .tar files of a folder, or of its folders train, val and test;
 * a file; or names with braces, as WebDataset writes them: `train-{000..146}.tar`, `{train,val}.tar`.
 */
import { basename, dirname, join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists } from "../io/files.ts";
import { entries } from "./folder_walk.ts";
import { type Notes, some } from "./notes.ts";
import { type Part, partOf } from "./part_names.ts";

/** An archive with a part of the samples. */
export interface Shard {
  readonly path: string;
  /** The part of the data set that its name, or its folder's, tells. */
  readonly part?: Part;
}

const isTar = (name: string) => /\.tar$/i.test(name);
const isPacked = (name: string) => /\.(tar\.(gz|bz2|xz|zst)|tgz)$/i.test(name);

/**
 * The shards at a place, in the order of their names.
 * @throws UserError (data) where there are none, one is missing, or only some names tell a part
 */
export async function findShards(place: string, notes: Notes): Promise<Shard[]> {
  const paths = /[{}]/.test(place)
    ? await named(place)
    : isTar(place) && await isFile(place)
    ? [place]
    : await shardsIn(place, notes);
  const shards = paths.map((path) => ({ path, part: partOfShard(path) }));
  const parts = new Set(shards.map(({ part }) => part));
  if (parts.size > 1 && parts.has(undefined)) {
    const without = shards.filter(({ part }) => !part).map(({ path }) => basename(path));
    throw new UserError(
      `${place}: the names of ${some(without)} tell no part, and those of other shards do`,
      ExitCode.data,
      "Put the shards into folders train, val and test, or name them by their part.",
    );
  }
  for (const part of parts) {
    if (!part) continue;
    const of = shards.filter((shard) => shard.part === part).map(({ path }) => basename(path));
    notes.guess(`${some(of)} ${of.length === 1 ? "is" : "are"} the ${part} part`, "their names");
  }
  return shards;
}

async function named(pattern: string): Promise<string[]> {
  const paths = expandBraces(pattern);
  for (const path of paths) {
    if (isPacked(path)) throw packed(path);
    if (await isFile(path)) continue;
    throw new UserError(
      `there is no ${path}, the shard ${paths.indexOf(path) + 1} of ${paths.length} in ${pattern}`,
      ExitCode.data,
    );
  }
  return paths;
}

async function shardsIn(folder: string, notes: Notes): Promise<string[]> {
  const found = await entries(folder, notes);
  const paths = found.files.map((file) => join(folder, file));
  for (const inner of found.folders.filter(partOf)) {
    paths.push(
      ...(await entries(join(folder, inner), notes)).files.map((file) => join(folder, inner, file)),
    );
  }
  const shards = paths.filter(isTar);
  if (shards.length > 0) return shards;
  const other = paths.find(isPacked);
  if (other) throw packed(other);
  throw new UserError(
    `there are no shards (.tar) in ${folder}`,
    ExitCode.data,
    'Name them with braces, as --data-dir "DIR/train-{000..146}.tar", or put them into the folder.',
  );
}

const packed = (path: string) =>
  new UserError(
    `${path} is compressed, and samples are read from the middle of an archive`,
    ExitCode.data,
    "Unpack it to a .tar (images in it are compressed already).",
  );

const isFile = async (path: string) => await fileExists(path) && (await Deno.stat(path)).isFile;

/** A name for each choice in braces: a list, `{a,b}`, or numbers of as many digits, `{000..146}`. */
export function expandBraces(pattern: string): string[] {
  const match = /^([^{}]*)\{([^{}]*)\}([^]*)$/.exec(pattern);
  if (!match) {
    if (!/[{}]/.test(pattern)) return [pattern];
    throw new UserError(`${pattern}: a brace that is not closed`, ExitCode.usage);
  }
  const [, before, inside, after] = match;
  return choices(inside, pattern).flatMap((choice) =>
    expandBraces(after).map((rest) => before + choice + rest)
  );
}

/** The most shards that a name may stand for. */
const MOST_SHARDS = 1_000_000;

function choices(inside: string, pattern: string): string[] {
  const range = /^(\d+)\.\.(\d+)$/.exec(inside);
  if (!range && inside.includes(",")) return inside.split(",");
  const [first, last] = range ? range.slice(1).map(Number) : [1, 0];
  if (!range || last < first || last - first >= MOST_SHARDS) {
    throw new UserError(
      `${pattern}: {${inside}} is neither a list nor a range of shards`,
      ExitCode.usage,
      "Write {000..146}, the first number and the last, or {a,b}.",
    );
  }
  const digits = range[1].length;
  return Array.from(
    { length: last - first + 1 },
    (_, k) => String(first + k).padStart(digits, "0"),
  );
}

/** "imagenet-train-000.tar" is of train; so is "000.tar" in a folder train. */
function partOfShard(path: string): Part | undefined {
  const words = basename(path).replace(/\.tar$/i, "").split(/[^\p{L}]+/u);
  const parts = new Set(words.flatMap((word) => partOf(word) ?? []));
  return parts.size === 1 ? [...parts][0] : partOf(basename(dirname(path)));
}
