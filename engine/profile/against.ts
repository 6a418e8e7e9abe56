/**
 * Two profiles beside each other: what became slower or faster, told with the spread of their steps.
 * Where the times of all steps of one lie above all of the other's, it is a difference; with five
 * steps each, chance alone does that once in 126 times for a name. All else is within the noise.
 */

import { median } from "../averages.ts";
import type { Command } from "../plan/record.ts";
import type { TimedStep } from "./profiler.ts";
import { entriesOf, type Entry } from "./report.ts";

/** Milliseconds of each step, by a name. */
export type Times = Readonly<Record<string, readonly number[]>>;

/** The times of each step, summed by name. */
export function timesBy(
  dispatches: readonly Command[],
  steps: readonly TimedStep[],
  name: (entry: Entry) => string,
): Times {
  const times: Record<string, number[]> = Object.create(null);
  steps.forEach((step, k) => {
    for (const entry of entriesOf(dispatches, [step])) {
      const own = times[name(entry)] ??= steps.map(() => 0);
      own[k] += entry.ms;
    }
  });
  return times;
}

export type Change = "slower" | "faster" | "within the noise" | "new" | "gone";

export interface Comparison {
  readonly name: string;
  /** Medians; absent where it isn't there. */
  readonly before?: number;
  readonly after?: number;
  /** After over before: of the medians, and the extremes of the steps. */
  readonly ratio?: number;
  readonly low?: number;
  readonly high?: number;
  readonly change: Change;
}

/** Less than this share is no difference that anybody wants to hear of. */
const MARGIN = 0.02;

/** Fewer steps than these have no spread to speak of. */
const FEWEST = 3;

/** Names by how many milliseconds they changed, the most first. */
export function compareTimes(before: Times, after: Times): Comparison[] {
  const names = new Set([...Object.keys(before), ...Object.keys(after)]);
  const has = (times: Times, name: string) => Object.hasOwn(times, name) && times[name].length > 0;
  return [...names].map((name): Comparison => {
    if (!has(before, name)) return { name, after: median(after[name]), change: "new" };
    if (!has(after, name)) return { name, before: median(before[name]), change: "gone" };
    const [old, now] = [before[name], after[name]];
    const low = Math.min(...now) / Math.max(...old);
    const high = Math.max(...now) / Math.min(...old);
    const few = Math.min(old.length, now.length) < FEWEST;
    const change = few
      ? "within the noise"
      : low > 1 + MARGIN
      ? "slower"
      : high < 1 - MARGIN
      ? "faster"
      : "within the noise";
    const medians = { before: median(old), after: median(now) };
    return { name, ...medians, ratio: medians.after / medians.before, low, high, change };
  }).sort((a, b) => difference(b) - difference(a));
}

const difference = ({ before = 0, after = 0 }: Comparison) => Math.abs(after - before);
