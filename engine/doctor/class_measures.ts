/** What predictions alone say: by class and by group, which classes are mixed up, calibration. */

import * as v from "valibot";
import type { Groups } from "../data/groups.ts";
import { count, finite, fraction, type Schema } from "../io/json.ts";
import { isRight, type Prediction } from "../train/predictions.ts";
import type { Curve } from "./curve.ts";
import { type Interval, wilson } from "./significance.ts";

/** How many of some images are classified right. */
export interface Share {
  readonly images: number;
  readonly correct: number;
  /** null where there is no image. */
  readonly accuracy: number | null;
  /** Wilson's 95 % interval of the accuracy; null where there is no image. */
  readonly interval: Interval | null;
}

export const shareSchema = v.looseObject({
  images: count,
  correct: count,
  accuracy: v.nullable(fraction),
  interval: v.nullable(v.tuple([finite, finite])),
}) satisfies Schema<Share>;

export function share(correct: number, images: number): Share {
  if (images === 0) return { images, correct, accuracy: null, interval: null };
  return { images, correct, accuracy: correct / images, interval: wilson(correct, images) };
}

/** How often each image counts, as where they are drawn with replacement; once if absent. */
export type Times = ArrayLike<number>;

/**
 * The share that is right in each of `count` groups of images.
 * @param group of each image, from 0
 */
export function byGroup(
  of: readonly Prediction[],
  group: ArrayLike<number>,
  count: number,
  times?: Times,
): Share[] {
  const images = new Array<number>(count).fill(0);
  const correct = new Array<number>(count).fill(0);
  of.forEach((prediction, i) => {
    const n = times ? times[i] : 1;
    images[group[i]] += n;
    if (isRight(prediction)) correct[group[i]] += n;
  });
  return images.map((n, g) => share(correct[g], n));
}

/** The share that is right of each class. */
export function byClass(of: readonly Prediction[], classes: number, times?: Times): Share[] {
  return byGroup(of, of.map(({ label }) => label), classes, times);
}

/** Of many groups, those with fewer images say too little to be the worst one. */
export const SMALLEST_GROUP = 10;

/** The place of the lowest accuracy of those with `fewest` images or more; -1 without any. */
export function worst(shares: readonly Share[], fewest = 1): number {
  let lowest = -1;
  shares.forEach(({ accuracy, images }, g) => {
    if (accuracy === null || images < fewest) return;
    if (!(accuracy >= (shares[lowest]?.accuracy ?? Infinity))) lowest = g;
  });
  return lowest;
}

/** Numbers of images: a row for each label, a column for each prediction. */
export function confusionMatrix(
  of: readonly Prediction[],
  classes: number,
  times?: Times,
): number[][] {
  const matrix = Array.from({ length: classes }, () => new Array<number>(classes).fill(0));
  of.forEach(({ label, predicted }, i) => matrix[label][predicted] += times ? times[i] : 1);
  return matrix;
}

/** The images whose confidence lies in (from, to]. */
export interface CalibrationBin {
  readonly from: number;
  readonly to: number;
  readonly images: number;
  /** Share that is right, and mean confidence; null where there is no image. */
  readonly accuracy: number | null;
  readonly confidence: number | null;
}

export interface Calibration {
  /** Expected calibration error: mean over the images of their bin's |accuracy - confidence|. */
  readonly ece: number;
  readonly bins: readonly CalibrationBin[];
}

/** How far confidence is from accuracy, in `count` bins of equal width (Guo et al., 2017). */
export function calibration(of: readonly Prediction[], count = 15, times?: Times): Calibration {
  const sums = Array.from({ length: count }, () => ({ images: 0, right: 0, confidence: 0 }));
  let total = 0;
  of.forEach((prediction, i) => {
    const bin = Math.ceil(prediction.confidence * count) - 1;
    const sum = sums[Math.min(Math.max(bin, 0), count - 1)];
    const n = times ? times[i] : 1;
    total += n;
    sum.images += n;
    sum.right += isRight(prediction) ? n : 0;
    sum.confidence += n * prediction.confidence;
  });
  const bins = sums.map(({ images, right, confidence }, i) => {
    const mean = (total: number) => images > 0 ? total / images : null;
    return {
      ...{ from: i / count, to: (i + 1) / count, images },
      ...{ accuracy: mean(right), confidence: mean(confidence) },
    };
  });
  const ece = bins.reduce(
    (sum, { images, accuracy, confidence }) =>
      sum + images / total * Math.abs((accuracy ?? 0) - (confidence ?? 0)),
    0,
  );
  return { ece, bins };
}

/** What predictions alone say. */
export interface ClassMeasures {
  /** By class, in the order of the data set's classes. */
  readonly classes: readonly Share[];
  /** Numbers of images: a row for each label, a column for each prediction. */
  readonly confusion: readonly (readonly number[])[];
  readonly calibration: Calibration;
  /** Where the images belong to groups. */
  readonly groups?: GroupMeasures;
}

export interface GroupMeasures {
  /** Each group's share that is right. */
  readonly shares: readonly Share[];
  /** The worst one's place. */
  readonly worst: number;
  /**
   * The mean accuracy of groups as large as they are in training, where that is known; null where
   * such a group has no image here.
   */
  readonly training?: number | null;
}

/** Groups of images, and how large they are in training where that is known. */
export interface MeasuredGroups extends Groups {
  readonly training?: ArrayLike<number>;
}

export function classMeasures(
  of: readonly Prediction[],
  classes: number,
  groups?: MeasuredGroups,
  times?: Times,
): ClassMeasures {
  return {
    classes: byClass(of, classes, times),
    confusion: confusionMatrix(of, classes, times),
    calibration: calibration(of, undefined, times),
    ...groups && { groups: groupMeasures(of, groups, times) },
  };
}

function groupMeasures(
  of: readonly Prediction[],
  { names, of: group, training }: MeasuredGroups,
  times?: Times,
): GroupMeasures {
  const shares = byGroup(of, group, names.length, times);
  const sizes = training && Array.from(training);
  const lacks = sizes?.some((size, g) => size > 0 && shares[g].accuracy === null);
  const total = sizes?.reduce((sum, size) => sum + size, 0);
  const mean = sizes?.reduce((sum, size, g) => sum + size / total! * (shares[g].accuracy ?? 0), 0);
  return { shares, worst: worst(shares), ...training && { training: lacks ? null : mean } };
}

/** The numbers that are worth comparing, by name; undefined or null where there is none. */
export function classScalars({ classes, groups, calibration }: ClassMeasures) {
  return {
    "accuracy, training's groups": groups?.training,
    "calibration error": calibration.ece,
    "worst class": classes[worst(classes)]?.accuracy,
    "worst group": groups?.shares[groups.worst]?.accuracy,
  };
}

export function calibrationCurve({ calibration: { bins } }: ClassMeasures): Curve {
  return {
    ...{ title: "Calibration", x: "confidence, percent", y: "accuracy, percent" },
    caption: "Accuracy of the images of about the same confidence; on the diagonal, confidence " +
      "is what it says.",
    range: [0, 100],
    diagonal: true,
    points: bins.flatMap(({ confidence, accuracy }) =>
      confidence === null || accuracy === null ? [] : [[100 * confidence, 100 * accuracy] as const]
    ),
  };
}
