/** Numbers and names as a reader wants to see them. */

/** A number with so many digits after the point, or a dash where there is none (NaN). */
export const decimal = (value: number, digits: number): string =>
  Number.isNaN(value) ? "–" : value.toFixed(digits);

/** A share as "88.60 %". */
export const percent = (share: number, digits = 2): string =>
  `${decimal(100 * share, digits)}\u00a0%`;

/** A difference of shares in percentage points, with its sign. */
export const points = (difference: number): string => signed(100 * difference, 2);

export function signed(value: number, digits: number): string {
  const size = Math.abs(value).toFixed(digits);
  return Number(size) === 0 ? size : `${value < 0 ? "−" : "+"}${size}`;
}

export const range = (of: readonly number[], write: (value: number) => string): string =>
  of.map((value) => write(value)).join(" to ");

/** A difference of shares with its interval: "+0.70 (+0.15 to +1.25)". */
export const inPoints = (difference: number, interval: readonly number[] | null): string =>
  points(difference) + (interval ? ` (${range(interval, points)})` : "");

export const count = (n: number): string => n.toLocaleString("en");

/** "1 image", "2,000 images". */
export const counted = (n: number, one: string, many = `${one}s`): string =>
  `${count(n)} ${n === 1 ? one : many}`;

export const capital = (name: string): string => name.slice(0, 1).toUpperCase() + name.slice(1);

/** A predicted class with whether it is right, by more than colour. */
export const marked = (name: string, right: boolean): string => `${right ? "✓" : "✗"}\u00a0${name}`;

/** The key of a setting in words: "imagesPerClass" is "images per class". */
export const spoken = (key: string): string =>
  key.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
