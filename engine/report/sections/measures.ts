/** What else was measured: calibration, where the gradients lie, attacks, noise. */

import { calibrationCurve } from "../../doctor/class_measures.ts";
import type { Curve } from "../../doctor/curve.ts";
import { probeCurves, probesInWords } from "../../doctor/probes/probes.ts";
import { CONTROL, pairInWords } from "../../doctor/contrasts.ts";
import {
  BASELINE,
  outcomesOf,
  type ResultFile,
  scalars,
  type SummaryFile,
} from "../../doctor/result.ts";
import { type Html, html } from "../html.ts";
import { linePlot } from "../line_plot.ts";
import { figure, figures, paragraph, type Section, table } from "../pieces.ts";
import { capital, percent, points, range, signed } from "../text.ts";

export function measuresSection(result: ResultFile): Section {
  const of = Object.entries(outcomesOf(result)).map(([model, outcome]) => ({
    ...{ model, numbers: scalars(outcome) },
  }));
  const { images, arms: { [CONTROL]: control } } = result;
  const names = Object.keys(scalars(control))
    .filter((name) => name !== "accuracy" && name !== "loss");
  const probed = probesInWords(control.measures.probes);
  return {
    id: "measures",
    title: "Other measures",
    content: html`${
      paragraph(
        "Calibration and groups are of all test images",
        probed && `; ${probed}: on ${images.probed} of them`,
        ".",
      )
    }
${
      table({
        caption: "The baseline and every arm",
        header: ["Measure", ...of.map(({ model }) => capital(model))],
        rows: names.map((name) => [
          capital(name),
          ...of.map(({ numbers: { [name]: value } }) => value === undefined ? "" : percent(value)),
        ]),
      })
    }
${figures(...curvesOf(result).map(picture))}`,
  };
}

interface ModelCurve {
  readonly model: string;
  readonly look: number;
  readonly curve: Curve;
}

/** The curves of all models that belong into one picture, picture by picture. */
function curvesOf(result: ResultFile): ModelCurve[][] {
  const pictures = new Map<string, ModelCurve[]>();
  Object.entries(outcomesOf(result)).forEach(([model, { measures }], look) => {
    for (const curve of [calibrationCurve(measures), ...probeCurves(measures.probes)]) {
      if (curve.points.length === 0) continue;
      pictures.set(curve.title, [...pictures.get(curve.title) ?? [], { model, look, curve }]);
    }
  });
  return [...pictures.values()];
}

/** A line for each model. */
function picture(curves: readonly ModelCurve[]): Html {
  const [{ curve: { title, x, y, range, caption, diagonal } }] = curves;
  const series = curves.map(({ model, look, curve: { points } }) => ({
    ...{ name: model, look, points },
  }));
  const ends = series.map(({ name, points }) => `${name} ${points.at(-1)![1].toFixed(1)}`);
  const ideal = { name: "ideal", look: 7, points: [[0, 0], [100, 100]] as const };
  const plot = linePlot({
    ...{ title, width: 340, height: 190, x: { label: x }, y: { label: y, range } },
    description: `${caption} At the right end: ${ends.join(", ")}.`,
    series: diagonal ? [...series, ideal] : series,
  });
  const places = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))]
    .sort((a, b) => a - b);
  return figure(
    plot,
    caption,
    table({
      caption: title,
      header: [capital(x), ...series.map(({ name }) => capital(name))],
      rows: places.map((x) => [
        `${Number(x.toPrecision(4))}`,
        ...series.map(({ points }) => points.find(([at]) => at === x)?.[1].toFixed(2)),
      ]),
    }),
  );
}

/** Every measure over several seeds. */
export function summarySection({ seeds, arms, metrics }: SummaryFile): Section {
  const models = [BASELINE, ...arms];
  const [{ contrasts: pairs }] = Object.values(metrics);
  return {
    id: "measures",
    title: "Every measure",
    content: html`${
      paragraph(`Mean ± standard deviation over ${seeds.length} seeds; differences are paired.`)
    }
${
      table({
        caption: "The baseline and every arm over the seeds",
        header: ["Measure", ...models.map(capital)],
        rows: Object.entries(metrics).map(([name, of]) => [
          capital(name),
          ...models.map((model) => {
            const { mean, deviation } = of.models[model];
            const { number } = scaleOf(name);
            return number(mean) + (deviation === null ? "" : ` ± ${number(deviation)}`);
          }),
        ]),
      })
    }
${
      pairs.map((pair, i) =>
        table({
          caption: `${capital(pairInWords(pair))}, seed by seed`,
          header: ["Measure", "Mean", "95 % t interval", "p"],
          rows: Object.entries(metrics).map(([name, { contrasts }]) => {
            const { mean, interval, p } = contrasts[i];
            const { change } = scaleOf(name);
            return [
              capital(name),
              change(mean),
              interval ? range(interval, change) : "",
              p?.toPrecision(2),
            ];
          }),
        })
      )
    }`,
  };
}

/** How a measure and its differences are written: in percent and points but for the loss. */
const scaleOf = (name: string) =>
  name === "loss"
    ? { number: (value: number) => value.toFixed(4), change: (value: number) => signed(value, 4) }
    : { number: (value: number) => percent(value), change: points };
