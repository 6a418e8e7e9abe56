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

/**
 * The probability that random sets of `a` and of `b` out of `n` have `both` members or more in
 * common (hypergeometric). With b the images that are wrong and a those of a class, it is the
 * p-value of Fisher's exact test that the class is not wrong more often than the rest.
 */
export function inCommon(both: number, a: number, b: number, n: number): number {
  let total = 0;
  for (let k = both; k <= Math.min(a, b); k++) {
    total += Math.exp(logChoose(a, k) + logChoose(n - a, b - k) - logChoose(n, b));
  }
  return Math.min(1, total);
}

/** The probability of `k` or more in n independent trials, each of probability p in (0, 1). */
export function atLeast(k: number, n: number, p: number): number {
  let total = 0;
  for (let i = k; i <= n; i++) {
    total += Math.exp(logChoose(n, i) + i * Math.log(p) + (n - i) * Math.log1p(-p));
  }
  return Math.min(1, total);
}

/** log of the number of ways to choose k of n; minus infinity where there is none. */
function logChoose(n: number, k: number): number {
  if (k < 0 || k > n) return -Infinity;
  return logFactorial(n) - logFactorial(k) - logFactorial(n - k);
}

const logFactorials = [0];

function logFactorial(n: number): number {
  for (let i = logFactorials.length; i <= n; i++) {
    logFactorials.push(logFactorials[i - 1] + Math.log(i));
  }
  return logFactorials[n];
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

/**
 * P values of several hypotheses, each as large as it has to be for all to be judged together: the
 * chance that any true one is rejected at 5 % stays below 5 % (Holm, 1979). Null ones, of what can't
 * be tested, are none of the hypotheses.
 */
export function holm(values: readonly (number | null)[]): (number | null)[] {
  const known = values.flatMap((p, i) => p === null ? [] : [{ p, i }]).sort((a, b) => a.p - b.p);
  const adjusted = values.map((): number | null => null);
  let largest = 0;
  known.forEach(({ p, i }, rank) => {
    largest = Math.max(largest, Math.min(1, (known.length - rank) * p));
    adjusted[i] = largest;
  });
  return adjusted;
}

/** What several seeds say about a number. */
export interface Sample {
  readonly mean: number;
  /** Standard deviation (n - 1 in the denominator); null for a single value. */
  readonly deviation: number | null;
  readonly values: readonly number[];
}

export function sample(values: readonly number[]): Sample {
  const n = values.length;
  const mean = values.reduce((sum, value) => sum + value, 0) / n;
  const squares = values.reduce((sum, value) => sum + (value - mean) ** 2, 0);
  return { mean, deviation: n > 1 ? Math.sqrt(squares / (n - 1)) : null, values };
}

export interface PairedSample extends Sample {
  /** 95 % t interval of the mean; null where the values don't vary, as a single one doesn't. */
  readonly interval: Interval | null;
  /** Two-sided p-value of the t test that the mean is 0; null as the interval. */
  readonly p: number | null;
}

/** Of differences that belong together, such as treated minus control of each seed. */
export function pairedSample(differences: readonly number[]): PairedSample {
  const all = sample(differences);
  const { mean, deviation } = all;
  // What rounding leaves of equal values is no variation.
  if (deviation === null || deviation <= 1e-12 * Math.abs(mean)) {
    return { ...all, interval: null, p: null };
  }
  const freedom = differences.length - 1;
  const error = deviation / Math.sqrt(differences.length);
  const reach = studentReach(0.95, freedom) * error;
  const p = 1 - studentWithin(Math.abs(mean) / error, freedom);
  return { ...all, interval: [mean - reach, mean + reach], p };
}

/**
 * P(|T| <= t) for Student's T with a whole number of degrees of freedom, by the finite series in
 * cos(atan(t / sqrt(freedom))) (Abramowitz and Stegun 26.7.3 and 26.7.4).
 */
export function studentWithin(t: number, freedom: number): number {
  const angle = Math.atan(t / Math.sqrt(freedom));
  const [sin, cos] = [Math.sin(angle), Math.cos(angle)];
  const odd = freedom % 2 === 1;
  let term = odd ? cos : 1;
  let series = freedom === 1 ? 0 : term;
  for (let k = odd ? 3 : 2; k < freedom; k += 2) {
    term *= (k - 1) / k * cos * cos;
    series += term;
  }
  return odd ? 2 / Math.PI * (angle + sin * series) : sin * series;
}

/** The t within which Student's T lies with a probability. */
export function studentReach(probability: number, freedom: number): number {
  let [low, high] = [0, 1];
  while (studentWithin(high, freedom) < probability) high *= 2;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (studentWithin(middle, freedom) < probability) low = middle;
    else high = middle;
  }
  return high;
}
