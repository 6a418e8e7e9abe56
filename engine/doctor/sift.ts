/**
 * Sifting: which images the method looks at. Confidence is the softmax probability of the
 * predicted class.
 */

import { isRight, type Prediction } from "../train/predictions.ts";

/** Image indices by class. */
export type Sifted = readonly (readonly number[])[];

function byClass(
  of: readonly Prediction[],
  classes: number,
  count: number,
  chosen: (p: Prediction) => boolean,
  rank: (p: Prediction) => number,
): Sifted {
  return Array.from({ length: classes }, (_, k) =>
    of.map((p, i) => [p, i] as const)
      .filter(([p]) => p.label === k && chosen(p))
      .sort(([a, i], [b, j]) => rank(a) - rank(b) || i - j)
      .slice(0, count)
      .map(([, i]) => i));
}

/** For each class the `count` images that are classified right with the highest confidence. */
export function siftHigh(of: readonly Prediction[], classes: number, count: number): Sifted {
  return byClass(of, classes, count, isRight, (p) => -p.confidence);
}

/**
 * For each class the images worth a mask: up to `count` that are right with the lowest confidence,
 * and up to `count` that are wrong with the highest.
 */
export function siftLow(of: readonly Prediction[], classes: number, count: number) {
  return {
    right: byClass(of, classes, count, isRight, (p) => p.confidence),
    wrong: byClass(of, classes, count, (p) => !isRight(p), (p) => -p.confidence),
  };
}
