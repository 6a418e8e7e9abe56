/**
 * WebDataset: samples in tar archives (shards). The files of a sample follow each other and are called
 * alike up to their first dot: `0001.jpg`, `0001.cls`. Shards are gone through once, by their headers,
 * and images are read where they lie; so any image is at hand, in any order, and a run that is taken
 * up sees what it would have seen.
 *
 * The class is what `.cls` or `.txt` holds, or a field of `.json`. Numbers are the classes' indices, and
 * a file classes.txt beside the shards has their names, one a line.
 *
 * Source: https://github.com/webdataset/webdataset
 */
import { dirname, join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readText } from "../io/files.ts";
import { LIMITS } from "../io/limits.ts";
import { listTar, type TarFile } from "../io/tar.ts";
import { decodeText } from "../io/text.ts";
import { Turns } from "../io/turns.ts";
import type { DataSet } from "./dataset.ts";
import { imageFolder } from "./folder.ts";
import { imageNames } from "./folder_listing.ts";
import { isImage, otherFile } from "./folder_walk.ts";
import { imageSet, type ImageSetOptions } from "./image_set.ts";
import { type Listed, Listing } from "./listing.ts";
import { Notes, some } from "./notes.ts";
import { findShards, type Shard } from "./shard_files.ts";

/** Fields of a sample's .json that may be its class, the first that is there. */
const FIELDS = ["label", "cls", "class", "class_name", "class_id", "label_id", "target"];
/** Files with the class, by their endings; the first that is there. */
const LABELS = ["cls", "cls.txt", "json", "txt"];
/** Where classes have their names. */
const CLASSES = ["classes.txt", "classnames.txt", "class_names.txt", "labels.txt"];

/**
 * @param place a folder with shards, a shard, or names of shards with braces
 * @throws UserError (data) that names the shard, and the sample in it
 */
export async function readWebDataset(
  place: string,
  options: ImageSetOptions = {},
): Promise<DataSet> {
  const notes = new Notes();
  const shards = await findShards(place, notes);
  const listed = new Listing();
  const turns = new Turns();
  for (const shard of shards) {
    const before = listed.length;
    for await (const sample of samplesOf(shard, notes)) {
      listed.add(imageOf(sample, shard, notes));
      await turns.pass();
    }
    if (listed.length === before) throw wrong(`${shard.path}: there are no samples in it`);
  }
  const folder = commonFolder(shards);
  const { classes, called } = await classesOf(listed, folder, notes);
  listed.rename(called);
  const names = imageNames(folder, listed);
  const found = { place, listed, classes, names };
  return await imageSet({ ...imageFolder, name: "webdataset" }, found, options, notes);
}

/** A file of a sample: where it lies, and its content where that may be the class. */
interface SampleFile extends Pick<TarFile, "path" | "offset" | "bytes"> {
  readonly content?: Uint8Array;
}

interface Sample {
  /** Its files' path up to the first dot of their names. */
  readonly key: string;
  /** By what follows that dot, in small letters. */
  readonly files: Map<string, SampleFile>;
}

async function* samplesOf({ path: shard }: Shard, notes: Notes): AsyncGenerator<Sample> {
  let sample: Sample | undefined;
  let isEnded = true;
  for await (const file of listTar(shard, () => isEnded = false)) {
    const [, key, ending] = /^((?:[^]*\/)?[^/.]*)\.?([^/]*)$/.exec(file.path) ?? [];
    // What macOS leaves in archives, and other hidden files.
    if (key === undefined || /(^|\/)(__MACOSX(\/|$)|$)/.test(key)) continue;
    if (sample?.key !== key) {
      if (sample) yield sample;
      sample = { key, files: new Map() };
    }
    const kind = ending.toLowerCase();
    const { path, offset, bytes } = file;
    if (sample.files.has(kind)) {
      throw wrong(
        `${join(shard, path)}: a second file .${kind} of the sample`,
        "Each sample needs a name of its own, up to the first dot.",
      );
    }
    const content = LABELS.includes(kind) ? await contentOf(file, shard) : undefined;
    sample.files.set(kind, { path, offset, bytes, content });
  }
  if (!sample) return;
  if (!isEnded) {
    if (![...sample.files.values()].some(({ path }) => isImage(path))) {
      throw wrong(`${shard}: truncated: it ends in the middle of the sample ${sample.key}`);
    }
    notes.warn(`nothing marks the end of ${shard}: it may be cut off behind ${sample.key}`);
  }
  yield sample;
}

async function contentOf({ path, bytes, chunks }: TarFile, shard: string): Promise<Uint8Array> {
  if (bytes > LIMITS.sampleText) {
    throw new UserError(
      `${
        join(shard, path)
      }: ${bytes} bytes, more than the ${LIMITS.sampleText} allowed for a class`,
      ExitCode.data,
    );
  }
  const content = new Uint8Array(bytes);
  let have = 0;
  for await (const piece of chunks()) {
    content.set(piece, have);
    have += piece.length;
  }
  return content;
}

