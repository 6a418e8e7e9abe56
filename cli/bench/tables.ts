/**
 * A benchmark's results as tables: numbers first, and last the words, which have room to go on below
 * themselves.
 */

import type { Roofline } from "../../engine/gpu/roofline.ts";
import { geometricMean, median } from "../../engine/averages.ts";
import { percent, wrap } from "../../engine/prose.ts";
import { table, WIDE } from "../framework/table.ts";
import type { ComparisonResult } from "./compare.ts";
import { type FaceResult, FACES } from "./faces.ts";
import {
  gflops,
  type Ratio,
  ratioInTurns,
  type Result,
  type Summary,
  verdictOf,
} from "./result.ts";
import { CLASSES_OF_SHAPES } from "./shapes.ts";

const oneDecimal = (value: number) => value.toFixed(1);
const times = (ratio: number) => `${ratio.toFixed(2)} x`;
const isFace = (result: Result): result is FaceResult => result.work.kind === "face";

/** Three significant digits, and no exponent. */
function milliseconds(seconds: number): string {
  const ms = 1000 * seconds;
  return ms < 1000 ? ms.toPrecision(3) : ms.toFixed(0);
}

/** Every face, and the geometric means by class; undefined where there are none. */
export function facesTable(
  results: readonly Result[],
  roofline: Roofline | undefined,
): string | undefined {
  const faces = results.filter(isFace);
  if (faces.length === 0 || !roofline) return undefined;
  const byClass = CLASSES_OF_SHAPES
    .map((kind) => ({ kind, of: faces.filter((face) => face.class === kind) }))
    .filter(({ of }) => of.length > 0);
  const mean = (of: readonly FaceResult[], value: (face: FaceResult) => number) =>
    percent(geometricMean(of.map(value)), 1);
  const means = byClass.flatMap(({ kind, of }) =>
    FACES.map((name) => {
      const these = of.filter(({ face }) => face === name);
      return [
        kind,
        name,
        String(these.length),
        mean(these, ({ ofAchievable }) => ofAchievable),
        mean(these, ({ ofPeak }) => ofPeak),
      ];
    })
  );
  const { gflops, gbPerSecond } = roofline;
  return [
    wrap(
      `roofline: ${oneDecimal(gflops)} GFLOP/s of multiply-adds, ` +
        `${oneDecimal(gbPerSecond)} GB/s of copying`,
    ),
    ...byClass.map(({ kind, of }) => `${kind}\n\n${classTable(of)}`),
    wrap(REMARK + (faces.some(({ gains }) => gains) ? DIRECT : "")),
    "geometric means",
    table(["class", "face", "shapes", "roof", "peak"], means),
  ].join("\n\n");
}

function classTable(faces: readonly FaceResult[]): string {
  const isDirect = faces.every(({ gains }) => !gains);
  const header = ["ms (of rounds)", "GFLOP/s", "GB/s", "roof", "peak"];
  const rows = faces.map((face) => [
    spreadOf(face),
    oneDecimal(face.gflops),
    oneDecimal(face.gbPerSecond),
    percent(face.ofAchievable, 1),
    percent(face.ofPeak, 1),
    ...(isDirect ? [] : [face.gains ? spread(face.gains) : ""]),
    face.name,
  ]);
  const last = isDirect ? ["convolution"] : ["direct", "convolution"];
  return table([...header, ...last], rows, { width: WIDE });
}

const REMARK = "roof: of what the roofline allows; peak: of the most multiply-adds";

const DIRECT = "; direct: where a face goes Winograd's way, the direct way's time over its own, " +
  "in turns: the median of the rounds, and the least and the most";

/** "1.44 x (1.31 to 1.52)" */
function spread(ratios: readonly number[]): string {
  const [least, most] = [Math.min(...ratios), Math.max(...ratios)];
  return `${times(median(ratios))} (${least.toFixed(2)} to ${most.toFixed(2)})`;
}

/** "3.51 (3.40 to 3.88)" of milliseconds */
const spreadOf = ({ seconds, rounds }: Result) =>
  `${milliseconds(seconds)} (${milliseconds(Math.min(...rounds))} to ` +
  `${milliseconds(Math.max(...rounds))})`;

/** "1.44 x", "1.31 to 1.52", "takes longer" */
const ratioCells = (ratio: Ratio) => [
  times(ratio.ratio),
  `${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)}`,
  verdictOf(ratio),
];

/** Everything but faces, each engine beside the first one of the same work. */
export function resultsTable(results: readonly Result[]): string | undefined {
  const shown = results.filter((result) => !isFace(result));
  if (shown.length === 0) return undefined;
  const rows = shown.map((result) => {
    const { group, name, engine, flops, error } = result;
    const first = shown.find((r) => r.group === group && r.name === name)!;
    return [
      spreadOf(result),
      flops === undefined ? "" : oneDecimal(gflops(result)),
      first === result ? "" : times(ratioInTurns(first, result).ratio),
      error === undefined ? "" : error.toExponential(0),
      `${group}, ${name}: ${engine}`,
    ];
  });
  return table(["ms (of rounds)", "GFLOP/s", "times", "error", "work and engine"], rows);
}

/** The same work here and elsewhere; undefined where there is none. */
export function comparisonTable(
  { pairs, means }: ComparisonResult,
  path: string,
): string | undefined {
  if (pairs.length === 0) return undefined;
  const rows = pairs.map(({ own, other, ...ratio }) => [
    milliseconds(own.seconds),
    milliseconds(other.seconds),
    ...ratioCells(ratio),
    `${own.group}, ${own.name}: ${other.engine}`,
  ]);
  const meanRows = means.map(({ group, engine, works, ...ratio }) => [
    String(works),
    ...ratioCells(ratio),
    `${group}: ${engine}`,
  ]);
  const ratio = ["there / here", "of rounds", "there it"];
  const work = "work, and the engine there";
  return [
    wrap(`there is ${path}, here is this run`),
    table(["here ms", "there ms", ...ratio, work], rows, { width: WIDE }),
    "geometric means",
    table(["works", ...ratio, work], meanRows, { width: WIDE }),
  ].join("\n\n");
}

/** Ratios over several results, their two sides by name. */
export function summariesTable(summaries: readonly Summary[]): string | undefined {
  if (summaries.length === 0) return undefined;
  const rows = summaries.map(({ what, ...ratio }) => [...ratioCells(ratio), what]);
  return table(["ratio", "of rounds", "the first", "what"], rows);
}
