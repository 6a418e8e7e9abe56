/** What else was measured: calibration, where the gradients lie, attacks, noise. */

import { calibrationCurve } from "../../doctor/class_measures.ts";
import type { Curve } from "../../doctor/curve.ts";
import { probeCurves, probesInWords } from "../../doctor/probes/probes.ts";
import {
  type MetricSummary,
  type ModelName,
  MODELS,
  type ResultFile,
  scalars,
  type SummaryFile,
} from "../../doctor/result.ts";
import { type Html, html } from "../html.ts";
import { linePlot } from "../line_plot.ts";
import { figure, figures, paragraph, type Section, table } from "../pieces.ts";
import { capital, percent, points, range, signed } from "../text.ts";

export function measuresSection(result: ResultFile): Section {
  const of = Object.fromEntries(MODELS.map((model) => [model, scalars(result[model])]));
  const names = Object.keys(of.control).filter((name) => name !== "accuracy" && name !== "loss");
  const { images } = result;
  const probed = probesInWords(result.control.measures.probes);
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
        caption: "Baseline, control and treated model",
        header: ["Measure", ...MODELS.map(capital), "vs control"],
        rows: names.map((name) => {
          const [control, treated] = [of.control[name], of.treated[name]];
          return [
            capital(name),
            ...MODELS.map((model) => of[model][name] === undefined ? "" : percent(of[model][name])),
            control === undefined || treated === undefined ? "" : points(treated - control),
          ];
        }),
      })
    }
${figures(...curvesOf(result).map(picture))}`,
  };
}

interface ModelCurve {
  readonly model: ModelName;
  readonly look: number;
  readonly curve: Curve;
}

/** The curves of all models that belong into one picture, picture by picture. */
function curvesOf(result: ResultFile): ModelCurve[][] {
  const pictures = new Map<string, ModelCurve[]>();
  MODELS.forEach((model, look) => {
    const { measures } = result[model];
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
    ...{ name: model as string, look, points },
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
export function summarySection({ seeds, metrics }: SummaryFile): Section {
  const row = (name: string, of: MetricSummary) => {
    const number = (value: number) => name === "loss" ? value.toFixed(4) : percent(value);
    const change = (value: number) => name === "loss" ? signed(value, 4) : points(value);
    return [
      capital(name),
      ...MODELS.map((model) => {
        const { mean, deviation } = of[model];
        return number(mean) + (deviation === null ? "" : ` ± ${number(deviation)}`);
      }),
      change(of.difference.mean),
      of.difference.interval ? range(of.difference.interval, change) : "",
      of.difference.p?.toPrecision(2),
    ];
  };
  return {
    id: "measures",
    title: "Every measure",
    content: html`${
      paragraph(`Mean ± standard deviation over ${seeds.length} seeds; the difference is paired.`)
    }
${
      table({
        caption: "Baseline, control and treated model over the seeds",
        header: ["Measure", ...MODELS.map(capital), "vs control", "95 % t interval", "p"],
        rows: Object.entries(metrics).map(([name, of]) => row(name, of)),
      })
    }`,
  };
}
