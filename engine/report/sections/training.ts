/** Training curves: each loss term in a picture of its own, over the epochs of all models. */

import { BASELINE, outcomesOf, type ResultFile } from "../../doctor/result.ts";
import type { EpochRecord } from "../../train/checkpoint.ts";
import { html } from "../html.ts";
import { linePlot } from "../line_plot.ts";
import { behind, figure, figures, paragraph, type Section, table } from "../pieces.ts";
import { capital, percent } from "../text.ts";

interface Curve {
  readonly title: string;
  readonly label: string;
  readonly value: (record: EpochRecord) => number | undefined;
}

export function trainingSection(
  { result, history }: { readonly result: ResultFile; readonly history: readonly EpochRecord[] },
): Section | undefined {
  if (history.length === 0) return undefined;
  const terms = new Set(history.flatMap(({ train }) => Object.keys(train)));
  for (const name of ["loss", "accuracy"]) terms.delete(name);
  const curves: Curve[] = [
    { title: "Training loss", label: "whole loss", value: ({ train }) => train.loss },
    ...[...terms].map((name): Curve => ({
      title: `${capital(name)}-wise constraint`,
      label: "unweighted",
      value: ({ train }) => train[name],
    })),
    { title: "Validation loss", label: "cross entropy", value: (r) => r.validation.loss },
    { title: "Training accuracy", label: "percent", value: (r) => 100 * r.train.accuracy },
    { title: "Validation accuracy", label: "percent", value: (r) => 100 * r.validation.accuracy },
  ];
  const fromScratch = result.start === "scratch";
  // Further epochs follow those of the baseline.
  const offset = fromScratch ? 0 : Math.max(0, ...of(history, BASELINE).map(({ epoch }) => epoch));
  return {
    id: "training",
    title: "Training",
    content: html`${
      paragraph(
        "Means over each epoch. Every arm " +
          (fromScratch ? "starts untrained; " : "goes on from the baseline's best epoch; ") +
          "the whole loss has an arm's weighted constraint in it.",
      )
    }
${figures(curves.map((curve) => picture(curve, Object.keys(outcomesOf(result)), history, offset)))}
${
      behind(
        "Every epoch's numbers",
        table({
          caption: `Training by epoch; best epochs: ${best(result)}`,
          header: [
            ...["Stage and epoch", "Learning rate", "Loss", ...[...terms].map(capital)],
            ...["Accuracy", "Validation loss", "Validation accuracy", "Seconds"],
          ],
          rows: history.map(({ stage, epoch, lr, train, validation, seconds }) => [
            `${stage} ${epoch}`,
            ...[lr.toPrecision(3), train.loss.toPrecision(4)],
            ...[...terms].map((name) => train[name]?.toPrecision(4)),
            ...[percent(train.accuracy), validation.loss.toPrecision(4)],
            ...[percent(validation.accuracy), seconds.toFixed(1)],
          ]),
        }),
      )
    }`,
  };
}

const of = (history: readonly EpochRecord[], stage: string) =>
  history.filter((record) => record.stage === stage);

const best = (result: ResultFile) =>
  Object.entries(outcomesOf(result)).filter(([, { best_epoch }]) => best_epoch !== undefined)
    .map(([model, { best_epoch }]) => `${model} ${best_epoch}`).join(", ");

function picture(
  { title, label, value }: Curve,
  models: readonly string[],
  history: readonly EpochRecord[],
  offset: number,
) {
  const series = models.map((model, look) => ({
    name: model,
    look,
    points: of(history, model).flatMap((record) => {
      const y = value(record);
      const x = record.epoch + (model === BASELINE ? 0 : offset);
      return y === undefined ? [] : [[x, y] as const];
    }),
  })).filter(({ points }) => points.length > 0);
  const last = series.map(({ name, points }) => `${name} ${points.at(-1)![1].toPrecision(3)}`);
  const plot = linePlot({
    ...{ title, series, width: 340, height: 190 },
    description: `By epoch; at the end ${last.join(", ")}.`,
    x: { label: "epoch", whole: true },
    y: { label },
  });
  const epochs = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))].sort((a, b) =>
    a - b
  );
  return figure(
    plot,
    "",
    table({
      caption: `${title} by epoch`,
      header: ["Epoch", ...series.map(({ name }) => capital(name))],
      rows: epochs.map((epoch) => [
        `${epoch}`,
        ...series.map(({ points }) => points.find(([x]) => x === epoch)?.[1].toPrecision(4)),
      ]),
    }),
  );
}
