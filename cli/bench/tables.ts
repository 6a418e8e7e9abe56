/** A benchmark's results as tables. */

import type { Roofline } from "../../engine/gpu/roofline.ts";
import { geometricMean, median } from "../../engine/averages.ts";
import { table } from "../framework/table.ts";
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

/** Columns that a table may have. */
const WIDTH = 100;

const percent = (share: number) => `${(100 * share).toFixed(1)} %`;
const milliseconds = (seconds: number) => (1000 * seconds).toPrecision(4);
const oneDecimal = (value: number) => value.toFixed(1);
const times = (ratio: number) => `${ratio.toFixed(2)} x`;
const isFace = (result: Result): result is FaceResult => result.work.kind === "face";

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
  const rows = byClass.flatMap(({ kind, of }) =>
    of.map((face) => [
      kind,
      face.name,
      spreadOf(face),
      oneDecimal(face.gflops),
      oneDecimal(face.gbPerSecond),
      percent(face.ofAchievable),
      percent(face.ofPeak),
      face.gains ? spread(face.gains) : "",
    ])
  );
  const mean = (of: readonly FaceResult[], value: (face: FaceResult) => number) =>
    percent(geometricMean(of.map(value)));
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
  return [
    `roofline: ${oneDecimal(roofline.gflops)} GFLOP/s of multiply-adds, ` +
    `${oneDecimal(roofline.gbPerSecond)} GB/s of copying`,
    table(
      [
        "class",
        "convolution",
        "ms (of rounds)",
        "GFLOP/s",
        "GB/s",
        "of achievable",
        "of peak",
        "direct",
      ],
      rows,
      { width: WIDTH },
    ),
    faces.some(({ gains }) => gains) && DIRECT,
    "geometric means",
    table(["class", "face", "shapes", "of achievable", "of peak"], means),
  ].filter((part) => part).join("\n\n");
}

const DIRECT =
  "direct: where a face goes Winograd's way, the direct way's time over its own, in\n" +
  "turns: the median of the rounds, and the least and the most";

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
      group,
      name,
      engine,
      spreadOf(result),
      flops === undefined ? "" : oneDecimal(gflops(result)),
      first === result ? "" : times(ratioInTurns(first, result).ratio),
      error === undefined ? "" : error.toExponential(0),
    ];
  });
  const header = ["group", "work", "engine", "ms (of rounds)", "GFLOP/s", "times", "error"];
  return table(header, rows, { width: WIDTH });
}

/** The same work here and elsewhere; undefined where there is none. */
export function comparisonTable(
  { pairs, means }: ComparisonResult,
  path: string,
): string | undefined {
  if (pairs.length === 0) return undefined;
  const rows = pairs.map(({ own, other, ...ratio }) => [
    own.group,
    own.name,
    milliseconds(own.seconds),
    milliseconds(other.seconds),
    ...ratioCells(ratio),
    other.engine,
  ]);
  const meanRows = means.map(({ group, engine, works, ...ratio }) => [
    group,
    String(works),
    ...ratioCells(ratio),
    engine,
  ]);
  const ratio = ["there / here", "of rounds", "there it"];
  return [
    `there is ${path}, here is this run`,
    table(["group", "work", "here ms", "there ms", ...ratio, "engine there"], rows, {
      width: WIDTH,
    }),
    "geometric means",
    table(["group", "works", ...ratio, "engine there"], meanRows, { width: WIDTH }),
  ].join("\n\n");
}

/** Ratios over several results, their two sides by name. */
export function summariesTable(summaries: readonly Summary[]): string | undefined {
  if (summaries.length === 0) return undefined;
  const rows = summaries.map(({ what, ...ratio }) => [what, ...ratioCells(ratio)]);
  return table(["what", "ratio", "of rounds", "the first"], rows, { width: WIDTH });
}
