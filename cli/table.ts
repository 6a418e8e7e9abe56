/** The paper's table: models x data sets x seeds, cell by cell. */

import { join } from "node:path";
import { ACCOUNT } from "../engine/data/account.ts";
import { dataSetNames } from "../engine/data/registry.ts";
import type { DataSet } from "../engine/data/dataset.ts";
import { armsOf } from "../engine/doctor/arms/arms.ts";
import { BASELINE, readResult } from "../engine/doctor/result.ts";
import {
  fingerprint,
  TABLE_HEADER,
  type TableCell,
  tableOf,
  tableValues,
} from "../engine/doctor/table.ts";
import { constraintInWords } from "../engine/doctor/constraint.ts";
import { treatAccount } from "../engine/doctor/treat.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { tableMarkdown } from "../engine/report/paper_table.ts";
import { encodeCsv } from "../engine/io/csv.ts";
import {
  fileError,
  fileExists,
  makeFolder,
  readJson,
  removeIfThere,
  removePartials,
  writeFileAtomic,
} from "../engine/io/files.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { configSchema } from "../engine/run/config_schema.ts";
import { inTurn } from "../engine/run/lock.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { classifiers } from "../models/registry.ts";
import { describeAccount } from "./account.ts";
import { openData, seedsFlag } from "./common.ts";
import { openRuntime } from "./exact.ts";
import { type Context, defineCommand } from "./framework/command.ts";
import { flagTable, type Values } from "./framework/flags.ts";
import type { Forecast } from "./framework/forecast.ts";
import { WIDTH, wrap } from "./framework/text.ts";
import { completeReport } from "./report_file.ts";
import { treatFlags } from "./treat_flags.ts";
import { prepare, requireRoomFor, treatForecast, treatOnce } from "./treatment.ts";

// What a table decides, or has no use for, is no flag of it.
const { model: _, data: __, out: ___, resume: ____, weights: _____, newHead: ______, ...others } =
  treatFlags;
const { format: _format, ...cellFlags } = others;

const flags = flagTable({
  models: {
    type: "list",
    of: "string",
    choices: classifiers.map(({ name }) => name),
    what: "model",
    default: ["small"],
    help: "the classifiers; deno task models lists them",
  },
  data: {
    type: "list",
    of: "string",
    choices: dataSetNames,
    what: "data set",
    default: ["shapes"],
    help: `the data sets: ${dataSetNames.join(", ")}`,
  },
  ...cellFlags,
  ...seedsFlag(5, "cells of each model and data set, with --seed, the next one and so on"),
  out: {
    type: "string",
    value: "DIR",
    default: "runs/table",
    writes: { what: "folder" },
    help: "the table's folder; cells that are finished there are not done again",
  },
  onlyWrite: {
    type: "boolean",
    help: "do no cell; write the table of those that are there",
    mode: ["out"],
  },
  keepWeights: { type: "boolean", help: "keep the weights of finished cells" },
});
type Args = Values<typeof flags>;

export const command = defineCommand({
  name: "table",
  summary: "Fill the paper's table: models on data sets, over seeds",
  description:
    "Treats every model on every data set with every seed, a cell each, and writes table.md, " +
    "table.csv and table.json of all cells in the folder, after each cell. Stopped, the same " +
    "command goes on where it was. A table fills up over several machines: each does some models, " +
    "data sets or seeds; copy their folders into one and run --only-write there.",
  flags,
  examples: [
    { args: "--models small,resnet34 --data shapes,cifar10 --seeds 3", does: "twelve cells" },
    { args: "--seed 3 --seeds 2 --out /shared/table", does: "two more seeds, on another machine" },
    { args: "--out /shared/table --only-write", does: "the table of everybody's cells" },
  ],
  async run(args, context) {
    const failed = args.onlyWrite ? 0 : await new Cells(args, context).fill();
    context.print(`\n${await writeTable(args.out)}`);
    context.print(`written to ${join(args.out, "table.md")}`);
    if (failed > 0) {
      throw new UserError(
        `the loss of ${failed} cells diverged; the others are done`,
        ExitCode.diverged,
        "a lower --lr, --treat-lr or --alpha often helps",
      );
    }
  },
});

/** The cells that are asked for. */
class Cells {
  private readonly seeds: readonly number[];

  constructor(private readonly args: Args, private readonly context: Context) {
    this.seeds = Array.from({ length: args.seeds }, (_, i) => args.seed + i);
  }

