/** Does cells by job arrays of Slurm. */

import { fillBySlurm, submitToSlurm } from "../../engine/cluster/slurm/fill.ts";
import type { Counts, FillOptions } from "../../engine/cluster/slurm/fill.ts";
import { type Ending, Scheduler } from "../../engine/cluster/slurm/scheduler.ts";
import {
  logPath,
  scriptPath,
  scriptText,
  submission,
  type Work,
} from "../../engine/cluster/slurm/script.ts";
import { quoted } from "../../engine/cluster/shell.ts";
import { cellStates } from "../../engine/cluster/slurm/status.ts";
import { ExitCode } from "../../engine/errors.ts";
import { mapAtOnce } from "../../engine/io/at_once.ts";
import { realPathOf } from "../../engine/io/files.ts";
import type { Context } from "../framework/command.ts";
import type { PlaceArgs } from "./flags.ts";
import { endedInWords } from "./reason.ts";
import {
  cellsOf,
  type CellWork,
  divergedOf,
  droppedInWords,
  inWords,
  titleOf,
  workName,
} from "./work.ts";

/**
 * Does those of the cells that are not finished, and waits for them.
 * @returns how many diverged; nothing where it did not wait
 * @throws UserError where others could not be done, with the code of the first of them
 */
export async function onSlurm(
  work: CellWork,
  args: PlaceArgs,
  context: Context,
): Promise<number | undefined> {
  const { print } = context;
  const scheduler = await Scheduler.open(await arraysOf(work, args), work.cells.length);
  if (args.dryRun) return await dryRun(scheduler, work, print);
  if (args.status) return await status(scheduler, work, print);
  context.working();
  let jobs: readonly number[] = [];
  const told = fillOptions(scheduler, work, args, context);
  const options: FillOptions = {
    ...told,
    submitted: (job, of) => {
      jobs = [...jobs, job];
      told.submitted(job, of);
    },
    counted: (counts) => {
      jobs = counts.jobs;
      told.counted(counts);
    },
  };
  if (args.detach) {
    await submitToSlurm(cellsOf(work), scheduler, options);
    print("\nnot waited for: the same command waits, and submits again what ended early;");
    if (work.after) {
      print("cells that others come before are submitted when those are done, by it;");
    }
    print("with --status in place of --detach it says how far the cells are");
    return;
  }
  const failures = await fillBySlurm(cellsOf(work), scheduler, options).catch((error) => {
    if (jobs.length > 0) {
      print("\nstopped waiting; the jobs go on, and the same command waits for them again");
      print(`to cancel them: scancel ${jobs.join(" ")}`);
    }
    throw error;
  });
  const codes = new Map([...failures].map(([index, ending]) => [index, codeOf(ending)]));
  return divergedOf(work, codes, (index) => logOf(scheduler, index));
}

/** What job arrays are to do. */
async function arraysOf(work: CellWork, args: PlaceArgs): Promise<Work> {
  const { partition, time, gres, sbatch } = args;
  return {
    ...{ name: await workName(work), folder: await realPathOf(work.out) },
    ...{ directory: Deno.cwd(), atOnce: args.jobs },
    command: [Deno.execPath(), "run", "-A", Deno.mainModule, ...work.command],
    options: [
      ...Object.entries({ partition, time, gres })
        .flatMap(([key, value]) => value === undefined ? [] : [`--${key}=${value}`]),
      ...sbatch === undefined ? [] : [sbatch.trim()],
    ],
  };
}

function fillOptions(
  scheduler: Scheduler,
  work: CellWork,
  args: PlaceArgs,
  { print, signal }: Context,
): FillOptions {
  const total = work.cells.length;
  let [done, isFirst] = [0, true];
  /** What stays the same is said once. */
  const last = { counted: "", refused: "" };
  const printNew = (of: keyof typeof last, line: string) => {
    if (line !== last[of]) print(line);
    last[of] = line;
  };
  return {
    ...{ retries: args.retries, signal, pause: 1000 * args.poll },
    submitted: (job, of) => print(`job ${job}: ${inWords(of.length)} submitted`),
    finished: async (indices) => {
      await mapAtOnce(indices, (index) => work.complete(index));
      for (const index of indices) {
        done++;
        if (!isFirst) print(`${titleOf(work, index)}: finished (${done} of ${total})`);
      }
      if (isFirst) print(`${inWords(done)} of ${total} finished before`);
      await work.filled();
    },
    failed: (index, { words, code }, again) => {
      const log = logOf(scheduler, index);
      const how = code === undefined ? words : endedInWords(code, log);
      const then = again ? "; it is submitted again" : "";
      print(`${titleOf(work, index)}: ${how}${then}\n  what it printed: ${log}`);
    },
    dropped: (index, after) => print(droppedInWords(work, index, after)),
    counted: (counts) => {
      isFirst = false;
      printNew("counted", countsInWords(counts, done));
    },
    refused: ({ message }) => printNew("refused", `Slurm is asked again later: ${message}`),
  };
}

/** "3 finished, 4 running, 29 waiting (Priority)" */
function countsInWords({ running, waiting, reasons }: Counts, done: number): string {
  const told = reasons.filter((reason) => reason !== "None" && reason !== "");
  const why = waiting > 0 && told.length > 0 ? ` (${told.join(", ")})` : "";
  return `${done} finished, ${running} running, ${waiting} waiting${why}`;
}

async function dryRun(
  scheduler: Scheduler,
  work: CellWork,
  print: Context["print"],
): Promise<undefined> {
  const arrays = scheduler.work;
  print(`# ${scriptPath(arrays)}\n`);
  print(scriptText(arrays));
  const states = await cellStates(cellsOf(work), scheduler);
  const due = states.flatMap(({ is }, i) => is === "ended" || is === "not submitted" ? [i] : []);
  for (const piece of scheduler.pieces(due)) print(submission(arrays, piece).map(quoted).join(" "));
  if (due.length === 0) print("# every cell is finished or in the queue: nothing to submit");
}

async function status(
  scheduler: Scheduler,
  work: CellWork,
  print: Context["print"],
): Promise<undefined> {
  const states = await cellStates(cellsOf(work), scheduler);
  const of = Map.groupBy(states, ({ is }) => is);
  for (const [index, state] of states.entries()) {
    if (state.is !== "ended") continue;
    const { words, code } = state.ending;
    const log = logOf(scheduler, index);
    print(`${titleOf(work, index)}: ${code === undefined ? words : endedInWords(code, log)}`);
    print(`  what it printed: ${log}`);
  }
  const counts = STATES.map((is) => `${of.get(is)?.length ?? 0} ${is}`);
  print(`${inWords(work.cells.length)}: ${counts.join(", ")}`);
}

const logOf = (scheduler: Scheduler, index: number): string =>
  logPath(scheduler.work, index, scheduler.firstOf(index));

const STATES = ["finished", "running", "waiting", "ended", "not submitted"] as const;

/** As the process that was killed or cancelled would have left; its 0 without a result is none. */
const codeOf = ({ code, isCancelled }: Ending): number =>
  isCancelled ? ExitCode.interrupted : code === ExitCode.ok ? ExitCode.io : code ?? KILLED;
const KILLED = 137;
