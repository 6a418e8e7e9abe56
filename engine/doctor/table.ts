/**
 * The paper's table: each model on each data set, baseline and every arm, over seeds. It is made of
 * cells, the results of single treatments, which may come from several runs and machines:
 * cells with the same fingerprint differ in nothing but the seed and belong to one row.
 */

import { canonicalText } from "../io/canonical.ts";
import { between, type SeedsContrast } from "./contrasts.ts";
import { type MetricSummary, type ResultFile, summarizeSeeds } from "./result.ts";
import { probeOptions } from "./probes/probes.ts";

export const TABLE_VERSION = 2;

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
  // Of the thousands of cells of a table most are the same in it.
  const known = digests.get(text) ?? digestOf(text);
  digests.set(text, known);
  return await known;
}
const digests = new Map<string, Promise<string>>();

async function digestOf(text: string): Promise<string> {
  const hash = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return [...new Uint8Array(hash, 0, 4)].map((b) => b.toString(16).padStart(2, "0")).join("");
}

const relevant = (settings: CellSettings): CellSettings =>
  Object.fromEntries(
    Object.entries(settings).filter(([key]) => !IRRELEVANT.includes(key)),
  );

/** The rows that the cells make, in any order. */
export function tableOf(cells: readonly TableCell[]): TableFile {
  const groups = Map.groupBy(
    cells,
    ({ fingerprint, result: { model, data } }) => JSON.stringify([data, model, fingerprint]),
  );
  const keys = [...groups.keys()].sort();
  return { version: TABLE_VERSION, rows: keys.map((key) => rowOf(groups.get(key)!)) };
}

function rowOf(cells: readonly TableCell[]): TableRow {
  const results = cells.map(({ result }) => result).sort((a, b) => a.seed - b.seed);
  const [{ fingerprint, settings }] = cells;
  const [first] = results;
  const { model, data } = first;
  const { seeds, metrics } = summarizeSeeds(results);
  const accuracy = results.length > 1 ? metrics.accuracy : ofOneSeed(metrics.accuracy, first);
  return {
    ...{ model, data, fingerprint, settings: relevant(settings), seeds },
    metrics: { ...metrics, accuracy },
  };
}

/** Of one seed, the interval and p are those of its test images, by McNemar's test. */
function ofOneSeed({ models, contrasts }: MetricSummary, result: ResultFile): MetricSummary {
  const ofImages = (of: SeedsContrast): SeedsContrast => {
    const { interval, mcnemar: { p } } = between(result.contrasts, of.arm, of.against)!;
    return { ...of, interval, p };
  };
  return { models, contrasts: contrasts.map(ofImages) };
}

export const TABLE_HEADER = [
  ...["data", "model", "settings", "seeds", "measure", "arm", "mean", "deviation"],
  ...["against", "difference", "low", "high", "p"],
];

/**
 * The row's lines under `TABLE_HEADER`, for CSV: for each measure the baseline's and the control's,
 * and one for each two arms that are held against each other.
 */
export function tableValues(
  { data, model, fingerprint, seeds, metrics }: TableRow,
): (string | number | null)[][] {
  return Object.entries(metrics).flatMap(([measure, { models, contrasts }]) => {
    const of = (arm: string) => {
      const { mean, deviation } = models[arm];
      return [data, model, fingerprint, seeds.length, measure, arm, mean, deviation];
    };
    const alone = Object.keys(models).filter((arm) => !contrasts.some((of) => of.arm === arm));
    return [
      ...alone.map((arm) => [...of(arm), null, null, null, null, null]),
      ...contrasts.map(({ arm, against, mean, interval, p }) => [
        ...of(arm),
        ...[against, mean, interval?.[0] ?? null, interval?.[1] ?? null, p],
      ]),
    ];
  });
}
