/**
 * Discovery 1 of the method: each class lives on a sparse set of kernels of its own. From the
 * aggregated gradients G [classes, channels] of every layer (see diagnose.ts) this tells how sparse
 * the sets are, how specific, and how far both are from chance.
 */

import type { ExaminedLayer } from "../examine.ts";

export const CORRELATION_VERSION = 1;

/** correlation.json */
export interface CorrelationFile {
  readonly version: number;
  readonly model: string;
  readonly data: string;
  readonly classes: readonly string[];
  readonly theta: number;
  /** Images that each class was diagnosed by. */
  readonly images: readonly number[];
  /** In the order of the network. */
  readonly layers: readonly LayerCorrelation[];
}

/** What is said of a layer; classes without an image are left out of all means. */
export interface LayerCorrelation {
  readonly layer: string;
  readonly channels: number;
  /** How many kernels are each class's own: its responses above theta of their range. */
  readonly own: readonly number[];
  /** Mean over the classes of the share of kernels that are its own. */
  readonly own_share: number;
  /** Mean over the classes of the part of the response that its strongest tenth of kernels makes. */
  readonly strongest_tenth: number;
  /** How many kernels are the own of no class, of one, of two, ... */
  readonly kernels_of: readonly number[];
  /** Of each two classes, the kernels of both over the kernels of either (Jaccard's index). */
  readonly overlap: readonly (readonly number[])[];
  /** Mean overlap of two different classes. */
  readonly mean_overlap: number;
  /** What it would be if sets of these sizes were drawn at random. */
  readonly chance_overlap: number;
  /** Mean cosine of the responses of two different classes; needs no threshold. */
  readonly mean_cosine: number;
  /** The responses of each class, brought to 0 .. 1 as the mask's threshold sees them. */
  readonly responses: readonly (readonly number[])[];
  /** The kernels by the class that they respond to most, the strongest first: for pictures. */
  readonly order: readonly number[];
}

export function layerCorrelation(
  { layer, classes, channels, aggregate, mask }: ExaminedLayer,
): LayerCorrelation {
  const rowsOf = (of: Float32Array) =>
    Array.from({ length: classes }, (_, k) => of.subarray(k * channels, (k + 1) * channels));
  const [gradients, own] = [rowsOf(aggregate), rowsOf(mask)];
  const sizes = own.map(total);
  const known = gradients.flatMap((row, k) => total(row) > 0 ? [k] : []);
  const pairs = known.flatMap((a, i) => known.slice(i + 1).map((b) => [a, b] as const));
  const overlap = own.map((a) => own.map((b) => jaccard(a, b)));
  const kernelsOf = new Array<number>(classes + 1).fill(0);
  for (let j = 0; j < channels; j++) kernelsOf[own.filter((row) => row[j] === 1).length]++;
  const responses = gradients.map((row) => normalise(row));
  return {
    layer,
    channels,
    own: sizes,
    own_share: average(known.map((k) => sizes[k] / channels)),
    strongest_tenth: average(known.map((k) => strongest(gradients[k], 0.1))),
    kernels_of: kernelsOf,
    overlap,
    mean_overlap: average(pairs.map(([a, b]) => overlap[a][b])),
    chance_overlap: average(pairs.map(([a, b]) => chance(sizes[a], sizes[b], channels))),
    mean_cosine: average(pairs.map(([a, b]) => cosine(gradients[a], gradients[b]))),
    responses,
    order: orderOf(responses, channels),
  };
}

const total = (row: ArrayLike<number>) => Array.from(row).reduce((a, b) => a + b, 0);
const average = (values: readonly number[]) =>
  values.length > 0 ? total(values) / values.length : 0;

function normalise(row: Float32Array): number[] {
  const values = Array.from(row);
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((g) => Number(((g - low) / (high - low + 1e-5)).toFixed(4)));
}

function jaccard(a: Float32Array, b: Float32Array): number {
  const both = a.filter((value, j) => value === 1 && b[j] === 1).length;
  const either = total(a) + total(b) - both;
  return either > 0 ? both / either : 0;
}

/** Jaccard's index of two random sets of kernels, as if their overlap were its own mean. */
function chance(a: number, b: number, channels: number): number {
  const both = a * b / channels;
  return both > 0 ? both / (a + b - both) : 0;
}

function cosine(a: Float32Array, b: Float32Array): number {
  const dot = (u: Float32Array, v: Float32Array) => u.reduce((sum, x, j) => sum + x * v[j], 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

/** The part of a row's sum that its largest share of elements makes. */
function strongest(row: Float32Array, share: number): number {
  const sorted = Array.from(row).sort((a, b) => b - a);
  return total(sorted.slice(0, Math.max(1, Math.round(share * row.length)))) / total(sorted);
}

function orderOf(responses: readonly (readonly number[])[], channels: number): number[] {
  const best = Array.from({ length: channels }, (_, j) => {
    const column = responses.map((row) => row[j]);
    const value = Math.max(...column);
    return { j, value, k: column.indexOf(value) };
  });
  return best.sort((a, b) => a.k - b.k || b.value - a.value || a.j - b.j).map(({ j }) => j);
}
