/** Which settings of an arm gain over the control, on the validation split. */

import { resolve } from "node:path";
import { ACCOUNT, accountOf } from "../../engine/data/account.ts";
import { trainingSplits } from "../../engine/data/dataset.ts";
import type { ArmName } from "../../engine/doctor/arms/arms.ts";
import { CONTROL } from "../../engine/doctor/contrasts.ts";
import { BASELINE } from "../../engine/doctor/result.ts";
import { Stages } from "../../engine/doctor/stages.ts";
import { type Cell, triesOf } from "../../engine/doctor/studies/cells.ts";
import { rankCells, SWEEP_VERSION, type SweepFile } from "../../engine/doctor/studies/sweep.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import { initialize } from "../../engine/nn/state.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import { inTurn } from "../../engine/run/lock.ts";
import type { RunFolder } from "../../engine/run/run_folder.ts";
import { FINISHED_BEFORE } from "../../engine/run/stage.ts";
import { describeAccount } from "../account.ts";
import { looksOnly, placeFlags } from "../cells/flags.ts";
import { atLeisure } from "../cells/pace.ts";
import { fillElsewhere } from "../cells/place.ts";
import { cellAt, type CellWork, readBy, titleOf } from "../cells/work.ts";
import { adviseResume, openRun } from "../open_run.ts";
import { introduce, StageBars } from "../stage_bars.ts";
import { openRuntime } from "../exact.ts";
import { type Context, defineCommand } from "../framework/command.ts";
import { withoutFlags } from "../framework/flags.ts";
import { reporter, treatForecast } from "../treatment.ts";
import {
  before,
  isFinished,
  refuseBusy,
  resultsOf,
  type SweepCell,
  sweepCells,
  Sweeping,
} from "./sweep_cells.ts";
import { type SweepArgs, sweepFlags } from "./sweep_flags.ts";
import { checkSweep, prepareSweep, type Sweep } from "./sweep_prepare.ts";
import { describeSweep, writeSweep } from "./sweep_tables.ts";

export const command = defineCommand({
  name: "study sweep",
  summary: "Search for settings that gain over the control",
  description:
    "Trains a baseline on in every combination of the settings given, and compares each with the " +
    "control on the validation split alone; the test set is not touched. The flags of the " +
    "constraint and of the arms are those of deno task treat, each a list of values here; several " +
    "layers together are written a+b. Where several arms are searched, each should have as many " +
    "tries; how many it has is printed. Ctrl-C stops it; --resume goes on with the first combination that is not finished. " +
    "With --on, baselines, controls and combinations are cells that processes of their own do, as " +
    "those of deno task table: on this machine, by Slurm or Kubernetes, in the folder of --out; the " +
    "same command goes on there. Writes sweep.json, sweep.csv, and a curve for each setting with several values as .svg.",
  flags: sweepFlags,
  examples: [
    { args: "--alpha 0.1,1,10 --seeds 3", does: "three weights, with an interval" },
    {
      args: "--alpha 0 --beta 0.3,1,3 --space-layer input,features.0,features.4",
      does: "the space-wise share, by layer and weight",
    },
    {
      args: "--arms treated,placebo,sam --alpha 0.1,1,10 --sam-rho 0.02,0.05,0.1",
      does: "three tries for each of three arms",
    },
    {
      args: "--alpha 0.1,1,10 --seeds 3 --on slurm --gres gpu:1 --out /shared/sweep",
      does: "twelve cells on a cluster",
    },
  ],
  async run(given, context) {
    const { cell: index } = given;
    const isElsewhere = given.on !== undefined;
    // A driver that is missing is installed before anything is printed.
    const gpu = given.on === undefined || given.on === "local" ? await context.gpu() : undefined;
    const run = await openRun("study sweep", sweepFlags, given, context, {
      own: placeFlags,
      isShared: isElsewhere || index !== undefined,
      looksOnly: looksOnly(given),
    });
    const { args } = run;
    const sweep = await prepareSweep(args, context, run.resumed?.path);
    const runtime = gpu && !isElsewhere ? openRuntime(gpu, args) : undefined;
    checkSweep(sweep, args, runtime);
    const { network, set, cells } = sweep;
    const seeds = Array.from({ length: args.seeds }, (_, i) => args.seed + i);
    if (run.resumed && runtime && index === undefined) {
      await refuseBusy(run.resumed, sweepCells(run.resumed, cells, seeds));
    }
    const folder = await run.open();
    const adapter = isElsewhere ? "each cell's own" : gpu!.adapter.name;
    introduce(context.print, args.model, network, set, adapter, folder.path);
    const account = accountOf(set, trainingSplits(set, args));
    context.print(describeAccount(account));
    if (index === undefined && !looksOnly(args)) await folder.writeJson(ACCOUNT, account);
    context.print(
      `cells    ${cells.length}, with ${
        seeds.length === 1 ? "one seed" : `${seeds.length} seeds`
      } each${triesInWords(cells)}`,
    );
    const all = sweepCells(folder, cells, seeds);
    const write = () => writeFinished(folder, { ...sweep, seeds }, all, args);
    if (runtime) {
      await fillHere(index === undefined ? all : [cellAt(all, index)], all, {
        ...{ args, context, folder, runtime, sweep },
      });
      if (index !== undefined) return;
    } else {
      const work = workOf(folder, all, args, write);
      const diverged = await fillElsewhere(work, args, context);
      if (diverged === undefined) return;
      if (diverged > 0) {
        await write();
        throw new UserError(
          `the loss of ${diverged} cells diverged; the others are done`,
          ExitCode.diverged,
          "a lower --lr or --treat-lr often helps",
        );
      }
    }
    const file = await write();
    context.print(`\n${describeSweep(file!)}`);
    context.print(`\nwritten to ${folder.file("sweep.json")}`);
  },
});

