/**
 * Cells of work by job arrays of Slurm. What is done lies in the folder, what is being done in
 * Slurm's queue, and this process knows nothing besides: it may be stopped, and begun again.
 */

import { ExitCode, UserError } from "../../errors.ts";
import { mapAtOnce } from "../../io/at_once.ts";
import { inTurn } from "../../run/lock.ts";
import { type Cells, isForGood, rest } from "../pool.ts";
import { folderOf } from "./script.ts";
import {
  type Ending,
  isActive,
  isHeld,
  isWaiting,
  type Scheduler,
  type Task,
} from "./scheduler.ts";

export interface FillOptions {
  /** How often a cell is submitted again whose task ended for a reason that may pass. */
  readonly retries: number;
  /** Ends the waiting, and no job. */
  readonly signal: AbortSignal;
  /** Milliseconds between two questions to Slurm. */
  readonly pause: number;
  submitted(job: number, cells: readonly number[]): void;
  /** These cells are finished, by whomever. */
  finished(indices: readonly number[]): Promise<void> | void;
  failed(index: number, ending: Ending, again: boolean): void;
  /** It is not submitted, since one before it could not be done. */
  dropped?(index: number, after: number): void;
  /** After each answer of Slurm's. */
  counted(counts: Counts): void;
  /** Slurm did not answer, or takes nothing more for now; it is asked again. */
  refused(error: UserError): void;
}

/** Cells that are not finished. */
export interface Counts {
  readonly running: number;
  readonly waiting: number;
  /** Why those wait. */
  readonly reasons: readonly string[];
  /** The numbers of the jobs that do them. */
  readonly jobs: readonly number[];
}

/** Submits the cells that are neither finished nor in the queue, and waits for none. */
export async function submitToSlurm(
  cells: Cells,
  scheduler: Scheduler,
  options: FillOptions,
): Promise<void> {
  await scheduler.prepare();
  // Nobody is there to ask again.
  const refused = (error: UserError) => {
    throw error;
  };
  await new Filling(cells, scheduler, { ...options, refused }).exchange();
}

/**
 * Submits, waits, and submits again, until every cell is finished or given up.
 * @returns how each ended that could not be done, by its index
 * @throws the signal's reason
 */
export async function fillBySlurm(
  cells: Cells,
  scheduler: Scheduler,
  options: FillOptions,
): Promise<ReadonlyMap<number, Ending>> {
  await scheduler.prepare();
  const { signal, pause } = options;
  const filling = new Filling(cells, scheduler, options);
  await filling.exchange();
  let asked = performance.now();
  while (filling.isOpen) {
    await rest(Math.min(pause, LOOK), signal);
    signal.throwIfAborted();
    await filling.look();
    if (!filling.isOpen || performance.now() - asked < pause) continue;
    asked = performance.now();
    await filling.exchange();
    signal.throwIfAborted();
  }
  return filling.failures;
}

/** Milliseconds between two looks into the cells' folders, which cost Slurm nothing. */
const LOOK = 5000;

class Filling {
  readonly failures = new Map<number, Ending>();
  private readonly open: Set<number>;
  /** The job that does a cell, or did it last. */
  private readonly jobs = new Map<number, number>();
  private readonly tries = new Map<number, number>();
  /** The node at which a cell ended for what may be the node's fault. */
  private readonly faulty = new Map<number, string>();
  private tasks: ReadonlyMap<number, Task> = new Map();

  constructor(
    private readonly cells: Cells,
    private readonly scheduler: Scheduler,
    private readonly options: FillOptions,
  ) {
    this.open = new Set(Array.from({ length: cells.count }, (_, index) => index));
  }

  get isOpen(): boolean {
    return this.open.size > 0;
  }

  /** Collects what is finished. */
  async look(): Promise<void> {
    const open = [...this.open];
    const isDone = await mapAtOnce(
      open,
      async (index) => await this.cells.isFinished(index) && !await this.isAtIt(index),
    );
    const finished = open.filter((_, i) => isDone[i]);
    for (const index of finished) this.open.delete(index);
    if (finished.length > 0) await this.options.finished(finished);
  }

  /** Whether its task, as far as is known, has something left to do there. */
  private async isAtIt(index: number): Promise<boolean> {
    const task = this.tasks.get(index);
    if (!task || !isActive(task) || isWaiting(task)) return false;
    const note = await this.scheduler.note(index);
    return note?.job !== task.job || note.code === undefined;
  }

