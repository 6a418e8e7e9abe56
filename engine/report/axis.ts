/** Axes: from values or names to pixels. */

export interface Axis {
  readonly label: string;
  /** What the axis shows at least; the points widen it. */
  readonly range?: readonly [number, number];
  /** Whether there is nothing between whole numbers. */
  readonly whole?: boolean;
  /** Names at 0, 1, 2, ... instead of numbers. */
  readonly names?: readonly string[];
}

export interface Scale {
  /** The pixel of a value. */
  at(value: number): number;
  readonly ticks: readonly number[];
}

/** @param from, to the pixels of the axis's ends */
export function scale(
  { range, names, whole }: Axis,
  values: number[],
  from: number,
  to: number,
): Scale {
  const all = [...values, ...range ?? []].filter(Number.isFinite);
  const [least, most] = names
    ? [-0.3, names.length - 0.7]
    : all.length > 0
    ? [Math.min(...all), Math.max(...all)]
    : [0, 1];
  // One value alone stands in the middle of a range about it.
  const half = most > least ? 0 : Math.abs(most) / 2 || 1;
  const [low, high] = [least - half, most + half];
  const ticks = names ? names.map((_, i) => i) : niceTicks(low, high, whole);
  return { at: (value) => from + (value - low) / (high - low) * (to - from), ticks };
}

/** Round numbers within a range, at most eight. */
export function niceTicks(low: number, high: number, whole = false): number[] {
  const least = Math.max((high - low) / 7, whole ? 1 : 0);
  const power = 10 ** Math.floor(Math.log10(least));
  const step = [1, 2, 5, 10].map((factor) => factor * power).find((step) => step >= least)!;
  const first = Math.ceil(low / step - 1e-9);
  const count = Math.floor(high / step + 1e-9) - first + 1;
  return Array.from({ length: count }, (_, i) => Number(((first + i) * step).toPrecision(12)));
}
