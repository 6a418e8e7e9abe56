/** What a search found: its files, and its tables for the terminal. */

import { constraintInWords } from "../../engine/doctor/constraint.ts";
import type { PairedSample } from "../../engine/doctor/significance.ts";
import { ARM_AXIS, variedAxes } from "../../engine/doctor/studies/cells.ts";
import {
  bestOfArms,
  type CellSummary,
  type SweepFile,
  type Validated,
} from "../../engine/doctor/studies/sweep.ts";
import { inPoints } from "../../engine/doctor/words.ts";
import { encodeCsv } from "../../engine/io/csv.ts";
import { sweepPlot } from "../../engine/report/study_plots.ts";
import { spoken } from "../../engine/report/text.ts";
import type { RunFolder } from "../../engine/run/run_folder.ts";
import { percent } from "../../engine/prose.ts";
import { table } from "../framework/table.ts";

/** Writes sweep.json, sweep.csv and the curves. */
export async function writeSweep(folder: RunFolder, file: SweepFile): Promise<void> {
  const axes = Object.keys(file.grid);
  const rows = file.cells.map((cell) => row(axes, cell));
  await folder.writeText("sweep.csv", encodeCsv([...axes, ...GAINS], rows));
  for (const axis of variedAxes(file.grid)) {
    await folder.writeText(`sweep.${axis}.svg`, sweepPlot(file, axis));
  }
  await folder.writeJson("sweep.json", file);
}

const ofGain = (name: string) => [`${name}_gain`, `${name}_low`, `${name}_high`];
const GAINS = ["seeds", ...ofGain("accuracy"), ...ofGain("worst_group")];

function row(
  axes: readonly string[],
  { cell: { settings }, accuracy, worst_group, results }: CellSummary,
): (string | number | null)[] {
  const gain = (of: PairedSample | undefined) =>
    of ? [of.mean, of.interval?.[0] ?? null, of.interval?.[1] ?? null] : [null, null, null];
  return [
    ...axes.map((axis) => settings[axis] ?? null),
    results.length,
    ...gain(accuracy),
    ...gain(worst_group),
  ];
}

/** All cells, the best first. */
export function describeSweep({ cells, seeds, grid }: SweepFile): string {
  const varied = variedAxes(grid);
  const gain = (of: PairedSample | undefined) => of ? inPoints(of.mean, of.interval) : "";
  const row = ({ cell, accuracy, worst_group, results }: CellSummary) => {
    const mean = (of: (treated: Validated) => number | undefined) => {
      const sum = results.reduce((sum, { treated }) => sum + (of(treated) ?? NaN), 0);
      return percent(sum / results.length);
    };
    return [
      ...varied.map((axis) => `${cell.settings[axis] ?? ""}`),
      ...[mean(({ accuracy }) => accuracy), gain(accuracy)],
      ...(worst_group ? [mean(({ worst_group }) => worst_group), gain(worst_group)] : []),
    ];
  };
  const header = [
    ...[...varied.map(spoken), "validation", "vs control"],
    ...(cells.some(({ worst_group }) => worst_group) ? ["worst group", "vs control"] : []),
  ];
  return [
    table(header, cells.map(row)),
    "",
    ...(varied.includes(ARM_AXIS)
      ? ["the best of each arm:", "", table(header, bestOfArms(cells).map(row)), ""]
      : []),
    ...(cells.length === 1 ? [constraintInWords(cells[0].cell.treatment.constraint)] : []),
    `${varied.includes(ARM_AXIS) ? "each" : grid[ARM_AXIS][0]} minus control in points, on the ` +
    "validation split" +
    (seeds.length > 1 ? ` (95 % t, ${seeds.length} seeds)` : ""),
  ].join("\n");
}
