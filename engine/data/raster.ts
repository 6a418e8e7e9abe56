/**
 * Shapes as masks. A shape says which stretches of a horizontal line lie inside of it; a mask is
 * the share of every pixel that is inside, exact along the line, on `LINES` lines or more a pixel.
 * So a mask may be made at any size from shapes that were drawn at another.
 */
import { Turns } from "../io/turns.ts";
import type { Size } from "./dataset.ts";

/** Stretches from .. to of a line, in order and apart from each other. */
export type Spans = readonly (readonly [number, number])[];

/** The stretches of the line at height y that lie inside of a shape. */
export type Shape = (y: number) => Spans;

export type Point = readonly [x: number, y: number];

/** What lies in an odd number of the polygon's loops. */
export function polygon(points: readonly Point[]): Shape {
  const found = new Float64Array(points.length);
  return (y) => {
    let count = 0;
    let [x1, y1] = points[points.length - 1] ?? [0, 0];
    for (const [x2, y2] of points) {
      if ((y1 > y) !== (y2 > y)) found[count++] = x1 + (y - y1) / (y2 - y1) * (x2 - x1);
      [x1, y1] = [x2, y2];
    }
    const crossings = found.subarray(0, count).sort();
    return Array.from({ length: crossings.length / 2 }, (_, i) => [
      crossings[2 * i],
      crossings[2 * i + 1],
    ]);
  };
}

/** @param corners two that are opposite */
export function rectangle([[x1, y1], [x2, y2]]: readonly Point[]): Shape {
  return polygon([[x1, y1], [x2, y1], [x2, y2], [x1, y2]]);
}

/** @param points the centre, and a point of the circle */
export function circle([[x, y], [px, py]]: readonly Point[]): Shape {
  const radius2 = (px - x) ** 2 + (py - y) ** 2;
  return (at) => {
    const reach = Math.sqrt(Math.max(0, radius2 - (at - y) ** 2));
    return reach > 0 ? [[x - reach, x + reach]] : [];
  };
}

/** The pixels of a bitmap that are inside; its upper left corner lies at `corner`. */
export function bitmap(
  { height, width }: Size,
  inside: (pixel: number) => boolean,
  [left, top]: Point = [0, 0],
): Shape {
  const spansOf = (row: number): Spans => {
    const spans: [number, number][] = [];
    for (let x = 0; x < width; x++) {
      if (!inside(row * width + x)) continue;
      const last = spans.at(-1);
      if (last && last[1] === left + x) last[1]++;
      else spans.push([left + x, left + x + 1]);
    }
    return spans;
  };
  // Many lines lie in one row.
  let [known, spans]: [number, Spans] = [-1, []];
  return (y) => {
    const row = Math.floor(y - top);
    if (row < 0 || row >= height) return [];
    if (row !== known) [known, spans] = [row, spansOf(row)];
    return spans;
  };
}

/** What is inside of any of the shapes. */
export const union = (...shapes: readonly Shape[]): Shape => (y) => {
  const all = shapes.flatMap((shape) => shape(y));
  if (shapes.length > 1) all.sort(([a], [b]) => a - b);
  const spans: [number, number][] = [];
  for (const [from, to] of all) {
    const last = spans.at(-1);
    if (last && from <= last[1]) last[1] = Math.max(last[1], to);
    else spans.push([from, to]);
  }
  return spans;
};

/** What is inside of a but not of b. */
export const without = (a: Shape, b: Shape): Shape => (y) => {
  const cuts = b(y);
  const spans: [number, number][] = [];
  let next = 0;
  for (const [from, to] of a(y)) {
    while (next < cuts.length && cuts[next][1] <= from) next++;
    let start = from;
    for (let i = next; i < cuts.length && cuts[i][0] < to; i++) {
      if (cuts[i][0] > start) spans.push([start, cuts[i][0]]);
      start = Math.max(start, cuts[i][1]);
    }
    if (start < to) spans.push([start, to]);
  }
  return spans;
};

export const nothing: Shape = () => [];

const LINES = 16;

/**
 * The share of every pixel that is inside of a shape, in 255ths: (H, W).
 * @param from the size of the image that the shape was drawn on
 * @param to the size of the mask
 */
export async function rasterise(
  shape: Shape,
  from: Size,
  to: Size,
): Promise<Uint8Array<ArrayBuffer>> {
  const turns = new Turns();
  const lines = Math.max(LINES, Math.ceil(from.height / to.height));
  const [down, right] = [from.height / to.height, to.width / from.width];
  const out = new Uint8Array(to.height * to.width);
  const row = new Float64Array(to.width);
  for (let r = 0; r < to.height; r++) {
    row.fill(0);
    for (let line = 0; line < lines; line++) {
      for (const [x1, x2] of shape((r + (line + 0.5) / lines) * down)) {
        cover(row, x1 * right, x2 * right);
      }
      await turns.pass();
    }
    for (let x = 0; x < to.width; x++) out[r * to.width + x] = Math.round(255 * row[x] / lines);
  }
  return out;
}

/** Adds to each pixel the length of it that lies in a stretch. */
function cover(row: Float64Array, from: number, to: number): void {
  const [start, end] = [Math.max(0, from), Math.min(row.length, to)];
  for (let x = Math.floor(start); x < end; x++) {
    row[x] += Math.min(x + 1, end) - Math.max(x, start);
  }
}
