/** The studies that were run on this network or its settings. */

import type { CorrelationFile } from "../../doctor/studies/correlation.ts";
import type { NoiseFile } from "../../doctor/studies/noise.ts";
import { variedAxes } from "../../doctor/studies/cells.ts";
import { type SweepFile } from "../../doctor/studies/sweep.ts";
import { Html, html } from "../html.ts";
import { figure, figures, paragraph, type Section, table } from "../pieces.ts";
import type { Study } from "../run.ts";
import { layersPlot, noisePlot, shown, sweepPlot } from "../study_plots.ts";
import { capital, count, counted, decimal, percent, points, range, spoken } from "../text.ts";

const SIZE = { width: 340, height: 190 };

/** The best cells of a sweep are shown. */
const MOST_CELLS = 30;

export function studiesSection(studies: readonly Study[]): Section {
  return {
    id: "studies",
    title: "Studies",
    content: studies.length === 0
      ? paragraph(
        html`None was run. <code>deno task study</code> lists them; <code>deno task report</code> takes
in what one has written into a folder in this one (<code>--out</code>).`,
      )
      : html`${studies.map(show)}`,
  };
}

function show(study: Study): Html {
  switch (study.kind) {
    case "correlation":
      return correlation(study.file);
    case "noise":
      return noise(study.file);
    case "sweep":
      return sweep(study.file);
  }
}

function correlation(file: CorrelationFile): Html {
  return html`<h3>Correlation of classes and kernels, ${file.model} on ${file.data}</h3>
${
    figures(figure(
      layersPlot(file, SIZE),
      "By layer, first to last. Own: the share of kernels that are a class's own. Overlap: of the " +
        "own kernels of two classes, beside that of random sets of the same sizes.",
      table({
        caption: "Correlation by layer",
        header: ["Layer", "Kernels", "Own", "Overlap", "By chance", "Cosine"],
        rows: file.layers.map((of) => [
          of.layer,
          count(of.channels),
          ...[of.own_share, of.mean_overlap, of.chance_overlap].map((share) => percent(share, 1)),
          decimal(of.mean_cosine, 3),
        ]),
      }),
    ))
  }`;
}

function noise(file: NoiseFile): Html {
  const success = Object.entries(file.success).map(([kind, share]) =>
    `${kind} ${percent(share, 1)}`
  );
  return html`<h3>Feature noise, ${file.model} on ${file.data}</h3>
${paragraph(`Attacks of ${file.epsilon}/255 that succeed: ${success.join(", ")}.`)}
${
    figures(file.layers.map((layer) => {
      const kinds = shown(layer.kinds);
      return figure(
        noisePlot(file, layer, "accuracy", SIZE),
        "Share of each kind of image that is classified as its label says.",
        table({
          caption: `Accuracy under noise at ${layer.layer}`,
          header: ["Noise", ...kinds.map(({ kind, images }) => `${kind} (${images})`)],
          rows: (kinds[0]?.points ?? []).map(({ level }, i) => [
            `${level}`,
            ...kinds.map(({ points }) => percent(points[i].accuracy, 1)),
          ]),
        }),
      );
    }))
  }`;
}

function sweep(file: SweepFile): Html {
  const varied = variedAxes(file.grid);
  const fixed = Object.keys(file.grid).filter((axis) => !varied.includes(axis));
  const cells = file.cells.slice(0, MOST_CELLS);
  return html`<h3>Search for settings, ${file.model} on ${file.data}</h3>
${
    paragraph(
      `${counted(file.cells.length, "combination")}, ${counted(file.seeds.length, "seed")} each, `,
      "judged on the validation split alone. In all: ",
      `${fixed.map((axis) => `${spoken(axis)} ${file.grid[axis][0]}`).join(", ")}.`,
    )
  }
${figures(varied.map((axis) => figure(sweepPlot(file, axis, SIZE), "")))}
${
    table({
      caption: "Minus control in points of validation accuracy, the best first",
      header: ["Place", ...varied.map((axis) => capital(spoken(axis))), "Gain", "95 % t interval"],
      rows: cells.map(({ cell, accuracy: { mean, interval } }, i) => [
        i + 1,
        ...varied.map((axis) => cell.settings[axis] ?? ""),
        points(mean),
        interval ? range(interval, points) : "",
      ]),
    })
  }`;
}
