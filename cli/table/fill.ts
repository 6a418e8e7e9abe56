/** Does cells of a table in this process, one after the other. */

import { rest } from "../../engine/cluster/pool.ts";
import { ACCOUNT } from "../../engine/data/account.ts";
import type { DataSet } from "../../engine/data/dataset.ts";
import { armsOf } from "../../engine/doctor/arms/arms.ts";
import { constraintInWords } from "../../engine/doctor/constraint.ts";
import { BASELINE } from "../../engine/doctor/result.ts";
import { treatAccount } from "../../engine/doctor/treat.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { namesIn, removeIfThere } from "../../engine/io/files.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import { inTurn, isInUse } from "../../engine/run/lock.ts";
import { RunFolder } from "../../engine/run/run_folder.ts";
import { describeAccount } from "../account.ts";
import { inWords } from "../cells/work.ts";
import { openData } from "../data.ts";
import { openRuntime } from "../exact.ts";
import type { Context } from "../framework/command.ts";
import type { Forecast } from "../framework/forecast.ts";
import { WIDTH, wrap } from "../../engine/prose.ts";
import { completeReport, REPORT } from "../report_file.ts";
import { prepare, requireRoomFor, treatForecast, treatOnce } from "../treatment.ts";
import { type CellSettings, isFinished, type TableCell } from "./cells.ts";
import type { TableArgs } from "./flags.ts";

/**
 * Does those of the cells that are not finished; those that other processes are at are left to them.
 * @param filled is called after each that is finished now
 * @returns how many diverged
 */
export async function fillHere(
  cells: readonly TableCell[],
  args: TableArgs,
  context: Context,
  filled: () => Promise<unknown>,
): Promise<number> {
  const runtime = openRuntime(await context.gpu(), args);
  const filling = new Filling(args, context, runtime, cells.length);
  let [done, failed] = [0, 0];
  // A data set is loaded once for all its cells, and not at all where every one is finished.
  for (const ofData of Map.groupBy(cells, ({ data }) => data).values()) {
    let set: DataSet | undefined;
    for await (const cell of freeOnes(ofData, context)) {
      context.print(`\ncell ${++done} of ${cells.length}: ${cell.title}`);
      if (await isFinished(cell)) {
        context.print("  finished before");
        await filling.complete(cell);
        continue;
      }
      set ??= await filling.open(ofData);
      if (await filling.fill(cell, set)) await filled();
      else failed++;
    }
  }
  return failed;
}

/** Each of the cells once no other process is at it. */
async function* freeOnes(
  cells: readonly TableCell[],
  { print, signal }: Context,
): AsyncGenerator<TableCell> {
  let [waiting, isTold] = [[...cells], false];
  while (waiting.length > 0) {
    const busy: TableCell[] = [];
    for (const cell of waiting) {
      if (await isInUse(cell.path)) busy.push(cell);
      else yield cell;
    }
    if (busy.length > 0 && busy.length === waiting.length) {
      if (!isTold) print(`\nother processes are at ${inWords(busy.length)}: waiting`);
      isTold = true;
      await rest(PAUSE, signal);
      signal.throwIfAborted();
    }
    waiting = busy;
  }
}

/** Milliseconds between two looks at cells that others are at. */
const PAUSE = 1000;

/** What a process that was killed after a cell's result left to be done. */
async function completeCell(cell: TableCell, args: TableArgs): Promise<void> {
  const { path } = cell;
  if (await isComplete(cell, args)) return;
  const { folder } = await RunFolder.resume(path);
  await folder.enter();
  await completeReport(path);
  await finishCell(folder, args);
}

/** The same where several processes may see to it, of which one at a time does. */
export async function completeInTurn(cell: TableCell, args: TableArgs): Promise<void> {
  // Of thousands that are finished nearly all are complete, and locks take longer than a look.
  if (await isComplete(cell, args)) return;
  await inTurn(args.out, async () => {
    if (!await isInUse(cell.path)) await completeCell(cell, args);
  });
}

async function isComplete({ path }: TableCell, args: TableArgs): Promise<boolean> {
  // One look for all that may be there or missing.
  const names = new Set(await namesIn(path));
  return names.has(REPORT) && !superfluous(args).some((name) => names.has(name));
}

/** The weights that are not kept. */
const superfluous = ({ keepWeights, arms }: TableArgs): string[] =>
  keepWeights ? [] : [BASELINE, ...armsOf(arms)].map((stage) => `${stage}.safetensors`);

async function finishCell(folder: RunFolder, args: TableArgs): Promise<void> {
  for (const name of superfluous(args)) await removeIfThere(folder.file(name));
  await folder.leave();
}

class Filling {
  private readonly forecast: Forecast;

  constructor(
    private readonly args: TableArgs,
    private readonly context: Context,
    private readonly runtime: Runtime,
    total: number,
  ) {
    this.forecast = treatForecast(args, armsOf(args.arms), total);
  }

  async complete(cell: TableCell): Promise<void> {
    await completeInTurn(cell, this.args);
    this.forecast.leaveOut();
  }

  /** The cells' data set, on which every model was found to be one that can be treated so. */
  async open(cells: readonly TableCell[]): Promise<DataSet> {
    const { args, context, runtime } = this;
    const [{ data, seed }] = cells;
    const set = await openData({ ...args, data, model: args.models }, context.signal);
    const ofSeed = cells.filter((cell) => cell.seed === seed);
    const all = await Promise.all(ofSeed.map(({ settings }) => prepareCell(settings, set)));
    for (const prepared of all) requireRoomFor(prepared, runtime);
    const [first] = all;
    context.print(describeAccount(treatAccount(first.set, first.options)));
    return set;
  }

  /** @returns false where the loss diverged */
  async fill(cell: TableCell, set: DataSet): Promise<boolean> {
    const { settings, path } = cell;
    const { args, context, runtime, forecast } = this;
    const prepared = await prepareCell(settings, set);
    context.print(wrap(`  ${constraintInWords(prepared.options.constraint)}`, WIDTH, "  "));
    const config = { command: "treat", ...settings };
    const folder = await RunFolder.open(path, config, context.signal);
    if (await isFinished(cell)) {
      context.print("  finished elsewhere");
      forecast.leaveOut();
      await folder.leave();
      return true;
    }
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
    await finishCell(folder, args);
    return true;
  }
}

const prepareCell = (settings: CellSettings, set: DataSet) =>
  prepare({ ...settings, format: "safetensors" }, set);
