/** What a treatment found, as tables for the terminal. */

import type { Difference } from "../engine/doctor/bootstrap.ts";
import { probesInWords } from "../engine/doctor/probes/probes.ts";
import {
  between,
  CONTROL,
  isAddition,
  type Pair,
  pairInWords,
  pairsOf,
  TREATED,
} from "../engine/doctor/contrasts.ts";
import {
  BASELINE,
  costOf,
  type Outcome,
  outcomesOf,
  type ResultFile,
  scalars,
  type SummaryFile,
} from "../engine/doctor/result.ts";
import { MAIN_MEASURES } from "../engine/doctor/verdict.ts";
import { inPoints } from "../engine/doctor/words.ts";
import { percent, WIDTH, wrap } from "../engine/prose.ts";
import { table } from "./framework/table.ts";

/** A sentence, in as many lines as it takes. */
const paragraph = (text: string): string => wrap(text, WIDTH, "  ");

/** The comparison of one run. */
export function describeResult(result: ResultFile): string {
  const { contrasts, arms, images, verdict } = result;
  const row = ([name, { test, validation }]: [string, Outcome]) => {
    const control = between(contrasts, name, CONTROL);
    return [
      name,
      validation === undefined ? "" : percent(validation),
      percent(test.accuracy),
      test.loss.toFixed(4),
      control ? inPoints(control.difference, control.interval) : "",
      control?.holm?.toPrecision(2) ?? "",
      control ? `${costOf(result, name).toFixed(1)} x` : "",
    ];
  };
  const probed = probesInWords(arms[CONTROL].measures.probes);
  const header = ["", "validation", "test", "loss", "minus control (95 %)", "p", "step"];
  return [
    table(header, Object.entries(outcomesOf(result)).map(row)),
    "",
    differences(Object.keys(arms), (pair, name) => {
      const of = between(contrasts, pair.arm, pair.against)!;
      return name === "accuracy" ? of : of.measures[name];
    }),
    "",
    paragraph(verdict.join(" ")),
    "",
    describeMeasures(result),
    ...probed ? [paragraph(`${probed} on ${images.probed} of the test images`)] : [],
  ].join("\n");
}

/** How far arms are apart in what a verdict speaks of: treated minus the others, where it is there. */
function differences(
  arms: readonly string[],
  of: (pair: Pair, name: string) => Difference | undefined,
): string {
  const pairs = pairsOf(arms);
  const shown = arms.includes(TREATED)
    ? pairs.filter((pair) => pair.arm === TREATED || isAddition(pair))
    : pairs;
  const names = ["accuracy", ...MAIN_MEASURES].filter((name) => of(shown[0], name) !== undefined);
  const rows = names.map((name) => [
    name,
    ...shown.map((pair) => {
      const found = of(pair, name);
      return found ? inPoints(found.difference, found.interval) : "";
    }),
  ]);
  const isOfOne = shown.every(({ arm }) => arm === shown[0].arm);
  const header = isOfOne
    ? [`${shown[0].arm} (95 %)`, ...shown.map(({ against }) => `minus ${against}`)]
    : ["points (95 %)", ...shown.map(pairInWords)];
  return table(header, rows);
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
export function describeSummary({ seeds, arms, metrics, verdict }: SummaryFile): string {
  const models = [BASELINE, ...arms];
  const { accuracy } = metrics;
  const rows = models.map((model) => {
    const control = between(accuracy.contrasts, model, CONTROL);
    return [
      model,
      spread(accuracy.models[model], 100, 2),
      control ? inPoints(control.mean, control.interval) : "",
      control?.holm?.toPrecision(2) ?? "",
    ];
  });
  const means = Object.entries(metrics).filter(([name]) => name !== "accuracy")
    .map(([name, of]) => [
      name,
      ...models.map((model) =>
        name === "loss" ? spread(of.models[model], 1, 4) : spread(of.models[model], 100, 2)
      ),
    ]);
  return [
    paragraph(
      `${seeds.length} seeds (${seeds.join(", ")}): mean +- deviation, in percent but for the loss`,
    ),
    "",
    table(["", "accuracy", "minus control (95 % t)", "p"], rows),
    "",
    differences(arms, ({ arm, against }, name) => {
      const of = metrics[name] && between(metrics[name].contrasts, arm, against);
      return of && { difference: of.mean, interval: of.interval };
    }),
    "",
    paragraph(verdict.join(" ")),
    "",
    table(["", ...models], means),
  ].join("\n");
}

function spread(
  { mean, deviation }: { readonly mean: number; readonly deviation: number | null },
  scale: number,
  digits: number,
): string {
  const number = (value: number) => (scale * value).toFixed(digits);
  return deviation === null ? number(mean) : `${number(mean)} +- ${number(deviation)}`;
}
