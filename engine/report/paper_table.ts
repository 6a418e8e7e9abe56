/** The paper's table in Markdown. */

import { MODELS } from "../doctor/result.ts";
import type { TableFile } from "../doctor/table.ts";
import { points, range } from "./text.ts";

/** For each data set its models, as the paper lays it out. */
export function tableMarkdown({ rows }: TableFile): string {
  const sets = [...new Set(rows.map(({ data }) => data))];
  const several = new Set(rows.map((row) => row.fingerprint + row.model + row.data)).size >
    new Set(rows.map((row) => row.model + row.data)).size;
  const settings = several ? ["settings"] : [];
  const header = ["model", ...settings, "seeds", ...MODELS, "treated - control (95 %)", "p"];
  const parts = sets.map((data) => {
    const lines = rows.filter((row) => row.data === data).map((row) => {
      const { mean, interval, p } = row.difference;
      const interval95 = interval ? ` (${range(interval, points)})` : "";
      return [
        row.model,
        ...several ? [row.fingerprint] : [],
        `${row.seeds.length}`,
        ...MODELS.map((model) => spread(row.metrics.accuracy[model])),
        points(mean) + interval95,
        p === null ? "" : p.toPrecision(2),
      ];
    });
    return `## ${data}\n\n${markdown(header, lines)}`;
  });
  return [
    "# Test accuracy of baseline, control and treated model, in percent",
    "Mean ± standard deviation over the seeds. The control is trained on as the treated model is, " +
    "without the constraint. The interval and p are of the paired difference: over seeds by " +
    "Student's t, of a single seed over its test images (McNemar).",
    ...parts,
  ].join("\n\n") + "\n";
}

function markdown(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const escape = (cell: string) => cell.replaceAll("|", "\\|");
  const line = (cells: readonly string[]) => `| ${cells.map(escape).join(" | ")} |`;
  const rule = header.map((_, i) => i === 0 ? "---" : "--:");
  return [line(header), `| ${rule.join(" | ")} |`, ...rows.map(line)].join("\n");
}

const spread = ({ mean, deviation }: { mean: number; deviation: number | null }) =>
  (100 * mean).toFixed(2) + (deviation === null ? "" : ` ± ${(100 * deviation).toFixed(2)}`);
