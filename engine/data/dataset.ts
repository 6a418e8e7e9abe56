/**
 * A data set: images as bytes (N, H, W, C), in memory or in files, labels, and what training needs
 * to know about them. Resizing, augmenting and normalising happen batch by batch on the GPU, so
 * nothing is copied.
 */
import { ExitCode, UserError } from "../errors.ts";
import { permutation, streamId } from "../random.ts";
import { type List, picked } from "./list.ts";
import type { Notes } from "./notes.ts";

/** Pixels of an image along its sides. */
export interface Size {
  readonly height: number;
  readonly width: number;
}

/** Random changes of a training image. */
export interface Augmentation {
  /** Pixels of zero padding on each side before a random crop back to the image's size. */
  readonly cropPadding: number;
  /** Whether to mirror left and right with probability 1/2. */
  readonly flip: boolean;
  /** Whether to mirror top and bottom with probability 1/2. */
  readonly flipVertical?: boolean;
}

/** In which order the network wants an image's colours; images lie as red, green and blue. */
export const COLOURS = ["rgb", "bgr"] as const;
export type Colour = typeof COLOURS[number];

/** How the bytes become the network's input: (byte / 255 - mean) / std by channel. */
export interface Preparation {
  /** rgb where absent. */
  readonly colour?: Colour;
  /** By channel, in the network's order of them. */
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly augmentation: Augmentation;
}

/** Class indices. */
export type Labels = Uint16Array<ArrayBuffer>;

/** Where the figure is: in every image, or in those for which somebody drew it. */
export interface Masks {
  /** (M, H, W), the share of each pixel that is figure, in 255ths */
  readonly coverage: Uint8Array<ArrayBuffer>;
  /** M */
  readonly count: number;
  /** (N) the row of `coverage` that is an image's own, NO_MASK where it has none */
  readonly rows: Uint32Array<ArrayBuffer>;
}

/** In place of the row of an image without a mask. */
export const NO_MASK = 0xffffffff;

/** Images that are read when a batch wants them, such as those in files. */
export interface ImageSource {
  /** The archive that each image lies in, by number, where they lie in archives. */
  readonly archives?: Uint32Array;
  /** The images at `indices`, one after the other: (n, H, W, C). @throws UserError (data) */
  read(indices: Uint32Array): Promise<Uint8Array<ArrayBuffer>>;
  /** The source of the images at `indices`, in that order. */
  subset(indices: Uint32Array): ImageSource;
}

/** Images with their labels. */
export interface Split {
  /** (N, H, W, C) at the set's stored size */
  readonly images: Uint8Array<ArrayBuffer> | ImageSource;
  /** (N) class indices */
  readonly labels: Labels;
  /** At the images' stored size; where known. */
  readonly masks?: Masks;
  /** (N) the kind of background of each image; where known */
  readonly backgrounds?: Uint8Array<ArrayBuffer>;
  /** (N) by which files and reports speak of the images */
  readonly names?: List<string>;
}

/** A split whose images are in memory. */
export interface MemorySplit extends Split {
  readonly images: Uint8Array<ArrayBuffer>;
}

export interface DataSet<S extends Split = Split> extends Preparation {
  readonly name: string;
  readonly classes: readonly string[];
  /** Size and channels of the network's input. */
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Size of the images as they are stored, where it is another: batches resize them. */
  readonly stored?: Size;
  readonly train: S;
  readonly test: S;
  /** The publisher's own validation set; where there is none, training splits one off. */
  readonly validation?: S;
  /** Names of the kinds of background that the splits' `backgrounds` count, where known. */
  readonly backgroundNames?: readonly string[];
  /** Where the data came from, as a person wants to read it. */
  readonly source: string;
  /** What was left out, guessed and found odd while it was read. */
  readonly notes?: Notes;
}

/** The size of the images, and masks, as the splits hold them. */
export const storedSize = ({ stored, height, width }: DataSet): Size => stored ?? { height, width };

/** Masks of which every image has its own. @param coverage (N, H, W) in 255ths */
export function masksOfAll(coverage: Uint8Array<ArrayBuffer>, images: number): Masks {
  return { coverage, count: images, rows: Uint32Array.from({ length: images }, (_, i) => i) };
}

/** The images at `indices`, in that order. */
export function subset<S extends Split>(split: S, indices: Uint32Array): S {
  const { images, labels, masks, backgrounds, names } = split;
  const n = labels.length;
  return {
    ...split,
    images: images instanceof Uint8Array
      ? gather(images, indices, images.length / n)
      : images.subset(indices),
    labels: gather(labels, indices),
    masks: masks && subsetOfMasks(masks, indices),
    backgrounds: backgrounds && gather(backgrounds, indices),
    names: names && picked(names, indices),
  } as S;
}

/** The masks of the images at `indices`, without those of others. */
function subsetOfMasks({ coverage, count, rows }: Masks, indices: Uint32Array): Masks {
  const wanted = gather(rows, indices);
  const kept = Uint32Array.from(new Set(wanted.filter((row) => row !== NO_MASK)));
  const place = new Map(Array.from(kept, (row, i) => [row, i]));
  return {
    coverage: gather(coverage, kept, coverage.length / count),
    count: kept.length,
    rows: wanted.map((row) => place.get(row) ?? NO_MASK),
  };
}