function imageOf({ key, files }: Sample, shard: Shard, notes: Notes): Listed {
  const sample = join(shard.path, key);
  const images = [...files].filter(([, { path }]) => isImage(path))
    .sort(([a], [b]) => a.split(".").length - b.split(".").length);
  if (images.length === 0) {
    const others = [...files.keys()].map((ending) => otherFile(`x.${ending}`));
    throw wrong(`${sample}: there is no image, but ${some(others)}`);
  }
  const [[, image], ...further] = images;
  for (const [, { path }] of further) {
    notes.leaveOut("further images of a sample", join(shard.path, path));
  }
  const { path, offset, bytes } = image;
  const within = { archive: shard.path, offset, bytes };
  const label = labelOf(files, sample);
  return { path: join(shard.path, path), label, part: shard.part, within };
}

function labelOf(files: Sample["files"], sample: string): string {
  const ending = LABELS.find((ending) => files.has(ending));
  if (ending === undefined) {
    throw wrong(
      `${sample}: nothing says its class`,
      `It needs a file ${LABELS.map((ending) => `.${ending}`).join(" or ")} beside the image.`,
    );
  }
  const name = `${sample}.${ending}`;
  const text = decodeText(files.get(ending)!.content!, name, ExitCode.data).trim();
  const label = ending === "json" ? fieldOf(text, name) : text;
  if (label !== "" && !/[\n\r]/.test(label)) return label;
  throw wrong(
    `${name}: ${label === "" ? "it is empty" : "several lines"}, and no class`,
  );
}

function fieldOf(text: string, name: string): string {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw wrong(`${name}: no JSON: ${(error as Error).message}`);
  }
  const fields = json !== null && typeof json === "object" ? Object.entries(json) : [];
  for (const field of FIELDS) {
    const value = fields.find(([name]) => name === field)?.[1];
    if (typeof value === "string" || Number.isSafeInteger(value)) return String(value);
  }
  throw wrong(
    `${name}: no field says the class; there ${fields.length === 1 ? "is" : "are"} ` +
      `${some(fields.map(([field]) => field)) || "none"}`,
    `The class may be called ${FIELDS.join(", ")}.`,
  );
}

/** The classes in the order of their numbers, and what each is called that samples say. */
async function classesOf(listed: Listing, folder: string, notes: Notes) {
  const labels = [...new Set(listed.labels)];
  const odd = labels.find((label) => Number.isFinite(Number(label)) && !/^\d{1,9}$/.test(label));
  if (odd !== undefined) {
    const { path } = listed.at(listed.labels.indexOf(odd))!;
    throw wrong(
      `${path}: its class is ${odd}, which is no index from 0 on`,
      "Take samples without a class out of the shards.",
    );
  }
  const isNumbered = labels.every((label) => /^\d{1,9}$/.test(label));
  if (!isNumbered) {
    return { classes: labels.sort(), called: new Map(labels.map((label) => [label, label])) };
  }
  const numbers = [...new Set(labels.map(Number))].sort((a, b) => a - b);
  const names = await classNames(folder);
  const last = numbers.at(-1)!;
  if (names && last >= names.lines.length) {
    throw wrong(`${names.path} has ${names.lines.length} lines, and there is a class ${last}`);
  }
  const call = (number: number) => names?.lines[number] ?? String(number);
  if (last >= numbers.length) {
    notes.warn(
      `of the classes 0 to ${last} there are images of ${numbers.length}; the others are left out, ` +
        "so that numbers change",
    );
  }
  if (names) notes.guess(`the classes are called as in ${names.path}`, "that file");
  const classes = new Map(numbers.map((number) => [number, call(number)]));
  const called = new Map(labels.map((label) => [label, classes.get(Number(label))!]));
  return { classes: [...classes.values()], called };
}

async function classNames(folder: string) {
  for (const name of CLASSES) {
    const path = join(folder, name);
    if (!await fileExists(path)) continue;
    const lines = (await readText(path, ExitCode.data)).split("\n").map((line) => line.trim());
    while (lines.at(-1) === "") lines.pop();
    const twice = lines.find((line, i) => lines.indexOf(line) < i);
    if (twice !== undefined) throw wrong(`${path}: the class ${twice} is there twice`);
    return { path, lines };
  }
  return undefined;
}

/** The folder that all shards lie in. */
function commonFolder(shards: readonly Shard[]): string {
  const folders = [...new Set(shards.map(({ path }) => dirname(path)))];
  return folders.length === 1 ? folders[0] : dirname(folders[0]);
}

const wrong = (problem: string, hint?: string) => new UserError(problem, ExitCode.data, hint);
