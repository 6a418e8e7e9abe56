/** What a treatment found, as tables for the terminal. */

import { probesInWords } from "../engine/doctor/probes/probes.ts";
import {
  MODELS,
  type Outcome,
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
  const { control, delta_interval, delta_vs_control, mcnemar, images } = result;
  const row = (name: string, { test, validation }: Outcome) => [
    name,
    validation === undefined ? "" : percent(validation),
    percent(test.accuracy),
    test.interval.map((share) => percent(share)).join(" to "),
    test.loss.toFixed(4),
    name === "control" ? "" : points(test.accuracy - control.test.accuracy),
  ];
  const { b, c, p } = mcnemar;
  const probed = probesInWords(control.measures.probes);
  const header = ["", "validation", "test", "95 % interval", "loss", "vs control"];
  return [
    table(header, MODELS.map((name) => row(name, result[name]))),
    "",
    paragraph(
      `treated minus control: ${points(delta_vs_control)} points of test accuracy ` +
        `(95 % interval ${delta_interval.map(points).join(" to ")})`,
    ),
    paragraph(
      `McNemar's test: ${b} images only control right, ${c} only treated right, ` +
        `p = ${p.toPrecision(2)}: ${p < 0.05 ? "more than chance explains" : "chance explains it"}`,
    ),
    "",
    describeMeasures(result),
    ...probed ? [paragraph(`${probed} on ${images.probed} of the test images`)] : [],
  ].join("\n");
}

/** The numbers beside accuracy and loss, which stand above. */
function describeMeasures(result: ResultFile): string {
  const of = Object.fromEntries(MODELS.map((name) => [name, scalars(result[name])]));
  const names = Object.keys(of.control).filter((name) => name !== "accuracy" && name !== "loss");
  const cell = (value: number | undefined) => value === undefined ? "" : percent(value);
  const rows = names.map((name) => {
    const [control, treated] = [of.control[name], of.treated[name]];
    const difference = control === undefined || treated === undefined
      ? ""
      : points(treated - control);
    return [name, ...MODELS.map((model) => cell(of[model][name])), difference];
  });
  return table(["", ...MODELS, "vs control"], rows);
}

/** Means over seeds and what is left of the difference. */
export function describeSummary({ seeds, metrics }: SummaryFile): string {
  const rows = Object.entries(metrics).map(([name, of]) => {
    const [scale, digits] = name === "loss" ? [1, 4] : [100, 2];
    const number = (value: number) => (scale * value).toFixed(digits);
    const signed = (value: number) => `${value < 0 ? "-" : "+"}${number(Math.abs(value))}`;
    const range = (interval: Interval | null) => interval?.map(signed).join(" to ") ?? "";
    const { mean, interval, p } = of.difference;
    const models = MODELS.map((model) => {
      const { mean, deviation } = of[model];
      return deviation === null ? number(mean) : `${number(mean)} +- ${number(deviation)}`;
    });
    return [name, ...models, signed(mean), range(interval), p?.toPrecision(2) ?? ""];
  });
  return [
    paragraph(
      `${seeds.length} seeds (${seeds.join(", ")}): mean +- deviation, in points but for the loss`,
    ),
    "",
    table(["", ...MODELS, "vs control", "95 % t interval", "p"], rows),
  ].join("\n");
}

/** A difference of shares in percentage points. */
export const points = (difference: number) =>
  `${difference < 0 ? "-" : "+"}${Math.abs(100 * difference).toFixed(2)}`;