/** Rows of an array whose rows have `size` elements. */
function gather<Rows extends Labels | Uint8Array<ArrayBuffer> | Uint32Array<ArrayBuffer>>(
  rows: Rows,
  indices: Uint32Array,
  size = 1,
): Rows {
  const out = new (rows.constructor as new (length: number) => Rows)(indices.length * size);
  indices.forEach((index, i) => out.set(rows.subarray(index * size, (index + 1) * size), i * size));
  return out;
}

/**
 * A class-balanced random subset of n images, in their original order: every class gives the same
 * number, up to one, as long as it has images left. The whole split where n is not smaller.
 * @throws UserError (usage) where n is not a positive integer
 */
export function limit<S extends Split>(split: S, n: number, seed: number): S {
  if (!Number.isInteger(n) || n < 1) {
    throw new UserError(
      `cannot use ${n} images: a positive whole number is needed`,
      ExitCode.usage,
    );
  }
  if (n >= split.labels.length) return split;
  const classes = shuffledByClass(split.labels, seed, "limit");
  const chosen: number[] = [];
  for (let rank = 0; chosen.length < n; rank++) {
    for (const members of classes) {
      if (rank < members.length && chosen.length < n) chosen.push(members[rank]);
    }
  }
  return subset(split, Uint32Array.from(chosen).sort());
}

/**
 * Splits off a random share of every class for validation: the share rounded, but at least one
 * image of a class that has two. Both parts keep the original order.
 * @param fraction of each class, between 0 and 1
 * @throws UserError (usage) for another fraction, (data) where a part would be empty
 */
export function splitValidation<S extends Split>(
  split: S,
  fraction: number,
  seed: number,
): { train: S; validation: S } {
  if (!(fraction > 0 && fraction < 1)) {
    throw new UserError(
      `a validation share of ${fraction} is not between 0 and 1`,
      ExitCode.usage,
    );
  }
  const validation: number[] = [];
  const train: number[] = [];
  for (const members of shuffledByClass(split.labels, seed, "validation")) {
    const most = Math.max(0, members.length - 1);
    const count = Math.min(most, Math.max(1, Math.round(fraction * members.length)));
    members.forEach((index, rank) => (rank < count ? validation : train).push(index));
  }
  if (validation.length === 0 || train.length === 0) {
    const classes = new Set(split.labels).size;
    throw new UserError(
      `${split.labels.length} images of ${classes} classes to train on are too few to split off a ` +
        "validation set: no class has two of them",
      ExitCode.data,
      "Add images, or a val part of your own.",
    );
  }
  return {
    train: subset(split, Uint32Array.from(train).sort()),
    validation: subset(split, Uint32Array.from(validation).sort()),
  };
}

/** For each class the indices of its images in a random order. */
function shuffledByClass(labels: Labels, seed: number, purpose: string): Uint32Array[] {
  const members: number[][] = [];
  labels.forEach((label, i) => (members[label] ??= []).push(i));
  return Array.from(members, (indices = [], label) => {
    const order = permutation(indices.length, seed, streamId(`${purpose}/${label}`));
    return order.map((i) => indices[i]);
  });
}

/** `limit` where a limit is asked for. */
export function atMost<S extends Split>(split: S, n: number | undefined, seed: number): S {
  return n === undefined ? split : limit(split, n, seed);
}

/** How training uses a set. */
export interface TrainingOptions {
  /** Training images to use, validation included; all of them where absent. */
  readonly limit?: number;
  /** Share of the training images to validate on, where the publisher has no such set. */
  readonly validation: number;
  readonly seed: number;
}

/**
 * What is trained on and what chooses the epoch: the publisher's own validation set, or a share of
 * the training images. With a limit, the publisher's set is cut to the same share.
 * @throws UserError as `limit` and `splitValidation` do
 */
export function trainingSplits(
  set: DataSet,
  { limit: most, validation: share, seed }: TrainingOptions,
): { train: Split; validation: Split } {
  const train = trainingPart(set, most, seed);
  if (!set.validation) return splitValidation(train, share, seed);
  const { labels } = set.validation;
  const part = Math.ceil(labels.length * train.labels.length / set.train.labels.length);
  return { train, validation: limit(set.validation, Math.max(part, set.classes.length), seed) };
}

/**
 * The images that training sees: as `trainingSplits` makes them, or with a share of 0 all of them.
 * @throws UserError as `trainingSplits` does
 */
export function trainingImages(set: DataSet, options: TrainingOptions): Split {
  if (options.validation > 0) return trainingSplits(set, options).train;
  return trainingPart(set, options.limit, options.seed);
}

/** @throws UserError (usage) where the limit leaves nothing of a class to train on */
function trainingPart(set: DataSet, most: number | undefined, seed: number): Split {
  const train = atMost(set.train, most, seed);
  const [has, kept] = [new Set(set.train.labels), new Set(train.labels)];
  if (kept.size === has.size) return train;
  throw new UserError(
    `${most} images leave ${has.size - kept.size} of ${has.size} classes without any to train on`,
    ExitCode.usage,
    `Give --limit ${has.size} or more.`,
  );
}
