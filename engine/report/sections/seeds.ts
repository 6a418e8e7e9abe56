/** The runs of several seeds, with the way to each one's report. */

import { between, CONTROL } from "../../doctor/contrasts.ts";
import { mainArm, outcomesOf } from "../../doctor/result.ts";
import { html } from "../html.ts";
import { type Section, table } from "../pieces.ts";
import type { SeedsRun } from "../run.ts";
import { probability } from "../../doctor/words.ts";
import { capital, percent, points, range } from "../text.ts";

export function seedsSection(parts: SeedsRun["parts"]): Section {
  const [{ result }] = parts;
  const main = mainArm(result);
  return {
    id: "seeds",
    title: "Seed by seed",
    content: table({
      caption:
        `Test accuracy; difference, interval and McNemar's p are of ${main} and ${CONTROL}, ` +
        "on each seed's own test images",
      header: [
        ...["Report", ...Object.keys(outcomesOf(result)).map(capital)],
        ...["Minus control", "95 % interval", "McNemar"],
      ],
      rows: parts.map(({ folder, result }) => {
        const { difference, interval, mcnemar } = between(result.contrasts, main, CONTROL)!;
        return [
          html`<a href="${folder}/report.html">seed ${result.seed}</a>`,
          ...Object.values(outcomesOf(result)).map(({ test }) => percent(test.accuracy)),
          points(difference),
          range(interval, points),
          probability(mcnemar.p),
        ];
      }),
    }),
  };
}
