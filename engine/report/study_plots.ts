/** The pictures of the studies: for files of their own, and smaller ones for a report. */

import type { CorrelationFile, LayerCorrelation } from "../doctor/studies/correlation.ts";
import type { LayerNoise, NoiseCurve, NoiseFile } from "../doctor/studies/noise.ts";
import { variedAxes } from "../doctor/studies/cells.ts";
import { type SweepFile } from "../doctor/studies/sweep.ts";
import { heatMap } from "./heat_map.ts";
import { linePlot } from "./line_plot.ts";
import { counted, percent, spoken } from "./text.ts";

/** In pixels; see `LinePlot`. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

export function layersPlot(
  { layers, model, data }: CorrelationFile,
  size?: Size,
): string {
  const series = (name: string, value: (of: LayerCorrelation) => number) => ({
    name,
    points: layers.map((of, i) => [i, value(of)] as const),
  });
  return linePlot({
    ...size,
    title: "Sparse and specific kernels",
    description: `By layer of ${model} on ${data}, first to last: share of kernels that are a ` +
      "class's own, overlap of two classes beside chance, and cosine of their responses.",
    x: { label: "layer", names: layers.map(({ layer }) => layer) },
    y: { label: "share", range: [0, 1] },
    series: [
      series("own kernels", (of) => of.own_share),
      series("overlap of two classes", (of) => of.mean_overlap),
      series("overlap by chance", (of) => of.chance_overlap),
      series("cosine of two classes", (of) => of.mean_cosine),
    ],
  });
}

export function kernelsPlot({ classes, theta }: CorrelationFile, of: LayerCorrelation): string {
  return heatMap({
    title: `Classes and kernels at ${of.layer}`,
    description:
      `Response of each of ${of.channels} kernels to each class, in 0 to 1; on average ` +
      `${percent(of.own_share, 0)} of the kernels exceed theta.`,
    rows: classes,
    columnLabel: `${of.channels} kernels, by the class that they respond to most`,
    values: of.responses.map((row) => of.order.map((j) => row[j])),
    threshold: theta,
    thresholdLabel: "theta",
  });
}

export function overlapPlot({ classes }: CorrelationFile, of: LayerCorrelation): string {
  return heatMap({
    title: `Kernels that two classes share at ${of.layer}`,
    description: `Jaccard's index of two classes' own kernels; ${percent(of.mean_overlap, 0)} on ` +
      `average, ${percent(of.chance_overlap, 0)} by chance, which the scale breaks at.`,
    rows: classes,
    columns: classes,
    columnLabel: "overlap; blue is more than chance gives",
    values: of.overlap,
    threshold: Number(of.chance_overlap.toFixed(2)),
    thresholdLabel: "chance",
  });
}

/** The kinds of images of which there were some. */
export const shown = (kinds: readonly NoiseCurve[]) =>
  kinds.filter(({ points }) => points.length > 0);

export function noisePlot(
  { model, data, epsilon }: NoiseFile,
  { layer, kinds }: LayerNoise,
  what: "accuracy" | "unchanged",
  size?: Size,
): string {
  const label = what === "accuracy" ? "classified as labelled" : "class is as without noise";
  return linePlot({
    ...size,
    title: `Feature noise at ${layer}`,
    description: `Share of images of ${data} whose ${label} by ${model}, under growing noise; ` +
      `attacks of ${epsilon}/255 that succeeded.`,
    x: { label: "noise, in standard deviations", range: [0, 0] },
    y: { label, range: [0, 1] },
    series: shown(kinds).map(({ kind, images, points }) => ({
      name: `${kind} (${images})`,
      points: points.map((point) => [point.level, point[what]] as const),
      spread: what === "accuracy" ? points.map(({ deviation }) => deviation ?? 0) : undefined,
    })),
  });
}

/** Most lines of one plot. */
const MOST_LINES = 8;

/** The gain over the values of one setting, a line for each combination of the others. */
export function sweepPlot(
  { grid, cells, seeds, data }: SweepFile,
  axis: string,
  size?: Size,
): string {
  const values = grid[axis];
  const others = variedAxes(grid).filter((other) => other !== axis);
  const lines = new Map<string, [number, number, number][]>();
  for (const { cell: { settings }, accuracy: { mean, interval } } of cells) {
    if (settings[axis] === undefined) continue;
    const own = others.filter((other) => settings[other] !== undefined);
    const name = own.map((other) => `${spoken(other)} ${settings[other]}`).join(", ") || "gain";
    const reach = interval ? interval[1] - mean : 0;
    const point: [number, number, number] = [
      values.indexOf(settings[axis]),
      100 * mean,
      100 * reach,
    ];
    lines.set(name, [...lines.get(name) ?? [], point].sort(([a], [b]) => a - b));
  }
  return linePlot({
    ...size,
    title: `Gain over the control by ${spoken(axis)}`,
    description: `Validation accuracy on ${data}, minus the control's in points, mean of ` +
      `${counted(seeds.length, "seed")}; bars are 95 % intervals. ` +
      `The best ${Math.min(lines.size, MOST_LINES)} of ${lines.size} lines.`,
    x: { label: spoken(axis), names: values.map(String) },
    y: { label: "points", range: [0, 0] },
    series: [...lines].slice(0, MOST_LINES).map(([name, points]) => ({
      name,
      points: points.map(([x, y]) => [x, y] as const),
      spread: points.map(([, , reach]) => reach),
    })),
  });
}