  /** Does those that are not finished. @returns how many diverged */
  async fill(): Promise<number> {
    const { args: { models, data, out }, context } = this;
    const runtime = openRuntime(await context.gpu(), this.args);
    const total = models.length * data.length * this.seeds.length;
    const forecast = treatForecast(this.args, armsOf(this.args.arms), total);
    let [done, failed] = [0, 0];
    if (await RunFolder.isAt(out)) {
      throw new UserError(
        `the folder ${out} holds a run, and no table`,
        ExitCode.io,
        "choose another folder with --out",
      );
    }
    await makeFolder(out);
    for (const name of data) {
      // Loaded once for all models and seeds, and not at all where every cell is finished.
      let set: DataSet | undefined;
      for (const seed of this.seeds) {
        for (const model of models) {
          const settings = this.settings(model, name, seed);
          const path = join(out, "cells", await cellName(settings));
          context.print(`\ncell ${++done} of ${total}: ${model} on ${name}, seed ${seed}`);
          if (await fileExists(join(path, "result.json"))) {
            context.print("  finished before");
            await this.completeCell(path);
            forecast.leaveOut();
            continue;
          }
          set ??= await this.open(name, runtime);
          if (!await this.fillCell(settings, path, set, runtime, forecast)) failed++;
          await writeTable(out);
        }
      }
    }
    return failed;
  }

  /** A data set, on which every model was found to be one that can be treated so. */
  private async open(name: string, runtime: Runtime): Promise<DataSet> {
    const { args, context, seeds: [seed] } = this;
    const set = await openData({ ...args, data: name }, context.signal);
    const cells = args.models.map((model) => prepareCell(this.settings(model, name, seed), set));
    const [first, ...others] = await Promise.all(cells);
    for (const prepared of [first, ...others]) requireRoomFor(prepared, runtime);
    context.print(describeAccount(treatAccount(first.set, first.options)));
    return set;
  }

  /** @returns false where the loss diverged */
  private async fillCell(
    settings: Settings,
    path: string,
    set: DataSet,
    runtime: Runtime,
    forecast: Forecast,
  ): Promise<boolean> {
    const { context } = this;
    const prepared = await prepareCell(settings, set);
    context.print(wrap(`  ${constraintInWords(prepared.options.constraint)}`, WIDTH, "  "));
    const folder = await RunFolder.open(path, { command: "treat", ...settings });
    await folder.writeJson(ACCOUNT, treatAccount(prepared.set, prepared.options));
    try {
      await treatOnce(prepared, folder, runtime, context, forecast);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      if (error.exitCode === ExitCode.diverged) {
        context.print(`  ${error.message}`);
        return false;
      }
      const passing: ExitCode[] = [ExitCode.interrupted, ExitCode.io, ExitCode.gpu];
      if (passing.includes(error.exitCode)) {
        context.print("\nstopped; the same command goes on with this cell");
      }
      throw error;
    }
    await this.finishCell(folder);
    return true;
  }

  private async finishCell(folder: RunFolder): Promise<void> {
    const { keepWeights, arms } = this.args;
    for (const stage of keepWeights ? [] : [BASELINE, ...armsOf(arms)]) {
      await removeIfThere(folder.file(`${stage}.safetensors`));
    }
    await folder.leave();
  }

  /** What a process that was killed after a cell's result left to be done. */
  private async completeCell(path: string): Promise<void> {
    const { folder } = await RunFolder.resume(path);
    await folder.enter();
    await completeReport(path);
    await this.finishCell(folder);
  }

  /** What `treat` would be told for a cell. */
  private settings(model: string, data: string, seed: number) {
    const { models: _, onlyWrite: __, keepWeights: ___, out: ____, ...shared } = this.args;
    return {
      ...shared,
      model,
      data,
      seed,
      seeds: 1,
      weights: undefined,
      newHead: false,
      out: undefined,
      resume: undefined,
    };
  }
}

type Settings = ReturnType<Cells["settings"]>;

const prepareCell = (settings: Settings, set: DataSet) =>
  prepare({ ...settings, format: "safetensors" }, set);

async function cellName(settings: Settings): Promise<string> {
  const { data, model, seed } = settings;
  return `${data}-${model}-${await fingerprint(settings)}-seed-${seed}`;
}

/**
 * Writes the table of all finished cells in a folder, which several processes may be filling.
 * @returns it in Markdown
 */
const writeTable = (folder: string): Promise<string> => inTurn(folder, () => writeAll(folder));

async function writeAll(folder: string): Promise<string> {
  const cells: TableCell[] = [];
  const place = join(folder, "cells");
  const names = await namesIn(place);
  for (const name of names.sort()) {
    const result = join(place, name, "result.json");
    if (!await fileExists(result)) continue;
    const config = await readJson(join(place, name, "config.json"), configSchema);
    const { command: _, ...settings } = config;
    cells.push({
      fingerprint: await fingerprint(settings),
      settings,
      result: await readResult(result),
    });
  }
  if (cells.length === 0) {
    throw new UserError(`${place} holds no finished cell`, ExitCode.io);
  }
  const file = tableOf(cells);
  const text = tableMarkdown(file);
  await removePartials(folder, { deep: false });
  const write = (name: string, content: string) => writeFileAtomic(join(folder, name), content);
  await write("table.json", JSON.stringify(file, null, 2) + "\n");
  await write("table.csv", encodeCsv(TABLE_HEADER, file.rows.flatMap(tableValues)));
  await write("table.md", text);
  return text;
}

/** The names in a folder; none where there is no such folder. */
async function namesIn(folder: string): Promise<string[]> {
  try {
    const names: string[] = [];
    for await (const { name } of Deno.readDir(folder)) names.push(name);
    return names;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw fileError("read", folder, error);
  }
}
