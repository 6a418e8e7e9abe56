/** What Slurm is asked: to take job arrays, and where their tasks are. One question for all of them. */

import { dirname } from "node:path";
import { ExitCode, UserError } from "../../errors.ts";
import { makeFolder, readText, writeFileAtomic } from "../../io/files.ts";
import {
  arrayName,
  notePath,
  type Piece,
  piecesOf,
  scriptPath,
  scriptText,
  submission,
  type Work,
} from "./script.ts";

/** A cell's task, as the queue has it; those that ended stay in it for some minutes. */
export interface Task {
  /** The number of its job array. */
  readonly job: number;
  /** "RUNNING" */
  readonly state: string;
  /** Why it waits: "Resources". */
  readonly reason: string;
}

/** The states of what has ended and does not come back. */
const OVER: readonly string[] = [
  ...["BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"],
  ...["OUT_OF_MEMORY", "PREEMPTED", "REVOKED", "TIMEOUT"],
];
const WAITING: readonly string[] = ["PENDING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"];

/** Whether Slurm has it still to do, or is at it. */
export const isActive = ({ state }: Task): boolean => !OVER.includes(state);

export const isWaiting = ({ state }: Task): boolean => WAITING.includes(state);

/** What a task notes about itself. */
interface Note {
  readonly job: number;
  /** The program's exit code, where it has ended. */
  readonly code?: number;
  readonly node?: string;
}

/** Its node could not even start it, as one with a full disk; Slurm holds it until it is released. */
export const isHeld = ({ reason }: Task): boolean => reason === "launch failed requeued held";

/** How a task ended. */
export interface Ending {
  /** The program's exit code; none where it was killed or never began. */
  readonly code?: number;
  /** Where it ran. */
  readonly node?: string;
  /** Somebody took it out of the queue. */
  readonly isCancelled: boolean;
  /** "ended with exit code 6" */
  readonly words: string;
}

export class Scheduler {
  private constructor(
    readonly work: Work,
    /** Slurm's MaxArraySize. */
    readonly size: number,
    private readonly count: number,
  ) {}

  /** @param count of all cells. @throws UserError where Slurm does not answer */
  static async open(work: Work, count: number): Promise<Scheduler> {
    const config = await ask(["scontrol", "show", "config"]);
    const size = Number(/^MaxArraySize\s*=\s*(\d+)/m.exec(config)?.[1] ?? DEFAULT_SIZE);
    if (size === 0) {
      throw new UserError("this cluster allows no job arrays: its MaxArraySize is 0");
    }
    return new Scheduler(work, size, count);
  }

  pieces(cells: readonly number[]): Piece[] {
    return piecesOf(cells, this.size);
  }

  /** The cell with which the array of a cell begins. */
  firstOf(cell: number): number {
    return Math.floor(cell / this.size) * this.size;
  }

  /** Writes the script. */
  async prepare(): Promise<void> {
    await makeFolder(dirname(notePath(this.work, 0)));
    await makeFolder(`${this.work.folder}/logs`);
    await writeFileAtomic(scriptPath(this.work), scriptText(this.work));
  }

  /**
   * Submits an array.
   * @param avoided a node that is not to do it, where there is another
   * @returns the number of its job
   */
  async submit(piece: Piece, avoided?: string): Promise<number> {
    const printed = await ask(submission(this.work, piece, avoided)).catch((error) => {
      if (avoided === undefined) throw error;
      return ask(submission(this.work, piece));
    });
    const job = /^(\d+)(;.*)?\s*$/.exec(printed)?.[1];
    if (job === undefined) throw new UserError(`sbatch printed no job's number: ${printed}`);
    return Number(job);
  }

