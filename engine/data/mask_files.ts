/**
 * Masks that were drawn: files named as the images (train-00042.json, cat/17.png), LabelMe's JSON
 * or PNG. In a folder that holds LabelMe's files a PNG is a picture that was drawn on, and no mask;
 * the folder of `sift` has the pictures in images/, and PNG masks may be put into masks/.
 */
import { basename, dirname, extname, join, relative } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileError, fileExists, readBytes, readText } from "../io/files.ts";
import { LIMITS } from "../io/limits.ts";
import { type DataSet, type Masks, NO_MASK, type Size, type Split, storedSize } from "./dataset.ts";
import { ImageFiles } from "./image_files.ts";
import { type Drawing, pictureShape, readLabelMe } from "./labelme.ts";
import { rasterise } from "./raster.ts";

/** What `sift` leaves in a folder. */
export const MANIFEST = "manifest.json";
export const PICTURES = "images";
const PAINTED = "masks";

interface MaskFile {
  readonly path: string;
  /** The image's name. */
  readonly name: string;
}

/**
 * The set with the masks of a folder. A split that has masks there has no others.
 * @throws UserError (data) that names the file and what is wrong with it, or that there is none
 */
export async function withMaskFiles(set: DataSet, folder: string): Promise<DataSet> {
  const files = await maskFiles(folder);
  const { train, validation, test } = set;
  const splits: Readonly<Record<string, Split | undefined>> = { train, validation, test };
  const drawn: Record<string, [index: number, coverage: Uint8Array][]> = {};
  const find = finder(splits);
  for (const file of files) {
    const place = find(file.name);
    if (!place) throw nobodysMask(set, file);
    const drawing = await readMask(file.path);
    // Looked at, and left as it is.
    if (drawing.count === 0) continue;
    const { split, index } = place;
    if (!(splits[split]!.images instanceof ImageFiles)) {
      checkProportions(drawing.size, storedSize(set), file.path);
    }
    const coverage = rasterise(drawing.shape, drawing.size, storedSize(set));
    if (coverage.every((share) => share === 0)) {
      throw new UserError(`${file.path}: its shapes cover nothing of the image`, ExitCode.data);
    }
    (drawn[split] ??= []).push([index, coverage]);
  }
  if (Object.keys(drawn).length === 0) throw noMasks(folder);
  const masked = <S extends Split | undefined>(split: S, name: string): S =>
    split && drawn[name] ? { ...split, masks: collect(drawn[name], split.labels.length) } : split;
  const counts = Object.entries(drawn).map(([split, all]) => `${all.length} ${split}`);
  return {
    ...set,
    train: masked(train, "train"),
    validation: masked(validation, "validation"),
    test: masked(test, "test"),
    source: `${set.source}; masks of ${counts.join(", ")} images in ${folder}`,
  };
}

function collect(drawn: readonly [number, Uint8Array][], images: number): Masks {
  const rows = new Uint32Array(images).fill(NO_MASK);
  const size = drawn[0][1].length;
  const coverage = new Uint8Array(drawn.length * size);
  drawn.forEach(([index, mask], row) => {
    rows[index] = row;
    coverage.set(mask, row * size);
  });
  return { coverage, count: drawn.length, rows };
}

/** The files of a folder that hold masks; see the header. */
async function maskFiles(folder: string): Promise<MaskFile[]> {
  const sifted = [folder, dirname(folder)];
  for (const root of basename(folder) === PICTURES ? sifted : [folder]) {
    if (!await fileExists(join(root, MANIFEST))) continue;
    const drawn = await filesUnder(join(root, PICTURES), [".json"]);
    const painted = join(root, PAINTED);
    const isThere = await Deno.stat(painted).then((info) => info.isDirectory, () => false);
    return [...drawn, ...isThere ? await filesUnder(painted, [".png"]) : []];
  }
  const drawn = await filesUnder(folder, [".json"]);
  return drawn.length > 0 ? drawn : await filesUnder(folder, [".png"]);
}

async function filesUnder(root: string, endings: readonly string[]): Promise<MaskFile[]> {
  const files: MaskFile[] = [];
  const visit = async (folder: string): Promise<void> => {
    for await (const { name, isDirectory } of Deno.readDir(folder)) {
      const path = join(folder, name);
      if (isDirectory) await visit(path);
      else if (endings.includes(extname(name).toLowerCase())) {
        const inside = relative(root, path).replaceAll("\\", "/");
        files.push({ path, name: inside.slice(0, -extname(inside).length) });
      }
    }
  };
  try {
    await visit(root);
  } catch (error) {
    throw fileError("read", root, error, ExitCode.data);
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

/** Finds an image by its name, or by the last part of it where only one is called so. */
function finder(splits: Readonly<Record<string, Split | undefined>>) {
  const places = new Map<string, { split: keyof typeof splits; index: number }>();
  const short = new Map<string, string | undefined>();
  for (const [split, { names = [] } = {}] of Object.entries(splits)) {
    names.forEach((name, index) => {
      places.set(name, { split, index });
      short.set(basename(name), short.has(basename(name)) ? undefined : name);
    });
  }
  return (name: string) => places.get(name) ?? places.get(short.get(name) ?? "");
}

async function readMask(path: string): Promise<Drawing> {
  return extname(path).toLowerCase() === ".json"
    ? readLabelMe(await readText(path, ExitCode.data), path)
    : pictureShape(await readBytes(path, ExitCode.data, LIMITS.imageFile), path);
}

/** A mask may be larger than its image, as a magnified picture is, but not of another form. */
function checkProportions(drawn: Size, image: Size, path: string): void {
  const ratio = (drawn.width / drawn.height) / (image.width / image.height);
  if (Math.abs(ratio - 1) < 0.02) return;
  throw new UserError(
    `${path}: it was drawn on ${drawn.width} x ${drawn.height} pixels, and the image has ` +
      `${image.width} x ${image.height}`,
    ExitCode.data,
    "Draw on the pictures that deno task sift exports.",
  );
}

function nobodysMask({ name, train }: DataSet, file: MaskFile): UserError {
  return new UserError(
    `${file.path}: no image of ${name} is called ${file.name}`,
    ExitCode.data,
    `A mask has the name of its image, such as ${train.names?.[0] ?? "train-00000"}.`,
  );
}

function noMasks(folder: string): UserError {
  return new UserError(
    `there are no masks in ${folder}`,
    ExitCode.data,
    "It needs a .json (LabelMe) or .png file with the name of each image that has a mask; " +
      "deno task sift exports the images that want one.",
  );
}
