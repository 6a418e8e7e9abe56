/** What a treatment found, as tables for the terminal. */

import { probesInWords } from "../engine/doctor/probes/probes.ts";
import { between, type Contrast, CONTROL, pairInWords } from "../engine/doctor/contrasts.ts";
import {
  type Outcome,
  outcomesOf,
  type ResultFile,
  scalars,
  type SummaryFile,
} from "../engine/doctor/result.ts";
import type { Interval } from "../engine/doctor/significance.ts";
import { percent } from "./common.ts";
import { table } from "./framework/table.ts";
import { WIDTH, wrap } from "./framework/text.ts";

/** A sentence, in as many lines as it takes. */
const paragraph = (text: string): string => wrap(text, WIDTH, "  ");

/** The comparison of one run. */
export function describeResult(result: ResultFile): string {
  const { contrasts, arms, images } = result;
  const row = ([name, { test, validation }]: [string, Outcome]) => [
    name,
    validation === undefined ? "" : percent(validation),
    percent(test.accuracy),
    test.loss.toFixed(4),
    versus(between(contrasts, name, CONTROL)),
  ];
  const probed = probesInWords(arms[CONTROL].measures.probes);
  const header = ["", "validation", "test", "loss", "minus control (95 %)"];
  return [
    table(header, Object.entries(outcomesOf(result)).map(row)),
    "",
    ...contrasts.map((of) => paragraph(contrastInWords(of))),
    "",
    describeMeasures(result),
    ...probed ? [paragraph(`${probed} on ${images.probed} of the test images`)] : [],
  ].join("\n");
}

const versus = (of?: Contrast): string =>
  of ? `${points(of.difference)} (${of.interval.map(points).join(" to ")})` : "";

function contrastInWords(of: Contrast): string {
  const { arm, against, difference, interval, mcnemar: { b, c, p } } = of;
  return `${pairInWords(of)}: ${points(difference)} points of test accuracy (95 % interval ` +
    `${interval.map(points).join(" to ")}); McNemar's test: ${b} images only ${against} right, ` +
    `${c} only ${arm} right, p = ${p.toPrecision(2)}: ` +
    (p < 0.05 ? "more than chance explains" : "chance explains it");
}

/** The numbers beside accuracy and loss, which stand above. */
function describeMeasures(result: ResultFile): string {
  const of = Object.entries(outcomesOf(result)).map(([model, outcome]) => ({
    ...{ model, numbers: scalars(outcome) },
  }));
  const names = Object.keys(scalars(result.arms[CONTROL]))
    .filter((name) => name !== "accuracy" && name !== "loss");
  const cell = (value: number | undefined) => value === undefined ? "" : percent(value);
  const rows = names.map((name) => [name, ...of.map(({ numbers }) => cell(numbers[name]))]);
  return table(["", ...of.map(({ model }) => model)], rows);
}

/** Means over seeds, and what is left of the differences. */
export function describeSummary({ seeds, arms, metrics }: SummaryFile): string {
  const models = ["baseline", ...arms];
  const means = Object.entries(metrics).map(([name, of]) => [
    name,
    ...models.map((model) => {
      const { mean, deviation } = of.models[model];
      const { number } = scaleOf(name);
      return deviation === null ? number(mean) : `${number(mean)} +- ${number(deviation)}`;
    }),
  ]);
  const differences = Object.entries(metrics).flatMap(([name, { contrasts }]) =>
    contrasts.map((of) => {
      const { signed } = scaleOf(name);
      const range = (interval: Interval | null) => interval?.map(signed).join(" to ") ?? "";
      return [
        name,
        pairInWords(of),
        signed(of.mean),
        range(of.interval),
        of.p?.toPrecision(2) ?? "",
      ];
    })
  );
  return [
    paragraph(
      `${seeds.length} seeds (${seeds.join(", ")}): mean +- deviation, in points but for the loss`,
    ),
    "",
    table(["", ...models], means),
    "",
    table(["", "", "mean", "95 % t interval", "p"], differences),
  ].join("\n");
}

function scaleOf(name: string) {
  const [scale, digits] = name === "loss" ? [1, 4] : [100, 2];
  const number = (value: number) => (scale * value).toFixed(digits);
  return {
    number,
    signed: (value: number) => `${value < 0 ? "-" : "+"}${number(Math.abs(value))}`,
  };
}

/** A difference of shares in percentage points. */
export const points = (difference: number) =>
  `${difference < 0 ? "-" : "+"}${Math.abs(100 * difference).toFixed(2)}`;
