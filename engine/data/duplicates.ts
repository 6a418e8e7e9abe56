/**
 * Images that a data set holds twice, by their content: what is trained on and tested on too makes
 * the test look better than it is, and one image with two classes can't be learned.
 */
import { ExitCode } from "../errors.ts";
import { fileError, readBytes } from "../io/files.ts";
import type { DataSet, Split } from "./dataset.ts";
import { ImageFiles } from "./image_files.ts";
import { type Notes, some } from "./notes.ts";

/** An image's place. */
interface Place {
  readonly split: "training" | "validation" | "test";
  readonly label: number;
  readonly name: string;
}

/** Warns of images that are in two parts, and of those that have two classes. */
export async function warnOfDuplicates(set: DataSet, notes: Notes): Promise<void> {
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
  notes.warn(`${torn.length} images are there under several classes, by content: ${some(named)}`);
}

/** The images that others equal, in groups of equal ones. */
async function equalImages(set: DataSet): Promise<Place[][]> {
  const groups: Place[][] = [];
  for (const candidates of candidatesOf(await fingerprints(set))) {
    const contents = await Promise.all(candidates.map((image) => image.content()));
    const left = new Set(candidates.keys());
    for (const first of left) {
      const equal = [...left].filter((i) => sameBytes(contents[i], contents[first]));
      equal.forEach((i) => left.delete(i));
      if (equal.length > 1) groups.push(equal.map((i) => candidates[i].place));
    }
  }
  return groups;
}

interface Image {
  readonly place: Place;
  /** Equal for equal images. */
  readonly key: number;
  readonly content: () => Uint8Array | Promise<Uint8Array>;
}

const candidatesOf = (images: readonly Image[]) =>
  [...Map.groupBy(images, ({ key }) => key).values()].filter(({ length }) => length > 1);

async function fingerprints(set: DataSet): Promise<Image[]> {
  const parts = [["training", set.train], ["validation", set.validation], ["test", set.test]];
  const found: Image[] = [];
  for (const [name, split] of parts as [Place["split"], Split | undefined][]) {
    if (split) found.push(...await imagesOf(name, split));
  }
  // Files of one length are looked into.
  const alike = candidatesOf(found).flat();
  if (!(set.train.images instanceof ImageFiles)) return alike;
  const looked: Image[] = [];
  for (let i = 0; i < alike.length; i += AT_ONCE) {
    looked.push(
      ...await Promise.all(
        alike.slice(i, i + AT_ONCE).map(async (image) => {
          return { ...image, key: hash(await image.content()) };
        }),
      ),
    );
  }
  return looked;
}

/** Files that are read at a time. */
const AT_ONCE = 32;

async function imagesOf(part: Place["split"], split: Split): Promise<Image[]> {
  const { images, labels, names } = split;
  const places = Array.from(
    labels,
    (label, i) => ({ split: part, label, name: names?.[i] ?? `${part} image ${i}` }),
  );
  if (images instanceof Uint8Array) {
    const size = images.length / labels.length;
    return places.map((place, i) => {
      const pixels = images.subarray(i * size, (i + 1) * size);
      return { place, key: hash(pixels), content: () => pixels };
    });
  }
  if (!(images instanceof ImageFiles)) return [];
  return await Promise.all(places.map(async (place, i) => {
    const path = images.files[i].path;
    const info = await Deno.stat(path).catch((error) => {
      throw fileError("read", path, error, ExitCode.data);
    });
    return { place, key: info.size, content: () => readBytes(path, ExitCode.data) };
  }));
}

/** FNV-1a over the bytes, 32 bits. */
function hash(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  for (let i = 0; i < bytes.length; i++) sum = Math.imul(sum ^ bytes[i], 0x01000193);
  return sum >>> 0;
}

const sameBytes = (a: Uint8Array, b: Uint8Array) =>
  a.length === b.length && a.every((value, i) => value === b[i]);
