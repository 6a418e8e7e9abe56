/**
 * The images that want a mask, as a folder for LabelMe: images/ with the pictures, labels.txt, and
 * manifest.json, which says why each is there. LabelMe writes what is drawn beside the pictures;
 * `withMaskFiles` reads it.
 */
import * as v from "valibot";
import { dirname, extname, join } from "node:path";
import { type DataSet, type Size, type Split, storedSize } from "../data/dataset.ts";
import { isImage, MANIFEST } from "../data/folder_walk.ts";
import { ImageFiles } from "../data/image_files.ts";
import { BACKGROUND_LABEL, FIGURE_LABEL } from "../data/labelme.ts";
import { PICTURES } from "../data/mask_files.ts";
import { ExitCode, UserError } from "../errors.ts";
import { makeFolder, readText, writeFileAtomic } from "../io/files.ts";
import { inside } from "../io/inside.ts";
import { encodePng, imageBytes, imageEnding, shownPixels } from "../io/image.ts";
import { fraction, parseJson, type Schema } from "../io/json.ts";
import type { Prediction } from "../train/predictions.ts";
import type { Sifted } from "./sift.ts";

/** An image that wants a mask. */
export interface Wanted {
  /** The image's name in its set, and that of its mask. */
  readonly name: string;
  /** The picture, in the folder. */
  readonly file: string;
  readonly class: string;
  readonly predicted: string;
  /** Softmax probability of the predicted class. */
  readonly confidence: number;
  readonly why: "right, but least sure" | "wrong, and most sure";
}

export interface Manifest {
  /** Of this file's form. */
  readonly version: 1;
  /** The data set's name. */
  readonly data: string;
  readonly images: readonly Wanted[];
}

/** Below this, pictures are magnified, so that one can draw on them (pixels of the longer side). */
const SMALLEST_SIDE = 256;

/**
 * Writes the folder; the manifest comes last, so a folder that has one is complete.
 * @param low the images, as `siftLow` chooses them from the split's
 */
export async function exportSift(
  folder: string,
  set: DataSet,
  split: Split,
  predicted: readonly Prediction[],
  low: { readonly right: Sifted; readonly wrong: Sifted },
): Promise<Manifest> {
  const images: Wanted[] = [];
  for (
    const [why, sifted] of [
      ["right, but least sure", low.right],
      ["wrong, and most sure", low.wrong],
    ] as const
  ) {
    for (const index of sifted.flat()) {
      const { label, predicted: k, confidence } = predicted[index];
      const file = await exportPicture(folder, set, split, index);
      const name = split.names!.at(index)!;
      const [own, other] = [set.classes[label], set.classes[k]];
      images.push({ name, file, class: own, predicted: other, confidence, why });
    }
  }
  const manifest: Manifest = { version: 1, data: set.name, images };
  await writeFileAtomic(join(folder, "labels.txt"), `${FIGURE_LABEL}\n${BACKGROUND_LABEL}\n`);
  await writeFileAtomic(join(folder, MANIFEST), JSON.stringify(manifest, null, 2) + "\n");
  return manifest;
}

/** Writes an image's picture and returns its place; one that is a file is copied as it is. */
async function exportPicture(
  folder: string,
  set: DataSet,
  { images, labels, names }: Split,
  index: number,
): Promise<string> {
  const isFile = images instanceof ImageFiles;
  const bytes = isFile
    ? await imageBytes(images.files.at(index)!)
    : magnified(await pixelsOf(images, index, labels.length), storedSize(set), set.channels);
  const ending = isFile ? await endingOf(images.files.at(index)!.path, bytes) : ".png";
  const name = names!.at(index)!;
  const file = join(PICTURES, `${name}${ending}`);
  const path = inside(join(folder, PICTURES), `${name}${ending}`, name);
  await makeFolder(dirname(path));
  await writeFileAtomic(path, bytes);
  return file;
}

/** One of `n` images. */
async function pixelsOf(images: Split["images"], index: number, n: number): Promise<Uint8Array> {
  if (!(images instanceof Uint8Array)) return await images.read(Uint32Array.of(index));
  const size = images.length / n;
  return images.subarray(index * size, (index + 1) * size);
}

/** A picture's own ending, or where a table named the file, one that says what it is. */
async function endingOf(path: string, bytes: Uint8Array): Promise<string> {
  return isImage(path) ? extname(path) : await imageEnding(bytes, path);
}

/** An image as a PNG file in which each pixel is a square of them. */
function magnified(
  image: Uint8Array,
  { height, width }: Size,
  channels: number,
): Uint8Array {
  const factor = Math.max(1, Math.ceil(SMALLEST_SIDE / Math.max(height, width)));
  const [rows, columns] = [height * factor, width * factor];
  const data = new Uint8Array(rows * columns * channels);
  for (let y = 0, to = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      const [h, w] = [Math.floor(y / factor), Math.floor(x / factor)];
      const from = (h * width + w) * channels;
      for (let c = 0; c < channels; c++) data[to++] = image[from + c];
    }
  }
  return encodePng(shownPixels({ height: rows, width: columns, channels, data }));
}

/**
 * The manifest of a folder that `exportSift` wrote.
 * @throws UserError (data) where there is none, it is damaged, or it is of another data set
 */
export async function readManifest(folder: string, set: DataSet): Promise<Manifest> {
  const path = join(folder, MANIFEST);
  const manifest = parseJson(await readText(path, ExitCode.data), manifestSchema, {
    ...{ name: path, exitCode: ExitCode.data },
    hint: "Export the images again with deno task sift.",
  });
  if (manifest.data === set.name) return manifest;
  throw new UserError(
    `${path}: it is of ${manifest.data}, not of ${set.name}`,
    ExitCode.data,
    `Give --data ${manifest.data}.`,
  );
}

const text = v.string();
const manifestSchema = v.looseObject({
  version: v.literal(1),
  data: text,
  images: v.array(v.looseObject({
    ...{ name: text, file: text, class: text, predicted: text, confidence: fraction },
    why: v.picklist(["right, but least sure", "wrong, and most sure"]),
  })),
}) satisfies Schema<Manifest>;
