/** Paired comparison of two classifiers on the same images, and intervals. */

export interface McNemar {
  /** Images that only the first classifier gets right. */
  readonly b: number;
  /** Images that only the second classifier gets right. */
  readonly c: number;
  /** Two-sided p-value of McNemar's exact test: b and c are equally likely. */
  readonly p: number;
}

/** McNemar's exact test on two lists that say for each image whether it was classified right. */
export function mcnemar(first: readonly boolean[], second: readonly boolean[]): McNemar {
  let b = 0;
  let c = 0;
  first.forEach((right, i) => {
    if (right && !second[i]) b++;
    if (!right && second[i]) c++;
  });
  return { b, c, p: Math.min(1, 2 * binomialTail(b + c, Math.min(b, c))) };
}

/** P(X <= k) for X binomial with n fair throws. */
function binomialTail(n: number, k: number): number {
  let logTerm = -n * Math.LN2;
  let total = 0;
  for (let i = 0; i <= k; i++) {
    total += Math.exp(logTerm);
    logTerm += Math.log((n - i) / (i + 1));
  }
  return total;
}

export type Interval = readonly [low: number, high: number];

const Z95 = 1.959963984540054;

/** Wilson's 95 % interval of a proportion. */
export function wilson(successes: number, total: number): Interval {
  const p = successes / total;
  const z2 = Z95 ** 2 / total;
  const centre = (p + z2 / 2) / (1 + z2);
  const reach = Z95 / (1 + z2) * Math.sqrt(p * (1 - p) / total + z2 / (4 * total));
  return [Math.max(0, centre - reach), Math.min(1, centre + reach)];
}

/**
 * 95 % interval of the second classifier's accuracy minus the first's on the same images, by the
 * normal approximation to the paired difference.
 */
export function pairedDifference({ b, c }: McNemar, total: number): Interval {
  const difference = (c - b) / total;
  const reach = Z95 * Math.sqrt(b + c - (c - b) ** 2 / total) / total;
  return [difference - reach, difference + reach];
}
