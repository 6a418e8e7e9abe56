/**
 * Which models of a trial are held against each other: every arm against the control, which tells
 * what its recipe adds to further training; and the treated one against every other arm, which
 * tells what its masks and kernels add (over a placebo), or what they do that another remedy
 * doesn't; and an arm that is another one with the constraint against that one.
 */

import { bootstrap, type Difference, type Numbers } from "./bootstrap.ts";
import type { Times } from "./class_measures.ts";
import {
  holm,
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

/** The arm that is another one with the constraint added, by the name of that. */
const WITH_CONSTRAINT: Readonly<Record<string, string>> = { swap: "swap-treated" };

/** Whether a pair's difference is what the constraint adds to another arm than the control. */
export const isAddition = ({ arm, against }: Pair): boolean => WITH_CONSTRAINT[against] === arm;

/** A placebo's name begins so. */
export const isPlacebo = (arm: string): boolean => arm.startsWith("placebo");

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
    ...others.map((against) => ({ arm: WITH_CONSTRAINT[against], against }))
      .filter(({ arm }) => others.includes(arm)),
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
  /** McNemar's p with all arms that are held against the same judged together; see `holm`. */
  readonly holm: number | null;
  /** Of other numbers, by name. */
  readonly measures: Readonly<Record<string, Difference>>;
}

/**
 * All contrasts of a trial on its test images.
 * @param right for each image whether a model is right
 * @param measure a model's other numbers; see `bootstrap`
 */
export function contrastsOf(
  arms: readonly string[],
  right: (model: string) => readonly boolean[],
  measure: (model: string, times?: Times) => Numbers,
  seed: number,
): Contrast[] {
  const pairs = pairsOf(arms);
  const n = right(CONTROL).length;
  const others = bootstrap(pairs, n, measure, seed);
  const tested = pairs.map((pair, i) => {
    const test = mcnemar(right(pair.against), right(pair.arm));
    return {
      ...pair,
      difference: (test.c - test.b) / n,
      interval: pairedDifference(test, n),
      mcnemar: test,
      measures: others[i],
    };
  });
  return together(tested, ({ mcnemar: { p } }) => p);
}

/** Two arms over the same seeds. */
export interface SeedsContrast extends Pair, PairedSample {
  /** p with all arms that are held against the same judged together; see `holm`. */
  readonly holm: number | null;
}

/** All contrasts of a trial in a number. @param values of a model, seed by seed */
export function seedsContrasts(
  arms: readonly string[],
  values: (model: string) => readonly number[],
): SeedsContrast[] {
  const tested = pairsOf(arms).map((pair): Pair & PairedSample => {
    const against = values(pair.against);
    return { ...pair, ...pairedSample(values(pair.arm).map((value, i) => value - against[i])) };
  });
  return together(tested, ({ p }) => p);
}

/** The contrasts with their p values judged together: those against the control, and the others. */
function together<P extends Pair>(
  contrasts: readonly P[],
  p: (of: P) => number | null,
): (P & { holm: number | null })[] {
  const families = [true, false].map((isControl) =>
    contrasts.filter(({ against }) => (against === CONTROL) === isControl)
  );
  return families.flatMap((family) => {
    const adjusted = holm(family.map(p));
    return family.map((of, i) => ({ ...of, holm: adjusted[i] }));
  });
}

/** The contrast of two arms, where it is among these. */
export const between = <P extends Pair>(
  contrasts: readonly P[],
  arm: string,
  against: string,
): P | undefined => contrasts.find((of) => of.arm === arm && of.against === against);

/** What two arms' difference is called: "treated minus control". */
export const pairInWords = ({ arm, against }: Pair): string => `${arm} minus ${against}`;
