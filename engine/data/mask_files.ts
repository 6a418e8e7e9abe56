/**
 * Masks that were drawn: files named as the images (train-00042.json, cat/17.png), LabelMe's JSON
 * or PNG. In a folder that holds LabelMe's files a PNG is a picture that was drawn on, and no mask;
 * the folder of `sift` has the pictures in images/, and PNG masks may be put into masks/.
 */
import { basename, dirname, extname, join, relative } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { fileExists, readBytes, readText } from "../io/files.ts";
import { imageHeader } from "../io/image.ts";
import { LIMITS } from "../io/limits.ts";
import { didYouMean } from "../nearest.ts";
import { type DataSet, type Masks, NO_MASK, type Size, type Split, storedSize } from "./dataset.ts";
import { fitted, framed } from "./fit.ts";
import { filesUnder, MANIFEST } from "./folder_walk.ts";
import { type ImageFile, ImageFiles } from "./image_files.ts";
import { type Drawing, FIGURE_LABEL, pictureShape, readLabelMe } from "./labelme.ts";
import { ImageNames } from "./mask_names.ts";
import { Notes, some } from "./notes.ts";
import { rasterise } from "./raster.ts";

/** Where `sift` leaves pictures, beside its manifest. */
export const PICTURES = "images";
const PAINTED = "masks";

interface MaskFile {
  readonly path: string;
  /** The image's name. */
  readonly name: string;
}

/** A mask at its image's size in the set. */
interface Mask {
  readonly index: number;
  readonly coverage: Uint8Array;
}

/**
 * The set with the masks of a folder. A split that has masks there has no others.
 * @throws UserError (data) that names the file and what is wrong with it, or that there is none
 */
export async function withMaskFiles(set: DataSet, folder: string): Promise<DataSet> {
  const notes = set.notes?.copy() ?? new Notes();
  const files = await maskFiles(folder, notes);
  const { train, validation, test } = set;
  const splits: Readonly<Record<string, Split | undefined>> = { train, validation, test };
  const names = new ImageNames(
    Object.fromEntries(Object.entries(splits).map(([name, split]) => [name, split?.names])),
  );
  const drawn = new Map(Object.keys(splits).map((name) => [name, new Map<number, string>()]));
  const masks = new Map<string, Mask[]>();
  const labels = new LabelCheck(set.classes);
  for (const file of files) {
    const drawing = await readMask(file.path);
    const place = names.find(file.path, file.name, drawing.picture);
    if (!place) throw nobodysMask(set, file);
    // Looked at, and left as it is.
    if (drawing.count === 0) continue;
    const { split, index, name } = place;
    const before = drawn.get(split)!.get(index);
    if (before !== undefined) throw secondMask(name, before, file.path);
    drawn.get(split)!.set(index, file.path);
    labels.add(drawing.labels ?? [], set.classes[splits[split]!.labels[index]], file.path);
    const coverage = await coverageOf(drawing, set, splits[split]!, index, file.path);
    masks.set(split, [...masks.get(split) ?? [], { index, coverage }]);
  }
  if (masks.size === 0) throw noMasks(folder);
  labels.warn(notes);
  const masked = <S extends Split | undefined>(split: S, name: string): S => {
    const own = masks.get(name);
    return split && own ? { ...split, masks: collect(own, split.labels.length) } : split;
  };
  const counts = [...masks].map(([split, all]) => `${all.length} ${split}`);
  return {
    ...set,
    train: masked(train, "train"),
    validation: masked(validation, "validation"),
    test: masked(test, "test"),
    source: `${set.source}; masks of ${counts.join(", ")} images in ${folder}`,
    notes,
  };
}

/** The share of each of the image's pixels, as the set has them, that is figure. */
async function coverageOf(
  { shape, size }: Drawing,
  set: DataSet,
  { images }: Split,
  index: number,
  path: string,
): Promise<Uint8Array> {
  const stored = storedSize(set);
  const isFile = images instanceof ImageFiles;
  const own = isFile ? await upright(images.files.at(index)!) : stored;
  checkProportions(size, own, path, isFile);
  const fit = fitted(isFile ? images.mode : "stretch", own, stored, path);
  const coverage = await rasterise(shape, size, fit.scaled);
  if (coverage.every((share) => share === 0)) {
    throw new UserError(`${path}: its shapes cover nothing of the image`, ExitCode.data);
  }
  return framed(coverage, fit, stored);
}

const upright = async (file: ImageFile) => file.size ?? (await imageHeader(file)).size;

/** What shapes are called that are no class, or another class than their image's. */
class LabelCheck {
  private readonly unknown = new Map<string, number>();
  private readonly foreign: string[] = [];

  constructor(private readonly classes: readonly string[]) {}

