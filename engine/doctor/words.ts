/** Numbers in the sentences of findings and verdicts, and in tables of plain text. */

import type { Share } from "./class_measures.ts";
import type { Interval } from "./significance.ts";

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** "95 % interval 3.1 to 5.9". */
export const interval = (of: Interval): string =>
  `95 % interval ${of.map((share) => (100 * share).toFixed(1)).join(" to ")}`;

/** p as it is usually told. */
export const probability = (p: number): string =>
  p < 0.001 ? "p < 0.001" : `p = ${p.toPrecision(2)}`;

/** A difference of shares in percentage points, with its sign. */
const points = (difference: number): string =>
  `${difference < 0 ? "-" : "+"}${Math.abs(100 * difference).toFixed(2)}`;

/** "+0.70 (+0.15 to +1.25)". */
export const inPoints = (difference: number, interval: Interval | null): string =>
  points(difference) + (interval ? ` (${interval.map(points).join(" to ")})` : "");

/** "42.3 % (169 of 400)". */
export const shareInWords = ({ correct, images }: Pick<Share, "correct" | "images">): string =>
  `${percent(correct / images)} (${correct} of ${images})`;

/** "a, b and c". */
export const list = (words: readonly string[]): string =>
  [words.slice(0, -1).join(", "), ...words.slice(-1)].filter(Boolean).join(" and ");
