/**
 * Image folders: image files of any size in a folder for each class, or with tables. The
 * files stay where they are and are read batch by batch.
 *
 * mini-ImageNet comes so, with images and train.csv, val.csv, test.csv, whose classes are disjoint
 * (it was made for learning from few examples: Vinyals and others 2016, Ravi and Larochelle 2017).
 * A classifier needs all classes in both parts; so the parts are put together and divided anew.
 */
import { ExitCode, UserError } from "../errors.ts";
import { type ImageHeader, imageHeader } from "../io/image.ts";
import type { DataSet, Preparation, Size, Split } from "./dataset.ts";
import { divide, type DivideOptions } from "./division.ts";
import type { ResizeMode } from "./fit.ts";
import { imageNames, listImages, type ListOptions } from "./folder_listing.ts";
import { ImageFiles } from "./image_files.ts";
import { Notes, some } from "./notes.ts";

/** What distinguishes one set of the family from another. */
export interface FolderSet {
  readonly name: string;
  readonly preparation: Preparation;
  /** Whether small images of one size set the network's input, instead of being enlarged. */
  readonly smaller: boolean;
}

const size = 224;
const [mean, std] = [[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]];

/** With the values of ImageNet, as is the custom for photographs. */
export const imageFolder: FolderSet = {
  name: "folder",
  preparation: { mean, std, augmentation: { cropPadding: 0, flip: true } },
  smaller: true,
};

/** Source of the values: Feng and others, "Model Doctor" (AAAI 2022), the authors' scripts. */
export const miniImageNet: FolderSet = {
  name: "mini-imagenet",
  preparation: { mean, std, augmentation: { cropPadding: 0, flip: true, flipVertical: true } },
  smaller: false,
};

export interface FolderOptions extends ListOptions, DivideOptions {
  /**
   * Pixels of the network's input along a side; by default 224, or those of the images where all
   * are of one smaller size and the set is not defined otherwise.
   */
  readonly size?: number;
  /** How an image of another form becomes a square; stretched by default. */
  readonly resizeMode?: ResizeMode;
}

/** @throws UserError (data) that names the file or folder and what is wrong with it */
export async function readFolder(
  set: FolderSet,
  folder: string,
  options: FolderOptions = {},
): Promise<DataSet> {
  const notes = new Notes();
  const listed = await listImages(folder, options, notes);
  const classes = [...new Set(listed.map(({ label }) => label))].sort();
  checkClasses(classes, folder, notes);
  const { train, validation, test, how } = divide(listed, folder, options, notes);
  const paths = listed.map(({ path }) => path);
  const headers = await readHeaders(paths);
  const several = paths.filter((_, i) => headers[i].pictures > 1);
  if (several.length > 0) {
    notes.warn(
      `${
        several.length === 1 ? "1 file holds" : `${several.length} files hold`
      } several pictures, ` +
        "of which the first is read: " +
        some(several),
    );
  }
  const common = commonSize(headers.map(({ size }) => size));
  const square = common && common.height === common.width && common.height <= size;
  const own = options.size ?? (set.smaller && square ? common.height : size);
  if (options.size === undefined && set.smaller && !square) {
    notes.guess(
      `${own} x ${own} pixels for images of ` +
        (common ? `${common.width} x ${common.height}` : "several sizes"),
      "--size",
    );
  }
  const target = { height: own, width: own };
  const mode = options.resizeMode ?? "stretch";
  const isSquare = common && common.height === common.width;
  notes.resized = describeResizing(headers, common, own, mode);
  if (!isSquare && options.resizeMode === undefined) {
    notes.guess("images of another form are stretched", "--resize-mode");
  }
  // Small images of one size travel as they are, and the GPU enlarges them.
  const isSmall = common && common.height * common.width < own * own;
  const stored = isSmall && (isSquare || mode === "stretch") ? common : target;
  const indices = new Map(classes.map((name, k) => [name, k]));
  const all = paths.map((path, i) => ({ path, size: headers[i].size }));
  const files = new ImageFiles(all, stored, mode);
  const names = imageNames(folder, paths);
  const split = (rows: readonly number[]): Split => ({
    images: files.subset(Uint32Array.from(rows)),
    labels: Uint16Array.from(rows, (i) => indices.get(listed[i].label)!),
    names: rows.map((i) => names[i]),
  });
  return {
    ...{ name: set.name, classes, ...target, channels: 3, stored, ...set.preparation },
    train: split(train),
    test: split(test),
    validation: validation.length > 0 ? split(validation) : undefined,
    source: `${folder} (${classes.length} classes, ${train.length} training` +
      `${validation.length > 0 ? `, ${validation.length} validation` : ""} and ${test.length} ` +
      `test images${how})`,
    notes,
  };
}

function checkClasses(classes: readonly string[], folder: string, notes: Notes): void {
  for (const [, alike] of Map.groupBy(classes, likeness)) {
    if (alike.length < 2) continue;
    notes.warn(
      `${alike.join(" and ")} are classes of their own, though they are spelled alike`,
    );
  }
  if (classes.length >= 2 && classes.length <= 65536) return;
  throw new UserError(
    `${folder} holds images of ${
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

/** Looks into every file. */
async function readHeaders(paths: readonly string[]): Promise<ImageHeader[]> {
  const headers: ImageHeader[] = [];
  for (let i = 0; i < paths.length; i += AT_ONCE) {
    headers.push(...await Promise.all(paths.slice(i, i + AT_ONCE).map(imageHeader)));
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
