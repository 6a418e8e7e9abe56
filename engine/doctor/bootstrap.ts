/**
 * How far the difference of two models in a number of many images, such as the accuracy of the worst
 * class, would be another on other images: a paired bootstrap. The test images are drawn anew, with
 * replacement, a thousand times; both models are measured on the same draw, so that what is easy or
 * hard for both makes no difference. (Efron and Tibshirani, An Introduction to the Bootstrap, 1993.)
 */

import { below, draws, streamId } from "../random.ts";
import type { Times } from "./class_measures.ts";
import type { Interval } from "./significance.ts";

export type Numbers = Readonly<Record<string, number | null | undefined>>;

/** One model minus another in some number. */
export interface Difference {
  readonly difference: number;
  /** 95 % interval, between the percentiles of the draws; null where some draw has no number. */
  readonly interval: Interval | null;
}

const DRAWS = 1000;

/**
 * The differences in every number that both models have.
 * @param images how many there are
 * @param measure a model's numbers, on the images as often as they count
 * @returns for each pair the differences by name
 */
export function bootstrap<Pair extends { readonly arm: string; readonly against: string }>(
  pairs: readonly Pair[],
  images: number,
  measure: (model: string, times?: Times) => Numbers,
  seed: number,
): Readonly<Record<string, Difference>>[] {
  const models = [...new Set(pairs.flatMap(({ arm, against }) => [arm, against]))];
  const all = (times?: Times) => new Map(models.map((model) => [model, measure(model, times)]));
  const word = draws(seed, streamId("bootstrap"));
  const times = new Uint32Array(images);
  const drawn = Array.from({ length: DRAWS }, (_, draw) => {
    times.fill(0);
    for (let i = 0; i < images; i++) times[below(word(draw * images + i), images)]++;
    return all(times);
  });
  const whole = all();
  const minus = (of: ReadonlyMap<string, Numbers>, { arm, against }: Pair, name: string) => {
    const [a, b] = [of.get(arm)![name], of.get(against)![name]];
    return a == null || b == null ? undefined : a - b;
  };
  return pairs.map((pair) =>
    Object.fromEntries(
      Object.keys(whole.get(pair.arm)!).flatMap((name) => {
        const difference = minus(whole, pair, name);
        if (difference === undefined) return [];
        const values = drawn.map((of) => minus(of, pair, name));
        return [[name, { difference, interval: middle(values) }]];
      }),
    )
  );
}

/** Between which values the middle 95 % lie. */
function middle(values: readonly (number | undefined)[]): Interval | null {
  if (values.includes(undefined)) return null;
  const sorted = Float64Array.from(values as number[]).sort();
  const tail = Math.floor(0.025 * sorted.length);
  return [sorted[tail], sorted[sorted.length - 1 - tail]];
}
