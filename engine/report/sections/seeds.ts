/** The runs of several seeds, with the way to each one's report. */

import { MODELS } from "../../doctor/result.ts";
import { html } from "../html.ts";
import { type Section, table } from "../pieces.ts";
import type { SeedsRun } from "../run.ts";
import { capital, percent, points, probability, range } from "../text.ts";

export function seedsSection(parts: SeedsRun["parts"]): Section {
  return {
    id: "seeds",
    title: "Seed by seed",
    content: table({
      caption: "Test accuracy; the interval and McNemar's p are of each seed's own test images",
      header: ["Report", ...MODELS.map(capital), "vs control", "95 % interval", "McNemar"],
      rows: parts.map(({ folder, result }) => [
        html`<a href="${folder}/report.html">seed ${result.seed}</a>`,
        ...MODELS.map((model) => percent(result[model].test.accuracy)),
        points(result.delta_vs_control),
        range(result.delta_interval, points),
        probability(result.mcnemar.p),
      ]),
    }),
  };
}
