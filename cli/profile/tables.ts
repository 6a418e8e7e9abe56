/** A profile as text. */

import type { Use } from "../../engine/plan/allocate.ts";
import { type LayerRow, type Row, rowsBy } from "../../engine/profile/report.ts";
import { percent } from "../../engine/prose.ts";
import { table } from "../framework/table.ts";
import type { Profile } from "./profile.ts";

/** @param top rows of the table of kernels; the others are summed up in one */
export function describe(profile: Profile, top: number): string {
  const { operations, layers, total, dispatches, roofline } = profile;
  const kernels = rowsBy(dispatches, roofline, ({ kernel }) => kernel, top);
  return [
    `${facts(profile)}\n`,
    `by operation\n\n${operationTable([...operations, total])}\n`,
    `by kernel\n\n${kernelTable(kernels)}\n`,
    `by layer\n\n${layerTable(layers)}`,
  ].join("\n");
}

function facts({ step, data, host, counts, pipelines, memory, roofline, total }: Profile): string {
  const perDispatch = (ms: number) => `${(1000 * ms / counts.dispatches).toFixed(2)} us a dispatch`;
  const rows = [
    ["step", `${time(step.ms)}, ${fixed(step.imagesPerSecond)} images/s`],
    ["first step", `${time(step.firstMs)}: drivers compile when a kernel first runs`],
    [
      "data",
      `the device waited ${time(data.waited.ms)} of a step for images ` +
      `(${percent(data.waited.share, 1)})`,
    ],
    ...(data.imagesPerSecond === undefined ? [] : [
      ["", `read at ${fixed(data.imagesPerSecond)} images/s where nothing else is done`],
    ]),
    [
      "kernels",
      `${time(total.ms)} with each in a pass of its own: ${fixed(total.gflops)} GFLOP/s, ` +
      `${fixed(total.gbPerSecond)} GB/s, ${percent(total.roofline, 1)} of the roofline`,
    ],
    [
      "roofline",
      `${fixed(roofline.gflops)} GFLOP/s (multiply-adds), ${fixed(roofline.gbPerSecond)} GB/s ` +
      "(a copy, read and written), measured now",
    ],
    [
      "host",
      `${time(host.feed)} feed, ${time(host.encode)} encode, ${time(host.submit)} submit: ` +
      perDispatch(host.encode + host.submit),
    ],
    ["", `${perDispatch(host.encodingAlone)} where steps are recorded and not run`],
    [
      "commands",
      `${counts.dispatches} dispatches, ${counts.copies} copies to textures ` +
      `at ${counts.interruptions} places, 1 submit`,
    ],
    ["pipelines", `${pipelines.count}, made in ${time(pipelines.ms)}`],
    ...memoryTexts(memory).map((text, k) => [k === 0 ? "memory" : "", text]),
  ];
  return table(undefined, rows);
}

function memoryTexts({ values, textures, inputs, variables }: Profile["memory"]): string[] {
  const rest = inputs + variables;
  const all = rest + values.bytes + textures.bytes;
  const without = rest + values.withoutReuse + textures.withoutReuse;
  const part = (what: string, { bytes, withoutReuse }: Use) =>
    `${what} ${mib(bytes)} (${mib(withoutReuse)})`;
  return [
    `${mib(all)} (without reuse ${mib(without)})`,
    [
      `variables ${mib(variables)}`,
      part("values", values),
      ...(textures.bytes > 0 ? [part("textures", textures)] : []),
    ].join(", "),
  ];
}

function operationTable(rows: readonly Row[]): string {
  const header = [
    "operation",
    "calls",
    "ms",
    "share",
    "GFLOP",
    "MB",
    "GFLOP/s",
    "GB/s",
    "roof",
    "bound",
  ];
  return table(
    header,
    rows.map((row) => [
      row.name,
      `${row.calls}`,
      row.ms.toFixed(2),
      percent(row.share, 1),
      (row.flops / 1e9).toFixed(2),
      (row.bytes / 1e6).toFixed(1),
      fixed(row.gflops),
      fixed(row.gbPerSecond),
      percent(row.roofline, 0),
      row.bound,
    ]),
  );
}

/** A kernel's name is long, and stands last where it has room to go on below. */
function kernelTable(rows: readonly Row[]): string {
  return table(
    ["ms", "share", "calls", "GFLOP/s", "GB/s", "roof", "kernel"],
    rows.map((row) => [
      row.ms.toFixed(2),
      percent(row.share, 1),
      `${row.calls}`,
      fixed(row.gflops),
      fixed(row.gbPerSecond),
      percent(row.roofline, 0),
      row.name,
    ]),
  );
}

function layerTable(rows: readonly LayerRow[]): string {
  const header = ["layer", "ms", "share", "forward", "gradient", "second", "GFLOP/s", "GB/s"];
  return table(
    [...header, "roof", "bound"],
    rows.map((row) => [
      row.name,
      row.ms.toFixed(2),
      percent(row.share, 1),
      ...row.byOrder.map((ms) => (ms === 0 ? "" : ms.toFixed(2))),
      fixed(row.gflops),
      fixed(row.gbPerSecond),
      percent(row.roofline, 0),
      row.bound,
    ]),
  );
}

/** Three significant digits or so. */
const fixed = (value: number) => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0);
const time = (ms: number) => (ms < 10_000 ? `${fixed(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);
const mib = (bytes: number) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;
