/**
 * The paper's table: each model on each data set, baseline, control and treated, over seeds. It is
 * made of cells, the results of single treatments, which may come from several runs and machines:
 * cells with the same fingerprint differ in nothing but the seed and belong to one row.
 */

import { canonicalText } from "../io/canonical.ts";
import { type MetricSummary, MODELS, type ResultFile, summarizeSeeds } from "./result.ts";
import { probeOptions } from "./probes/probes.ts";
import type { Interval } from "./significance.ts";

export const TABLE_VERSION = 1;

/** Settings by flag. */
export type CellSettings = Readonly<Record<string, unknown>>;

export interface TableCell {
  readonly fingerprint: string;
  readonly settings: CellSettings;
  readonly result: ResultFile;
}

export interface TableRow {
  readonly model: string;
  readonly data: string;
  readonly fingerprint: string;
  /** Without what differs between the row's cells. */
  readonly settings: CellSettings;
  readonly seeds: readonly number[];
  /** Every number of `summarizeSeeds`, with each seed's value. */
  readonly metrics: Readonly<Record<string, MetricSummary>>;
  /** Treated minus control in test accuracy. */
  readonly difference: {
    readonly mean: number;
    /** Over seeds a paired t interval and t test; of one seed of its images, and McNemar's test. */
    readonly interval: Interval | null;
    readonly p: number | null;
  };
}

/** table.json */
export interface TableFile {
  readonly version: number;
  /** By data set, then model, then fingerprint. */
  readonly rows: readonly TableRow[];
}

/** Settings that say where things lie, which seed it is, or what is measured besides accuracy. */
const IRRELEVANT = [
  ...["out", "resume", "dataDir", "seed", "seeds"],
  ...["measures", "measureImages", ...Object.keys(probeOptions)],
];

/** Eight digits that are the same for the same settings, whatever their order. */
export async function fingerprint(settings: CellSettings): Promise<string> {
  const text = canonicalText(relevant(settings));
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(hash, 0, 4)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

const relevant = (settings: CellSettings): CellSettings =>
  Object.fromEntries(
    Object.entries(settings).filter(([key]) => !IRRELEVANT.includes(key)),
  );

/** The rows that the cells make, in any order. */
export function tableOf(cells: readonly TableCell[]): TableFile {
  const groups = new Map<string, TableCell[]>();
  for (const cell of cells) {
    const { fingerprint: print, result: { model, data } } = cell;
    const key = JSON.stringify([data, model, print]);
    groups.set(key, [...groups.get(key) ?? [], cell]);
  }
  const keys = [...groups.keys()].sort();
  return { version: TABLE_VERSION, rows: keys.map((key) => rowOf(groups.get(key)!)) };
}

function rowOf(cells: readonly TableCell[]): TableRow {
  const results = cells.map(({ result }) => result).sort((a, b) => a.seed - b.seed);
  const [{ fingerprint, settings }] = cells;
  const [{ model, data, delta_interval, mcnemar }] = results;
  const { seeds, metrics } = summarizeSeeds(results);
  const { mean, interval, p } = metrics.accuracy.difference;
  return {
    ...{ model, data, fingerprint, settings: relevant(settings), seeds, metrics },
    difference: results.length === 1
      ? { mean, interval: delta_interval, p: mcnemar.p }
      : { mean, interval, p },
  };
}

export const TABLE_HEADER = [
  ...["data", "model", "settings", "seeds"],
  ...MODELS.flatMap((model) => [model, `${model}_deviation`]),
  ...["treated_minus_control", "low", "high", "p"],
];

/** The row's cells under `TABLE_HEADER`, for CSV. */
export function tableValues(row: TableRow): (string | number | null)[] {
  const { mean, interval, p } = row.difference;
  return [
    ...[row.data, row.model, row.fingerprint, row.seeds.length],
    ...MODELS.flatMap((model) => {
      const { mean, deviation } = row.metrics.accuracy[model];
      return [mean, deviation];
    }),
    ...[mean, interval?.[0] ?? null, interval?.[1] ?? null, p],
  ];
}
