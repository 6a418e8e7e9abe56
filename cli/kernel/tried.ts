/** What came of trying a shader, in words. */

import type { Attempt, Difference } from "../../engine/lab/attempt.ts";
import type { Duel } from "../../engine/lab/duel.ts";
import type { PlannedKernel } from "../../engine/lab/unit.ts";
import { WIDTH, wrap } from "../../engine/prose.ts";
import { positionOf } from "../../engine/reference/value.ts";
import { type Shape, showShape } from "../../engine/tensor/shape.ts";
import { table } from "../framework/table.ts";

export const isWrong = ({ differences }: Attempt): boolean =>
  differences.some(({ wrong }) => wrong > 0);

/** The kernel, and below it what was found. */
export function describeAttempt({ kernel, calls }: PlannedKernel, attempt: Attempt): string {
  const rows = [
    ...attempt.differences.flatMap(differenceRows),
    ...(attempt.duel ? [["time", describeDuel(attempt.duel)]] : []),
  ];
  const title = `${kernel.label}${calls > 1 ? `, ${calls} times` : ""}`;
  return `${wrap(title, WIDTH, "  ")}\n${table(undefined, rows.map((row) => ["", ...row]))}`;
}

function differenceRows(difference: Difference): string[][] {
  const { result: { shape, size }, differing, first, usedError, editedError } = difference;
  const { wrong, firstWrong } = difference;
  const count = (n: number) => `${n.toLocaleString("en")} of ${size.toLocaleString("en")} elements`;
  const bits = first
    ? `other in ${count(differing)}, the first at ${place(first.at, shape)}: ` +
      `${first.edited} in place of ${first.used}`
    : `the same in all ${size.toLocaleString("en")} elements`;
  const errors = `largest error ${editedError.toExponential(1)}, in use ` +
    usedError.toExponential(1);
  return [
    ["bits", bits],
    ["float64", errors],
    firstWrong
      ? [
        "WRONG",
        `${count(wrong)}, the first at ${place(firstWrong.at, shape)}: ` +
        `${firstWrong.edited} in place of ${firstWrong.exact}`,
      ]
      : ["right", first ? "it rounds otherwise, and no worse" : "bit by bit"],
  ];
}

const place = (i: number, shape: Shape) => showShape(positionOf(i, shape));

/** "1.10 x (1.07 to 1.13, 64 rounds): slower, 1.10 ms, in use 1.00 ms" */
export function describeDuel(duel: Duel): string {
  const { ratio, low, high, rounds, verdict, firstMs, secondMs } = duel;
  return `${ratio.toFixed(3)} x the time in use (${low.toFixed(3)} to ${high.toFixed(3)}, ` +
    `${rounds} rounds): ${verdict}; ${secondMs.toPrecision(3)} ms, in use ${
      firstMs.toPrecision(3)
    } ms`;
}
