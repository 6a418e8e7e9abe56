/**
 * Images that a data set holds twice, by their content: what is trained on and tested on too makes
 * the test look better than it is, and one image with two classes can't be learned.
 */
import { hash } from "node:crypto";
import { ExitCode } from "../errors.ts";
import { fileError } from "../io/files.ts";
import { imageBytes } from "../io/image.ts";
import { Turns } from "../io/turns.ts";
import type { DataSet, Split } from "./dataset.ts";
import { ImageFiles } from "./image_files.ts";
import { type Notes, some } from "./notes.ts";

/** An image's place. */
interface Place {
  readonly split: "training" | "validation" | "test";
  readonly label: number;
  readonly name: string;
}

/** The most images in files that are compared: each has to be asked for its size at least. */
const MOST_FILES = 100_000;

/** Warns of images that are in two parts, and of those that have two classes. */
export async function warnOfDuplicates(set: DataSet, notes: Notes): Promise<void> {
  const splits = [set.train, set.validation, set.test].filter((split) => split !== undefined);
  const inFiles = splits.filter(({ images }) => images instanceof ImageFiles);
  const files = inFiles.reduce((sum, { labels }) => sum + labels.length, 0);
  if (files > MOST_FILES) {
    notes.warn(
      `nobody looked for images that are there twice: of ${files}, more than ${MOST_FILES}, it ` +
        "would take too long",
    );
    return;
  }
  const groups = await equalImages(set);
  for (const part of ["test", "validation"] as const) {
    const both = groups.flatMap((group) => {
      const [a, b] = ["training", part].map((split) =>
        group.find((place) => place.split === split)
      );
      return a && b ? [{ count: group.filter(({ split }) => split === part).length, a, b }] : [];
    });
    const count = both.reduce((sum, { count }) => sum + count, 0);
    if (count === 0) continue;
    const all = set[part]!.labels.length;
    notes.warn(
      `${count} of ${all} ${part} images are in training too, by content: ` +
        some(both.map(({ a, b }) => `${b.name} is ${a.name}`)),
    );
  }
  const torn = groups.filter((group) => new Set(group.map(({ label }) => label)).size > 1);
  if (torn.length === 0) return;
  const named = torn.map((group) =>
    group.slice(0, 2).map(({ name, label }) => `${name} (${set.classes[label]})`).join(" is ")
  );
  const count = torn.length === 1 ? "1 image is" : `${torn.length} images are`;
  notes.warn(`${count} there under several classes, by content: ${some(named)}`);
}

/** The images that others equal, in groups of equal ones. */
async function equalImages(set: DataSet): Promise<Place[][]> {
  const parts = [["training", set.train], ["validation", set.validation], ["test", set.test]];
  const all: Image[] = [];
  for (const [name, split] of parts as [Place["split"], Split | undefined][]) {
    if (split) { for (const image of await imagesOf(name, split)) all.push(image); }
  }
  const turns = new Turns();
  const digests = new Map<Image, string>();
  for (const images of handfuls(alike(all, ({ bytes }) => bytes).flat())) {
    // Entered in the images' order, whichever is read first.
    const read = await Promise.all(images.map((image) => image.digest()));
    for (const [i, digest] of read.entries()) digests.set(images[i], digest);
    await turns.pass();
  }
  return alike([...digests.keys()], (image) => digests.get(image)!)
    .map((group) => group.map(({ place }) => place));
}

interface Image {
  readonly place: Place;
  /** How many; only images of as many bytes are looked into. */
  readonly bytes: number;
  /** Equal for equal images. */
  readonly digest: () => string | Promise<string>;
}

/** Images that are looked into at a time, and bytes of them. */
const AT_ONCE = 32;
const BYTES_AT_ONCE = 2 ** 25;

function* handfuls(images: readonly Image[]): Generator<readonly Image[]> {
  let [begin, bytes] = [0, 0];
  for (const [i, image] of images.entries()) {
    bytes += image.bytes;
    if (i + 1 - begin < AT_ONCE && bytes < BYTES_AT_ONCE && i + 1 < images.length) continue;
    yield images.slice(begin, i + 1);
    [begin, bytes] = [i + 1, 0];
  }
}

/** The images of equal keys, where there are several. */
const alike = (images: readonly Image[], key: (image: Image) => unknown): Image[][] =>
  [...Map.groupBy(images, key).values()].filter(({ length }) => length > 1);

async function imagesOf(part: Place["split"], split: Split): Promise<Image[]> {
  const { images, labels, names } = split;
  const places = Array.from(
    labels,
    (label, i) => ({ split: part, label, name: names?.at(i) ?? `${part} image ${i}` }),
  );
  if (images instanceof Uint8Array) {
    const bytes = images.length / labels.length;
    return places.map((place, i) => {
      const pixels = images.subarray(i * bytes, (i + 1) * bytes);
      return { place, bytes, digest: () => hash("sha256", pixels) };
    });
  }
  if (!(images instanceof ImageFiles)) return [];
  return await Promise.all(places.map(async (place, i) => {
    const file = images.files.at(i)!;
    const digest = async () => hash("sha256", await imageBytes(file));
    return { place, bytes: file.within?.bytes ?? await bytesOf(file.path), digest };
  }));
}

async function bytesOf(path: string): Promise<number> {
  try {
    return (await Deno.stat(path)).size;
  } catch (error) {
    throw fileError("read", path, error, ExitCode.data);
  }
}
