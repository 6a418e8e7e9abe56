/** The paper's table in Markdown. */

import { between, CONTROL, TREATED } from "../doctor/contrasts.ts";
import type { TableFile, TableRow } from "../doctor/table.ts";
import { inPoints } from "./text.ts";

/** For each data set its models, as the paper lays it out, and of each the baseline and the arms. */
export function tableMarkdown({ rows }: TableFile): string {
  const sets = [...new Set(rows.map(({ data }) => data))];
  const several = new Set(rows.map((row) => row.fingerprint + row.model + row.data)).size >
    new Set(rows.map((row) => row.model + row.data)).size;
  const parts = sets.map((data) => {
    const own = rows.filter((row) => row.data === data);
    const worst = WORST.filter((name) => own.every(({ metrics }) => metrics[name]));
    const header = [
      ...["model", ...several ? ["settings"] : [], "seeds", "arm", "accuracy"],
      ...["minus control (95 %)", "p", "treated minus it (95 %)", ...worst],
    ];
    const lines = own.flatMap((row) =>
      linesOf(row, worst).map((line) => [
        row.model,
        ...several ? [row.fingerprint] : [],
        `${row.seeds.length}`,
        ...line,
      ])
    );
    return `## ${data}\n\n${markdown(header, lines)}`;
  });
  return [
    "# Test accuracy of the baseline and of every arm, in percent",
    "Mean ± standard deviation over the seeds. Every arm was trained on from the same baseline, on " +
    "the same images in the same order; the control without anything else. Intervals and p are of " +
    "paired differences: over seeds by Student's t, of a single seed over its test images " +
    "(McNemar).",
    ...parts,
  ].join("\n\n") + "\n";
}

/** What stands beside accuracy, where there is such. */
const WORST = ["worst class", "worst group"];

/** A line for each model of a row: its accuracy and what it is held against. */
function linesOf({ metrics }: TableRow, worst: readonly string[]): string[][] {
  const { models, contrasts } = metrics.accuracy;
  const difference = (arm: string, against: string) => {
    const of = between(contrasts, arm, against);
    return of ? inPoints(of.mean, of.interval) : "";
  };
  return Object.keys(models).map((arm) => [
    arm,
    spread(models[arm]),
    difference(arm, CONTROL),
    between(contrasts, arm, CONTROL)?.p?.toPrecision(2) ?? "",
    arm === CONTROL ? "" : difference(TREATED, arm),
    ...worst.map((name) => spread(metrics[name].models[arm])),
  ]);
}

/** Columns that hold no numbers. */
const WORDS = ["model", "settings", "arm"];

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const escape = (cell: string) => cell.replaceAll("|", "\\|");
  const line = (cells: readonly string[]) => `| ${cells.map(escape).join(" | ")} |`;
  const rule = header.map((name) => WORDS.includes(name) ? "---" : "--:");
  return [line(header), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

const spread = ({ mean, deviation }: { mean: number; deviation: number | null }) =>
  (100 * mean).toFixed(2) + (deviation === null ? "" : ` ± ${(100 * deviation).toFixed(2)}`);