  /** Asks for the queue, and submits what is missing in it; one process at a time does. */
  async exchange(): Promise<void> {
    await inTurn(folderOf(this.scheduler.work), async () => {
      const tasks = await this.asked(() => this.scheduler.tasks());
      if (tasks === undefined) return;
      this.tasks = tasks;
      await this.look();
      const missing = await this.missing();
      await this.asked(() => this.submit(missing));
      await this.asked(() => this.scheduler.release(this.held()));
      this.options.counted(this.counts());
    });
  }

  /** What Slurm answers; nothing where it does not, and there are jobs to wait for all the same. */
  private async asked<T>(question: () => Promise<T>): Promise<T | undefined> {
    try {
      return await question();
    } catch (error) {
      // Ctrl-C ends the programs that ask, too.
      this.options.signal.throwIfAborted();
      if (this.jobs.size === 0 || !(error instanceof UserError)) throw error;
      this.options.refused(error);
    }
  }

  private async missing(): Promise<number[]> {
    const missing: number[] = [];
    for (const index of this.open) {
      const task = this.tasks.get(index);
      const before = this.cells.after?.(index);
      if (before !== undefined && this.failures.has(before)) this.drop(index, before);
      else if (before !== undefined && this.open.has(before)) continue;
      else if (task && isActive(task)) this.jobs.set(index, task.job);
      else if (!await this.cells.isBusy(index) && await this.isDue(index, task)) {
        missing.push(index);
      }
    }
    return missing;
  }

  /** Tasks that no node runs until they are released; each is so often, and then left as it is. */
  private held(): Map<number, Task> {
    const held = [...this.tasks].filter(([index, task]) => this.open.has(index) && isHeld(task));
    return new Map(held.filter(([index]) => this.isToTry(index, NOT_STARTED)));
  }

  /** Whether a cell goes on that ended for a reason that may pass. */
  private isToTry(index: number, ending: Ending, passes = true): boolean {
    const tries = this.tries.get(index) ?? 0;
    const again = passes && tries < this.options.retries;
    this.options.failed(index, ending, again);
    this.tries.set(index, tries + 1);
    if (!again) this.giveUp(index, ending);
    return again;
  }

  /** Whether a cell that no task is at is to be submitted. */
  private async isDue(index: number, task: Task | undefined): Promise<boolean> {
    const job = this.jobs.get(index);
    if (job === undefined) return true;
    // It was to be submitted before, and Slurm took nothing.
    if (job === NONE) return true;
    const ending = await this.scheduler.ending(index, job, task);
    const { code, isCancelled } = ending;
    // Without an adapter on one node there may be one on the next.
    const passes = code === undefined || code === ExitCode.noAdapter || !isForGood(code);
    const again = this.isToTry(index, ending, !isCancelled && passes);
    this.jobs.set(index, NONE);
    if (again && ending.node !== undefined && code !== undefined && OF_NODE.includes(code)) {
      this.faulty.set(index, ending.node);
    }
    return again;
  }

  private giveUp(index: number, ending: Ending): void {
    this.open.delete(index);
    this.failures.set(index, ending);
  }

  private drop(index: number, before: number): void {
    this.giveUp(index, this.failures.get(before)!);
    this.options.dropped?.(index, before);
  }

  private async submit(cells: readonly number[]): Promise<void> {
    for (const piece of this.scheduler.pieces(cells)) {
      const nodes = piece.cells.flatMap((cell) => this.faulty.get(cell) ?? []);
      const job = await this.scheduler.submit(piece, mostFrequent(nodes));
      for (const index of piece.cells) this.jobs.set(index, job);
      this.options.submitted(job, piece.cells);
    }
  }

  private counts(): Counts {
    const open = [...this.open].filter((index) => (this.jobs.get(index) ?? NONE) !== NONE);
    const tasks = open.flatMap((index) => this.tasks.get(index) ?? []).filter(isActive);
    const running = tasks.filter((task) => !isWaiting(task)).length;
    const distinct = <T>(values: readonly T[]) => [...new Set(values)].sort();
    return {
      ...{ running, waiting: open.length - running },
      reasons: distinct(tasks.filter(isWaiting).map(({ reason }) => reason)),
      jobs: distinct(open.map((index) => this.jobs.get(index)!)),
    };
  }
}

const NOT_STARTED: Ending = { isCancelled: false, words: "could not be started by its node" };

/** No job does it. */
const NONE = 0;

/**
 * Exit codes of what may be a node's fault: its disk is full, its driver is gone. Such a node is free
 * again at once, and would take cell after cell.
 */
const OF_NODE: readonly number[] = [ExitCode.noAdapter, ExitCode.io, ExitCode.gpu];

function mostFrequent(names: readonly string[]): string | undefined {
  const groups = [...Map.groupBy(names, (name) => name)];
  return groups.sort(([, a], [, b]) => b.length - a.length)[0]?.[0];
}
