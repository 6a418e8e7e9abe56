/** Which settings of the constraint gain over the control, on the validation split. */

import { ACCOUNT, accountOf } from "../../engine/data/account.ts";
import { trainingSplits } from "../../engine/data/dataset.ts";
import { resolveLayers } from "../../engine/doctor/layers.ts";
import { FORMS } from "../../engine/doctor/penalty.ts";
import { checkTreatment, Stages } from "../../engine/doctor/stages.ts";
import type { PairedSample } from "../../engine/doctor/significance.ts";
import {
  type Cell,
  type CellResult,
  cellsOf,
  type CellSummary,
  type Grid,
  summarizeSweep,
  SWEEP_VERSION,
  type SweepFile,
  sweepSeed,
  type Validated,
} from "../../engine/doctor/studies/sweep.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { encodeCsv } from "../../engine/io/csv.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { SWEEP_AXES as AXES, sweepPlot } from "../../engine/report/study_plots.ts";
import type { RunFolder } from "../../engine/run/run_folder.ts";
import {
  adviseResume,
  dataFlags,
  diagnosisFlags,
  introduce,
  masksFlag,
  modelFlags,
  openData,
  openModel,
  openRun,
  openWeights,
  percent,
  StageBars,
  trainFlags,
} from "../common.ts";
import { describeAccount } from "../account.ts";
import { defineCommand } from "../framework/command.ts";
import { flagTable, type Values } from "../framework/flags.ts";
import { table } from "../framework/table.ts";
import { furtherFlags, strengthOf } from "../treat_flags.ts";
import { points } from "../treat_tables.ts";

const flags = flagTable({
  ...modelFlags,
  ...dataFlags,
  ...masksFlag,
  ...furtherFlags,
  ...trainFlags,
  form: {
    type: "list",
    of: "string",
    default: ["paper"],
    help: `the forms of the constraint: ${FORMS.join(", ")}`,
  },
  alpha: {
    type: "list",
    of: "number",
    min: 0,
    default: [0.1, 1, 10],
    help: "weights of the channel-wise constraint",
  },
  beta: {
    type: "list",
    of: "number",
    min: 0,
    default: [0],
    help: "weights of the space-wise constraint (data with masks only)",
  },
  ...diagnosisFlags,
  theta: { type: "list", of: "number", min: 0, max: 1, default: [0.2], help: "thresholds" },
  layer: {
    type: "list",
    of: "string",
    default: ["features"],
    help: "the layers, one after the other; a+b are two layers together",
  },
  imagesPerClass: {
    type: "list",
    of: "integer",
    min: 1,
    default: [50],
    help: "images to diagnose a class by",
  },
  seeds: { type: "integer", min: 1, default: 1, help: "seeds: --seed, the next one and so on" },
});
type Args = Values<typeof flags>;

export const command = defineCommand({
  name: "study sweep",
  summary: "Search for settings of the constraint that gain over the control",
  description:
    "Treats a baseline in every combination of the settings given, and compares each with the " +
    "control on the validation split alone; the test set is not touched. Ctrl-C stops it; " +
    "--resume goes on with the first combination that is not finished. Writes sweep.json, " +
    "sweep.csv, and a curve for each setting with several values as .svg.",
  flags,
  examples: [
    { args: "--alpha 0.1,1,10 --seeds 3", does: "three weights, with an interval" },
    {
      args: "--form share --alpha 0 --beta 0.3,1,3 --layer input,features.0,features.4",
      does: "the space-wise share, by layer and weight",
    },
  ],
  async run(given, context) {
    const gpu = await context.gpu();
    const { args, resumed, open } = await openRun("study sweep", flags, given, context);
    const grid = gridOf(args);
    const cells = cellsOf(grid);
    if (cells.length === 0) {
      throw new UserError(
        "with every --alpha and --beta 0 there is nothing to compare with the control",
        ExitCode.usage,
        "name weights to try, such as --alpha 0.1,1",
      );
    }
    const weights = args.weights === undefined ? undefined : await openWeights(args.weights);
    const set = await openData(args, context.signal, resumed?.path);
    const { network, entry } = openModel(args, set, args.seed);
    const layersOf = ({ layer }: Cell) =>
      resolveLayers(network, layer.split("+"), entry.featureLayer);
    for (const cell of cells) {
      checkTreatment(network, set, { ...cell, layers: layersOf(cell), weights });
    }
    const folder = await open();
    introduce(context.print, args.model, network, set, gpu.adapter.name, folder.path);
    const { train: training, validation } = trainingSplits(set, args);
    const account = accountOf(set, { training, validation });
    context.print(describeAccount(account));
    await folder.writeJson(ACCOUNT, account);
    const seeds = Array.from({ length: args.seeds }, (_, i) => args.seed + i);
    context.print(
      `cells    ${cells.length}, with ${
        seeds.length === 1 ? "one seed" : `${seeds.length} seeds`
      } each`,
    );

    const runtime = new Runtime(gpu);
    const results: CellResult[] = [];
    const bars = new StageBars(context);
    try {
      for (const [i, seed] of seeds.entries()) {
        const part = await folder.part(`seed-${seed}`, { command: "study sweep part", seed });
        const { network } = openModel(args, set, seed);
        const settings = { ...args, seed, weights };
        const stages = new Stages(runtime, network, set, part, settings, {
          signal: context.signal,
          stage: (name, what) => {
            if (!name.startsWith("diagnose")) context.print(`\n${name}: ${what}`);
          },
          progress: (stage, progress) => bars.progress(shortly(stage), progress),
          epoch: (record) => bars.epoch(record),
          looked: (stage, done, total) => bars.looked(stage, done, total),
          note: () => {},
        });
        results.push(
          ...await sweepSeed(stages, part, {
            ...{ cells, seed, layersOf, batch: args.batch },
            constraint: { strength: strengthOf(args) },
            begin: (_, k) =>
              context.print(
                `\nseed ${seed}, cell ${k + 1 + i * cells.length} of ${
                  cells.length * seeds.length
                }`,
              ),
          }),
        );
        await part.leave();
        runtime.destroy();
      }
    } catch (error) {
      bars.abandon();
      adviseResume("study sweep", folder, context, error);
      throw error;
    }
    const file: SweepFile = {
      version: SWEEP_VERSION,
      ...{ model: args.model, data: set.name, seeds, grid },
      cells: summarizeSweep(cells, results),
    };
    await write(folder, file);
    context.print(`\n${describe(file)}`);
    context.print(`\nwritten to ${folder.file("sweep.json")}`);
  },
});