  /** Where the cells are, by whomever they were submitted: of each the task that counts. */
  async tasks(): Promise<Map<number, Task>> {
    const firsts = new Map<string, number>();
    for (let first = 0; first < this.count; first += this.size) {
      firsts.set(arrayName(this.work, first), first);
    }
    const printed = await ask([
      ...["squeue", "--noheader", "--array", "--states=all", "--format=%j|%F|%K|%T|%r"],
      `--name=${[...firsts.keys()].join(",")}`,
    ]);
    const tasks = new Map<number, Task>();
    for (const line of printed.split("\n")) {
      const [name, job, index, state, reason] = line.trim().split("|");
      const first = firsts.get(name);
      if (first === undefined || !/^\d+$/.test(index)) continue;
      const task = { job: Number(job), state, reason };
      const known = tasks.get(first + Number(index));
      if (!known || counts(task) > counts(known)) tasks.set(first + Number(index), task);
    }
    return tasks;
  }

  /** Lets tasks run that Slurm holds. */
  async release(tasks: ReadonlyMap<number, Task>): Promise<void> {
    const names = [...tasks].map(([cell, { job }]) => `${job}_${cell - this.firstOf(cell)}`);
    if (names.length > 0) await ask(["scontrol", "release", names.join(",")]);
  }

  /** What the last task of a cell noted about itself. */
  async note(cell: number): Promise<Note | undefined> {
    const text = await readText(notePath(this.work, cell)).catch(() => "");
    const lines = text.trim().split("\n");
    const last = /^(\d+) (?:begun|ended (\d+))/.exec(lines.at(-1)!);
    if (!last) return undefined;
    const begun = lines.findLast((line) => line.startsWith(`${last[1]} begun `));
    return {
      job: Number(last[1]),
      code: last[2] === undefined ? undefined : Number(last[2]),
      node: begun?.split(" ")[2],
    };
  }

  /** How a cell's task ended that is not active. */
  async ending(cell: number, job: number, task: Task | undefined): Promise<Ending> {
    const note = await this.note(cell);
    const code = note?.job === job ? note.code : undefined;
    const state = task?.job === job ? task.state : undefined;
    // Slurm forgets soon; what left the queue without having begun was taken out of it.
    const isCancelled = state === undefined ? note?.job !== job : state === "CANCELLED";
    const words = isCancelled
      ? "was cancelled"
      : code !== undefined
      ? `ended with exit code ${code}`
      : `was killed${state === undefined ? "" : ` (${state})`}`;
    return { code, node: note?.job === job ? note.node : undefined, isCancelled, words };
  }
}

/** What Slurm has where nothing is said. */
const DEFAULT_SIZE = 1001;

/** Of two tasks of a cell the one that is active counts, else the later one. */
const counts = (task: Task): number => task.job + (isActive(task) ? 2 ** 40 : 0);

/** What a program of Slurm's prints. @throws UserError where it is not there, or fails */
async function ask([program, ...args]: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await outputOf(program, args);
  const decoder = new TextDecoder();
  if (code === 0) return decoder.decode(stdout);
  const words = decoder.decode(stderr).trim();
  if (NO_CONTROLLER.test(words)) {
    throw new UserError(
      "no controller of Slurm answers this machine",
      ExitCode.failure,
      "--on slurm is for a machine that submits to a cluster, where sinfo lists its nodes (Slurm is " +
        "installed here; its slurm.conf may be missing, or the controller be down)",
    );
  }
  throw new UserError(`${program} ended with exit code ${code}: ${words || "it says nothing"}`);
}

/** What Slurm's programs say where they have no configuration, or nobody to ask. */
const NO_CONTROLLER =
  /Could not establish a configuration source|Unable to contact slurm controller|Connection refused/;

async function outputOf(program: string, args: string[]): Promise<Deno.CommandOutput> {
  try {
    return await new Deno.Command(program, { args, stdin: "null" }).output();
  } catch (error) {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
    throw new UserError(
      `there is no ${program} on this machine: Slurm is not installed here, or not on the PATH`,
      ExitCode.failure,
      "--on slurm is for a machine that submits to a cluster; --on local works on any",
    );
  }
}
