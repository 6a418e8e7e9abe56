/**
 * Which models of a trial are held against each other: every arm against the control, which tells
 * what its recipe adds to further training; and the treated one against every other arm, which
 * tells what its masks and kernels add (over a placebo), or what they do that another remedy
 * doesn't.
 */

import {
  type Interval,
  type McNemar,
  mcnemar,
  pairedDifference,
  type PairedSample,
  pairedSample,
} from "./significance.ts";

/** The arm that all others are held against. */
export const CONTROL = "control";
/** The arm that is on trial. */
export const TREATED = "treated";

/** Two arms. What is told of them is the first minus the second. */
export interface Pair {
  readonly arm: string;
  readonly against: string;
}

/** The pairs of a trial's arms, those against the control first. */
export function pairsOf(arms: readonly string[]): Pair[] {
  const others = arms.filter((arm) => arm !== CONTROL);
  const placebos = arms.includes(TREATED) ? others.filter((arm) => arm !== TREATED) : [];
  return [
    ...others.map((arm) => ({ arm, against: CONTROL })),
    ...placebos.map((against) => ({ arm: TREATED, against })),
  ];
}

/** Two arms on the same test images. */
export interface Contrast extends Pair {
  /** Of test accuracy. */
  readonly difference: number;
  /** 95 % interval of that difference on these images. */
  readonly interval: Interval;
  /** b: only `against` is right, c: only `arm` is. */
  readonly mcnemar: McNemar;
}

/** @param right for each image whether a model is right */
export function contrast(pair: Pair, right: (model: string) => readonly boolean[]): Contrast {
  const [first, second] = [right(pair.against), right(pair.arm)];
  const test = mcnemar(first, second);
  const n = first.length;
  return {
    ...pair,
    difference: (test.c - test.b) / n,
    interval: pairedDifference(test, n),
    mcnemar: test,
  };
}

/** Two arms over the same seeds. */
export type SeedsContrast = Pair & PairedSample;

/** @param values a number of a model, seed by seed */
export function seedsContrast(
  pair: Pair,
  values: (model: string) => readonly number[],
): SeedsContrast {
  const against = values(pair.against);
  return { ...pair, ...pairedSample(values(pair.arm).map((value, i) => value - against[i])) };
}

/** The contrast of two arms, where it is among these. */
export const between = <P extends Pair>(
  contrasts: readonly P[],
  arm: string,
  against: string,
): P | undefined => contrasts.find((of) => of.arm === arm && of.against === against);

/** What two arms' difference is called: "treated minus control". */
export const pairInWords = ({ arm, against }: Pair): string => `${arm} minus ${against}`;