  add(labels: readonly string[], own: string, path: string): void {
    const isClass = (label: string) => this.classes.includes(label);
    for (const label of labels) {
      if (label === FIGURE_LABEL || label === own) continue;
      if (isClass(label)) this.foreign.push(`${path} (${label})`);
      else this.unknown.set(label, (this.unknown.get(label) ?? 0) + 1);
    }
  }

  warn(notes: Notes): void {
    for (const [label, count] of this.unknown) {
      notes.warn(
        `${labelled(count)} ${label}, which is no class` +
          `${didYouMean(label, this.classes)} (they count as figure)`,
      );
    }
    if (this.foreign.length === 0) return;
    notes.warn(
      `${labelled(this.foreign.length)} with another class than their image's: ` +
        some(this.foreign),
    );
  }
}

const labelled = (shapes: number) =>
  shapes === 1 ? "1 shape is labelled" : `${shapes} shapes are labelled`;

function collect(drawn: readonly Mask[], images: number): Masks {
  const rows = new Uint32Array(images).fill(NO_MASK);
  const size = drawn[0].coverage.length;
  const coverage = new Uint8Array(drawn.length * size);
  drawn.forEach((mask, row) => {
    rows[mask.index] = row;
    coverage.set(mask.coverage, row * size);
  });
  return { coverage, count: drawn.length, rows };
}

/** The files of a folder that hold masks; see the header. */
async function maskFiles(folder: string, notes: Notes): Promise<MaskFile[]> {
  const sifted = [folder, dirname(folder)];
  for (const root of basename(folder) === PICTURES ? sifted : [folder]) {
    if (!await fileExists(join(root, MANIFEST))) continue;
    const drawn = await namedFiles(join(root, PICTURES), ".json", notes);
    const painted = join(root, PAINTED);
    const isThere = await Deno.stat(painted).then((info) => info.isDirectory, () => false);
    return [...drawn, ...isThere ? await namedFiles(painted, ".png", notes) : []];
  }
  const drawn = await namedFiles(folder, ".json", notes);
  return drawn.length > 0 ? drawn : await namedFiles(folder, ".png", notes);
}

async function namedFiles(root: string, ending: string, notes: Notes): Promise<MaskFile[]> {
  const files: MaskFile[] = [];
  for await (const path of filesUnder(root, notes)) {
    if (extname(path).toLowerCase() !== ending) continue;
    const inside = relative(root, path).replaceAll("\\", "/");
    files.push({ path, name: inside.slice(0, -ending.length) });
  }
  return files.sort((a, b) => a.path < b.path ? -1 : 1);
}

async function readMask(path: string): Promise<Drawing> {
  return extname(path).toLowerCase() === ".json"
    ? readLabelMe(await readText(path, ExitCode.data), path)
    : pictureShape(await readBytes(path, ExitCode.data, LIMITS.imageFile), path);
}

/** A mask may be magnified, or drawn on a smaller picture, but not be of another form. */
function checkProportions(drawn: Size, image: Size, path: string, isFile: boolean): void {
  if (isScaled(drawn, image)) return;
  const isTurned = drawn.width === image.height && drawn.height === image.width;
  throw new UserError(
    `${path}: it was drawn on ${sizeText(drawn)} pixels, and the image has ${sizeText(image)}` +
      (isTurned ? ", upright" : ""),
    ExitCode.data,
    isTurned
      ? "The camera's note which way up the picture is (EXIF) counts: draw on it in LabelMe anew."
      : isFile
      ? "Is it the mask of another image? Draw on the image itself."
      : "Draw on the pictures that deno task sift exports.",
  );
}

/** Whether one size is the other times a factor, but for parts of a pixel. */
function isScaled(a: Size, b: Size): boolean {
  const isClose = Math.abs(a.width - b.width) <= 1 && Math.abs(a.height - b.height) <= 1;
  if (isClose) return a.width === b.width && a.height === b.height;
  const most = Math.min((a.width + 1) / b.width, (a.height + 1) / b.height);
  const least = Math.max((a.width - 1) / b.width, (a.height - 1) / b.height);
  return least < most;
}

const sizeText = ({ height, width }: Size) => `${width} x ${height}`;

function secondMask(image: string, first: string, second: string): UserError {
  return new UserError(
    `${first} and ${second} are both masks of ${image}`,
    ExitCode.data,
    "Leave one of them there.",
  );
}

function nobodysMask({ name, train }: DataSet, file: MaskFile): UserError {
  return new UserError(
    `${file.path}: no image of ${name} is called ${file.name}`,
    ExitCode.data,
    `A mask has the name of its image, such as ${train.names?.at(0) ?? "train-00000"}.`,
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
