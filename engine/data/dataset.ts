/**
 * A data set in memory: images as bytes (N, H, W, C), labels, and what training needs to know
 * about them. Normalising and augmenting happen batch by batch on the GPU, so nothing is copied.
 */
import { ExitCode, UserError } from "../errors.ts";
import { permutation, streamId } from "../random.ts";

/** Random changes of a training image. */
export interface Augmentation {
  /** Pixels of zero padding on each side before a random crop back to the image's size. */
  readonly cropPadding: number;
  /** Whether to mirror left and right with probability 1/2. */
  readonly flip: boolean;
}

/** How the bytes become the network's input: (byte / 255 - mean) / std by channel. */
export interface Preparation {
  readonly mean: readonly number[];
  readonly std: readonly number[];
  readonly augmentation: Augmentation;
}

/** Images with their labels. */
export interface Split {
  /** (N, H, W, C) */
  readonly images: Uint8Array<ArrayBuffer>;
  /** (N) class indices */
  readonly labels: Uint8Array<ArrayBuffer>;
  /** (N, H, W), 1 where the figure is, 0 where the background is; where known */
  readonly masks?: Uint8Array<ArrayBuffer>;
  /** (N) the kind of background of each image; where known */
  readonly backgrounds?: Uint8Array<ArrayBuffer>;
}

export interface DataSet extends Preparation {
  readonly name: string;
  readonly classes: readonly string[];
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly train: Split;
  readonly test: Split;
  /** Where the data came from, as a person wants to read it. */
  readonly source: string;
}

/** The images at `indices`, in that order. */
export function subset(split: Split, indices: Uint32Array): Split {
  const { images, labels, masks, backgrounds } = split;
  const n = labels.length;
  return {
    images: gather(images, indices, n),
    labels: gather(labels, indices, n),
    masks: masks && gather(masks, indices, n),
    backgrounds: backgrounds && gather(backgrounds, indices, n),
  };
}

/** Rows of an array of n rows. */
function gather(rows: Uint8Array, indices: Uint32Array, n: number): Uint8Array<ArrayBuffer> {
  const size = rows.length / n;
  const out = new Uint8Array(indices.length * size);
  indices.forEach((index, i) => out.set(rows.subarray(index * size, (index + 1) * size), i * size));
  return out;
}

/**
 * A class-balanced random subset of n images, in their original order: every class gives the same
 * number, up to one, as long as it has images left. The whole split where n is not smaller.
 * @throws UserError (usage) where n is not a positive integer
 */
export function limit(split: Split, n: number, seed: number): Split {
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
export function splitValidation(
  split: Split,
  fraction: number,
  seed: number,
): { train: Split; validation: Split } {
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
    throw new UserError(
      `${split.labels.length} images are too few to split off a validation set`,
      ExitCode.data,
      "Use at least two images of a class.",
    );
  }
  return {
    train: subset(split, Uint32Array.from(train).sort()),
    validation: subset(split, Uint32Array.from(validation).sort()),
  };
}

/** For each class the indices of its images in a random order. */
function shuffledByClass(labels: Uint8Array, seed: number, purpose: string): Uint32Array[] {
  const members: number[][] = [];
  labels.forEach((label, i) => (members[label] ??= []).push(i));
  return Array.from(members, (indices = [], label) => {
    const order = permutation(indices.length, seed, streamId(`${purpose}/${label}`));
    return order.map((i) => indices[i]);
  });
}
