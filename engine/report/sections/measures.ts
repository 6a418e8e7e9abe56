/** What else was measured: calibration, where the gradients lie, attacks, noise. */

import {
  type MetricSummary,
  type ModelName,
  MODELS,
  type Outcome,
  type ResultFile,
  scalars,
  type SummaryFile,
} from "../../doctor/result.ts";
import { Html, html } from "../html.ts";
import { linePlot } from "../line_plot.ts";
import { figure, figures, paragraph, type Section, table } from "../pieces.ts";
import { capital, percent, points, range, signed } from "../text.ts";

type Points = readonly (readonly [number, number])[];

export function measuresSection(result: ResultFile): Section {
  const of = Object.fromEntries(MODELS.map((model) => [model, scalars(result[model])]));
  const names = Object.keys(of.control).filter((name) => name !== "accuracy" && name !== "loss");
  const { images } = result;
  return {
    id: "measures",
    title: "Other measures",
    content: html`${
      paragraph(
        `Calibration and groups are of all test images; what takes gradients, attacks or noise is `,
        `of ${images.probed} of them.`,
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
${figures(calibration(result), attacks(result), noise(result), insertion(result))}`,
  };
}

interface Curves {
  readonly title: string;
  readonly x: string;
  readonly y: string;
  readonly caption: string;
  readonly range?: readonly [number, number];
  readonly points: (of: Outcome) => Points | undefined;
  readonly more?: { readonly name: string; readonly points: Points; readonly look: number };
}

/** A line for each model, or nothing where no model has it. */
function curves(result: Readonly<Record<ModelName, Outcome>>, of: Curves): Html | undefined {
  const series = MODELS.flatMap((name, look) => {
    const found = of.points(result[name]);
    return found && found.length > 0 ? [{ name: name as string, look, points: found }] : [];
  });
  if (series.length === 0) return undefined;
  const ends = series.map(({ name, points }) => `${name} ${points.at(-1)![1].toFixed(1)}`);
  const plot = linePlot({
    ...{ title: of.title, width: 340, height: 190 },
    description: `${of.caption} At the right end: ${ends.join(", ")}.`,
    x: { label: of.x },
    y: { label: of.y, range: of.range },
    series: of.more ? [...series, of.more] : series,
  });
  const places = [...new Set(series.flatMap(({ points }) => points.map(([x]) => x)))]
    .sort((a, b) => a - b);
  return figure(
    plot,
    of.caption,
    table({
      caption: of.title,
      header: [capital(of.x), ...series.map(({ name }) => capital(name))],
      rows: places.map((x) => [
        `${Number(x.toPrecision(4))}`,
        ...series.map(({ points }) => points.find(([at]) => at === x)?.[1].toFixed(2)),
      ]),
    }),
  );
}

const calibration = (result: ResultFile) =>
  curves(result, {
    ...{ title: "Calibration", x: "confidence, percent", y: "accuracy, percent", range: [0, 100] },
    caption: "Accuracy of the images of about the same confidence; on the diagonal, confidence " +
      "is what it says.",
    points: ({ measures: { calibration } }) =>
      calibration.bins.flatMap(({ confidence, accuracy }) =>
        confidence === null || accuracy === null
          ? []
          : [[100 * confidence, 100 * accuracy] as const]
      ),
    more: { name: "ideal", look: 7, points: [[0, 0], [100, 100]] },
  });

const attacks = (result: ResultFile) =>
  curves(result, {
    ...{ title: "FGSM", x: "largest change of a pixel, of 255", y: "accuracy, percent" },
    range: [0, 100],
    caption: "Accuracy on images that one step along their gradient changed.",
    points: ({ measures: { probes } }) =>
      probes.fgsm?.map(({ strength, accuracy }) => [strength, 100 * accuracy] as const),
  });

const noise = (result: ResultFile) => {
  const layer = result.control.measures.probes.noise?.layer;
  return curves(result, {
    ...{ title: "Feature noise", x: "noise, in standard deviations", y: "accuracy, percent" },
    range: [0, 100],
    caption: `Accuracy with noise added to the output of ${layer}.`,
    points: ({ measures: { probes } }) =>
      probes.noise?.points.map(({ strength, accuracy }) => [strength, 100 * accuracy] as const),
  });
};

const insertion = (result: ResultFile) =>
  (["insertion", "deletion"] as const).map((kind) =>
    curves(result, {
      title: capital(kind),
      ...{ x: "pixels, percent", y: "label's probability, percent", range: [0, 100] as const },
      caption: kind === "insertion"
        ? "The label's probability as the most salient pixels are put into an empty image."
        : "The label's probability as the most salient pixels are taken out of the image.",
      points: ({ measures: { probes } }) =>
        probes.insertion?.[kind].points.map(({ share, probability }) =>
          [100 * share, 100 * probability] as const
        ),
    })
  );

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
