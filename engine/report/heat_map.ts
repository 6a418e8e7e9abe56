/**
 * A matrix of shares as a picture. Below a threshold the shades are grey, from it on they are blue,
 * so that what is above it shows at once.
 */

import { hex, shareColour } from "./colours.ts";
import { number, type Picture, svg, text, widthOf } from "./svg.ts";

export interface HeatMap extends Picture {
  /** Names of the rows, and of the columns where they are few enough to be named. */
  readonly rows: readonly string[];
  readonly columns?: readonly string[];
  /** What the columns are. */
  readonly columnLabel: string;
  /** In 0 .. 1, row by row. */
  readonly values: readonly ArrayLike<number>[];
  readonly threshold: number;
  /** What the threshold is. */
  readonly thresholdLabel: string;
}

/** Shades between 0 and 1. */
const SHADES = 24;
const [TOP, RIGHT] = [34, 16];

/** The map as an SVG document with a scale below it. */
export function heatMap(map: HeatMap): string {
  const { rows, columns, columnLabel, values, threshold, thresholdLabel } = map;
  const count = values[0]?.length ?? 0;
  const left = 16 + Math.max(...rows.map((name) => widthOf(name)), 0);
  const cell = Math.max(1.5, Math.min(26, 720 / Math.max(count, 1)));
  const row = columns ? cell : 18;
  const [width, height] = [cell * count, row * rows.length];
  const named = columns ? 12 + Math.max(...columns.map((name) => widthOf(name, 11))) : 0;
  const below = TOP + height + named;
  const all = Math.max(left + width + RIGHT, 420);
  return svg(map, Math.ceil(all), Math.ceil(below + 62), [
    ...rows.map((name, i) => text(name, left - 6, TOP + (i + 0.5) * row + 4, { anchor: "end" })),
    `<g transform="translate(${number(left)} ${TOP}) scale(${number(cell)} ${number(row)})" ` +
    `shape-rendering="crispEdges">`,
    ...cells(values, threshold),
    "</g>",
    ...(columns ?? []).map((name, j) =>
      text(name, left + (j + 0.5) * cell + 4, TOP + height + 8, {
        ...{ anchor: "end", size: 11, turn: -90 },
      })
    ),
    text(columnLabel, left, below + 18),
    ...colourScale(left, below + 28, threshold, thresholdLabel),
  ]);
}

/** One path for each shade: thousands of cells stay small. */
function cells(values: HeatMap["values"], threshold: number): string[] {
  const paths = new Map<number, string>();
  values.forEach((row, i) => {
    for (let j = 0; j < row.length; j++) {
      const shade = shadeOf(row[j], threshold);
      paths.set(shade, `${paths.get(shade) ?? ""}M${j} ${i}h1v1h-1z`);
    }
  });
  return [...paths].sort(([a], [b]) => a - b)
    .map(([shade, d]) => `<path d="${d}" fill="${colour(shade, threshold)}"/>`);
}

/** The middle of the value's shade; no shade has both sides of the threshold. */
function shadeOf(value: number, threshold: number): number {
  const [low, high] = value > threshold ? [threshold, 1] : [0, threshold];
  if (high <= low) return value;
  const share = Math.min(Math.max((value - low) / (high - low), 0), 1 - 1e-9);
  return low + (Math.floor(share * SHADES) + 0.5) / SHADES * (high - low);
}

const colour = (value: number, threshold: number): string =>
  hex(shareColour(value, threshold, "light"));

function colourScale(left: number, top: number, threshold: number, name: string): string[] {
  const [width, steps] = [240, 120];
  const at = (value: number) => left + value * width;
  const parts = Array.from({ length: steps }, (_, i) => {
    const fill = colour(shadeOf((i + 0.5) / steps, threshold), threshold);
    const x = number(at(i / steps));
    return `<rect x="${x}" y="${top}" width="${width / steps + 0.3}" height="10" fill="${fill}"/>`;
  });
  const mark = (value: number, label: string, anchor: "start" | "middle" | "end" = "middle") =>
    text(label, at(value), top + 24, { anchor, size: 11 });
  // Away from the nearer end, whose number it would lie on.
  const side = threshold < 0.5 ? "start" : "end";
  return [...parts, mark(0, "0"), mark(threshold, `${name} ${threshold}`, side), mark(1, "1")];
}
