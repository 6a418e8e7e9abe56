/** A benchmark's results as tables. */

import type { Roofline } from "../../engine/gpu/roofline.ts";
import { geometricMean, median } from "../../engine/averages.ts";
import { table } from "../framework/table.ts";
import type { ComparisonResult } from "./compare.ts";
import { type FaceResult, FACES } from "./faces.ts";
import { gflops, holds, type Judgement, type Result } from "./result.ts";
import { CLASSES_OF_SHAPES } from "./shapes.ts";

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
      milliseconds(face.seconds),
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
      ["class", "convolution", "ms", "GFLOP/s", "GB/s", "of achievable", "of peak", "direct"],
      rows,
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

/** Everything but faces, each engine beside the first one of the same work. */
export function resultsTable(results: readonly Result[]): string | undefined {
  const shown = results.filter((result) => !isFace(result));
  if (shown.length === 0) return undefined;
  const rows = shown.map((result) => {
    const { group, name, engine, seconds, flops, error } = result;
    const first = shown.find((r) => r.group === group && r.name === name)!;
    return [
      group,
      name,
      engine,
      milliseconds(seconds),
      flops === undefined ? "" : oneDecimal(gflops(result)),
      first === result ? "" : times(seconds / first.seconds),
      error === undefined ? "" : error.toExponential(0),
    ];
  });
  const header = ["group", "work", "engine", "ms", "GFLOP/s", "times ours", "relative error"];
  return table(header, rows);
}

/** The same work here and elsewhere; undefined where there is none. */
export function comparisonTable({ pairs, means }: ComparisonResult): string | undefined {
  if (pairs.length === 0) return undefined;
  const rows = pairs.map(({ own, other }) => [
    own.group,
    own.name,
    milliseconds(own.seconds),
    milliseconds(other.seconds),
    times(other.seconds / own.seconds),
    other.engine,
  ]);
  const meanRows = means.map(({ group, engine, ratio, works }) => [
    group,
    String(works),
    times(ratio),
    engine,
  ]);
  return [
    table(["group", "work", "ours, ms", "theirs, ms", "times ours", "engine"], rows),
    "geometric means",
    table(["group", "works", "times ours", "engine"], meanRows),
  ].join("\n\n");
}

/** What is required beside what was measured. */
export function judgementsTable(judgements: readonly Judgement[]): string | undefined {
  if (judgements.length === 0) return undefined;
  const rows = judgements.map((judgement) => {
    const { what, measured, bound, required, unit } = judgement;
    return [
      what,
      `${measured.toFixed(2)} ${unit}`,
      `${bound} ${required} ${unit}`,
      holds(judgement) ? "reached" : "missed",
    ];
  });
  return table(["what", "measured", "required", ""], rows);
}
