/**
 * A data set of images in files, or in parts of files, that stay where they are and are read batch by
 * batch: from what was listed of them to parts, classes and one size.
 */
import { ExitCode, UserError } from "../errors.ts";
import { mapAtOnce } from "../io/at_once.ts";
import type { FilePart } from "../io/file_part.ts";
import { type ImageHeader, imageHeader } from "../io/image.ts";
import type { DataSet, Preparation, Size, Split } from "./dataset.ts";
import { divide, type DivideOptions } from "./division.ts";
import type { ResizeMode } from "./fit.ts";
import { ImageFiles } from "./image_files.ts";
import { type List, mapped, picked } from "./list.ts";
import type { Listing } from "./listing.ts";
import { type Notes, some } from "./notes.ts";

/** What distinguishes one set of the family from another. */
export interface ImageSet {
  readonly name: string;
  readonly preparation: Preparation;
  /** Whether small images of one size set the network's input, instead of being enlarged. */
  readonly smaller: boolean;
}

export interface ImageSetOptions extends DivideOptions {
  /**
   * Pixels of the network's input along a side; by default 224, or those of the images where all
   * are of one smaller size and the set is not defined otherwise.
   */
  readonly size?: number;
  /** How an image of another form becomes a square; stretched by default. */
  readonly resizeMode?: ResizeMode;
}

/** The images that were found. */
export interface Found {
  /** Where: a folder, or archives. */
  readonly place: string;
  readonly listed: Listing;
  /** The classes' names, in the order of their numbers. */
  readonly classes: readonly string[];
  /** The images', each another. */
  readonly names: List<string>;
}

/** Pixels of the network's input along a side, where nothing else is said. */
const SIDE = 224;

/** @throws UserError (data) that names the file and what is wrong with it */
export async function imageSet(
  set: ImageSet,
  { place, listed, classes, names }: Found,
  options: ImageSetOptions,
  notes: Notes,
): Promise<DataSet> {
  checkClasses(classes, place, notes);
  const { train, validation, test, how } = divide(listed, place, options, notes);
  const headers = await readHeaders(listed, notes);
  const { target, stored, mode } = sizesFor(set, [...headers.values()], options, notes);
  const numbers = new Map(classes.map((name, k) => [name, k]));
  const sized = mapped(
    listed,
    ({ path, within }, i) => ({ path, within, size: headers.get(i)?.size }),
  );
  const files = new ImageFiles(sized, stored, mode);
  const split = (rows: readonly number[]): Split => {
    const indices = Uint32Array.from(rows);
    return {
      images: files.subset(indices),
      labels: Uint16Array.from(rows, (i) => numbers.get(listed.labels[i])!),
      names: picked(names, indices),
    };
  };
  return {
    ...{ name: set.name, classes, ...target, channels: 3, stored, ...set.preparation },
    train: split(train),
    test: split(test),
    validation: validation.length > 0 ? split(validation) : undefined,
    source: `${place} (${classes.length} classes, ${train.length} training` +
      `${validation.length > 0 ? `, ${validation.length} validation` : ""} and ${test.length} ` +
      `test images${how})`,
    notes,
  };
}

/** The network's input, what images are read as, and how they become it; what was chosen is noted. */
function sizesFor(
  set: ImageSet,
  headers: readonly ImageHeader[],
  options: ImageSetOptions,
  notes: Notes,
): { readonly target: Size; readonly stored: Size; readonly mode: ResizeMode } {
  const common = commonSize(headers.map(({ size }) => size));
  const isSquare = common && common.height === common.width;
  const square = isSquare && common.height <= SIDE;
  const own = options.size ?? (set.smaller && square ? common.height : SIDE);
  if (options.size === undefined && set.smaller && !square) {
    notes.guess(
      `${own} x ${own} pixels for images of ` +
        (common ? `${common.width} x ${common.height}` : "several sizes"),
      "--size",
    );
  }
  const target = { height: own, width: own };
  const mode = options.resizeMode ?? "stretch";
  notes.resized = describeResizing(headers, common, own, mode);
  if (!isSquare && options.resizeMode === undefined) {
    notes.guess("images of another form are stretched", "--resize-mode");
  }
  // Small images of one size travel as they are, and the GPU enlarges them.
  const isSmall = common && common.height * common.width < own * own;
  const stored = isSmall && (isSquare || mode === "stretch") ? common : target;
  return { target, stored, mode };
}

function checkClasses(classes: readonly string[], place: string, notes: Notes): void {
  for (const [, alike] of Map.groupBy(classes, likeness)) {
    if (alike.length < 2) continue;
    notes.warn(
      `${alike.join(" and ")} are classes of their own, though they are spelled alike`,
    );
  }
  if (classes.length >= 2 && classes.length <= 65536) return;
  throw new UserError(
    `${place} holds images of ${
      classes.length === 1 ? `one class, ${classes[0]}` : classes.length + " classes"
    }`,
    ExitCode.data,
    "A classifier needs two classes or more: a folder for each, or a column in the table.",
  );
}

/** Equal for names that differ in case, separators, accents' encoding or a number's form alone. */
function likeness(name: string): string {
  const number = Number(name);
  if (name.trim() !== "" && Number.isFinite(number)) return `${number}`;
  return name.normalize("NFKC").toLowerCase().replace(/[\s_-]+/g, " ").trim();
}

/** Files whose headers are read at a time. */
const AT_ONCE = 64;
/** Of more images than these only so many are looked into before they are used. */
const LOOKED_INTO = 20_000;

/** Looks into every file, or into some of very many, evenly; by their places in the list. */
async function readHeaders(
  files: List<FilePart>,
  notes: Notes,
): Promise<Map<number, ImageHeader>> {
  const step = Math.max(1, files.length / LOOKED_INTO);
  const looked = Array.from(
    { length: Math.min(files.length, LOOKED_INTO) },
    (_, k) => Math.floor(k * step),
  );
  const read = await mapAtOnce(looked, (i) => imageHeader(files.at(i)!), AT_ONCE);
  const headers = new Map(looked.map((i, k) => [i, read[k]]));
  if (step > 1) {
    notes.guess(
      `all images are as ${looked.length} of ${files.length} that were looked into`,
      "--size",
    );
  }
  const several = [...headers].filter(([, { pictures }]) => pictures > 1);
  if (several.length > 0) {
    notes.warn(
      `${
        several.length === 1 ? "1 file holds" : `${several.length} files hold`
      } several pictures, ` +
        `of which the first is read: ${some(several.map(([i]) => files.at(i)!.path))}`,
    );
  }
  return headers;
}

/** The size that all images have, or undefined. */
function commonSize([first, ...rest]: readonly Size[]): Size | undefined {
  const same = rest.every(({ height, width }) => height === first.height && width === first.width);
  return same ? first : undefined;
}

/** What becomes of the images before they are the network's input. */
function describeResizing(
  headers: readonly ImageHeader[],
  common: Size | undefined,
  side: number,
  mode: ResizeMode,
): string {
  const how = { stretch: "stretched", crop: "scaled and cropped", pad: "scaled and padded" }[mode];
  const isOwn = common?.height === side && common.width === side;
  const from = common ? `${common.width} x ${common.height}` : "several sizes";
  const resized = isOwn ? "as they are" : `${how} from ${from} (bilinear)`;
  const turned = headers.filter(({ isTurned }) => isTurned).length;
  return turned === 0 ? resized : `${resized}, ${turned} turned upright as EXIF says`;
}