/** A cell's name on a progress bar. */
const shortly = (stage: string) => stage.replace(/ theta .*/, "");

/** @throws UserError (usage) for a form that is none */
function gridOf(args: Args): Grid {
  const form = args.form.map((name) => {
    const form = FORMS.find((form) => form === name);
    if (form) return form;
    throw new UserError(
      `there is no form ${name}`,
      ExitCode.usage,
      `the forms are ${FORMS.join(", ")}`,
    );
  });
  const { alpha, beta, theta, layer, imagesPerClass } = args;
  return { form, alpha, beta, theta, layer, imagesPerClass };
}

async function write(folder: RunFolder, file: SweepFile): Promise<void> {
  await folder.writeText("sweep.csv", encodeCsv(HEADER, file.cells.map(row)));
  for (const axis of AXES) {
    if (file.grid[axis].length > 1) {
      await folder.writeText(`sweep.${axis}.svg`, sweepPlot(file, axis));
    }
  }
  await folder.writeJson("sweep.json", file);
}

const ofGain = (name: string) => [`${name}_gain`, `${name}_low`, `${name}_high`];
const HEADER = [...AXES, "seeds", ...ofGain("accuracy"), ...ofGain("worst_group")];

function row({ cell, accuracy, worst_group, results }: CellSummary): (string | number | null)[] {
  const gain = (of: PairedSample | undefined) =>
    of ? [of.mean, of.interval?.[0] ?? null, of.interval?.[1] ?? null] : [null, null, null];
  return [
    ...AXES.map((axis) => cell[axis]),
    results.length,
    ...gain(accuracy),
    ...gain(worst_group),
  ];
}

function describe({ cells, seeds }: SweepFile): string {
  const gain = (of: PairedSample | undefined) => {
    if (!of) return "";
    return points(of.mean) + (of.interval ? ` (${of.interval.map(points).join(" to ")})` : "");
  };
  const rows = cells.map(({ cell, accuracy, worst_group, results }) => {
    const mean = (of: (treated: Validated) => number | undefined) => {
      const sum = results.reduce((sum, { treated }) => sum + (of(treated) ?? NaN), 0);
      return percent(sum / results.length);
    };
    return [
      ...AXES.map((axis) => `${cell[axis]}`),
      ...[mean(({ accuracy }) => accuracy), gain(accuracy)],
      ...(worst_group ? [mean(({ worst_group }) => worst_group), gain(worst_group)] : []),
    ];
  });
  const header = [
    ...[...AXES.slice(0, -1), "images", "validation", "vs control"],
    ...(cells.some(({ worst_group }) => worst_group) ? ["worst group", "vs control"] : []),
  ];
  return [
    table(header, rows),
    "",
    "treated minus control in points, on the validation split" +
    (seeds.length > 1 ? ` (95 % t interval over ${seeds.length} seeds)` : ""),
  ].join("\n");
}