/** Does those cells that are not finished in this process, one after the other. */
async function fillHere(
  asked: readonly SweepCell[],
  all: readonly SweepCell[],
  { args, context, folder, runtime, sweep: { set, network, weights, cells } }: {
    readonly args: SweepArgs;
    readonly context: Context;
    readonly folder: RunFolder;
    readonly runtime: Runtime;
    readonly sweep: Sweep;
  },
): Promise<void> {
  const armOfStage = new Map<string, ArmName>(cells.map(({ name, arm }) => [name, arm]));
  const stageOf = ({ tried }: SweepCell) => tried?.name ?? CONTROL;
  const bars = new StageBars(
    context,
    treatForecast(
      args,
      [...new Set(asked.map(stageOf))],
      new Set(asked.map(({ seed }) => seed)).size,
      (stage) => armOfStage.get(stage) ?? stage,
    ),
  );
  const report = { ...reporter(context, bars), note: () => {} };
  const sweeping = new Sweeping({
    ...{ cells, batch: args.batch, signal: context.signal, print: context.print },
    stages: (seed, part) => {
      runtime.destroy();
      initialize(network, seed);
      return new Stages(runtime, network, set, part, { ...args, seed, weights }, report);
    },
  });
  try {
    for (const cell of asked) {
      const index = all.indexOf(cell);
      context.print(`\n${titleOf({ cells: all }, index)}`);
      if (await isFinished(cell)) {
        context.print(`  ${FINISHED_BEFORE}`);
        bars.stage(stageOf(cell), FINISHED_BEFORE);
        if (cell.tried === undefined) bars.stage(BASELINE, FINISHED_BEFORE);
      } else await sweeping.do(cell, all[before(all, index) ?? index]);
    }
  } catch (error) {
    bars.abandon();
    adviseResume("study sweep", folder, context, error);
    throw error;
  } finally {
    runtime.destroy();
  }
}

/** The cells as other processes do them: each finds the settings in the folder. */
const workOf = (
  folder: RunFolder,
  cells: readonly SweepCell[],
  args: SweepArgs,
  write: () => Promise<unknown>,
): CellWork => ({
  ...{ name: "study-sweep", out: folder.path, cells },
  command: [...withoutFlags(Deno.args, sweepFlags), "--resume", resolve(folder.path)],
  files: readBy(sweepFlags, args),
  isFinished: (index) => isFinished(cells[index]),
  after: (index) => before(cells, index),
  complete: () => Promise.resolve(),
  filled: atLeisure(() => inTurn(folder.path, write)),
});

/** Writes what is known of the combinations that are finished with every seed. */
async function writeFinished(
  folder: RunFolder,
  { set, grid, cells, seeds }: Sweep & { readonly seeds: readonly number[] },
  all: readonly SweepCell[],
  { model }: SweepArgs,
): Promise<SweepFile | undefined> {
  const results = await resultsOf(all);
  const of = Map.groupBy(results, ({ cell }) => cell);
  const finished = cells.filter(({ name }) => of.get(name)?.length === seeds.length);
  if (finished.length === 0) return undefined;
  const file: SweepFile = {
    version: SWEEP_VERSION,
    ...{ model, data: set.name, seeds, grid },
    cells: rankCells(finished, results),
  };
  await writeSweep(folder, file);
  return file;
}

/** How many tries each arm has, where there are several. */
function triesInWords(cells: readonly Cell[]): string {
  const tries = triesOf(cells);
  if (tries.size === 1) return "";
  const words = [...tries].map(([arm, count]) => `${arm} ${count}`).join(", ");
  const isFair = new Set(tries.values()).size === 1;
  return `: ${words}` +
    (isFair ? "" : "\nwarning  not as many tries for each arm: more of them find more by chance");
}
