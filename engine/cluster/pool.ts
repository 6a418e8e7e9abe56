/**
 * Cells of work that lie in a folder, done by processes of their own: several at a time, each cell
 * by one process, which is told its index. The folder is the only state. A cell is finished when it
 * lies there whole, whoever did it; the lock on a cell's folder says that a process is at it. So
 * a pool that was stopped goes on, and two at once share the cells that are left.
 */

import { ExitCode } from "../errors.ts";

/** The cells, by their index from 0. */
export interface Cells {
  readonly count: number;
  isFinished(index: number): Promise<boolean>;
  /** Whether some process, this one's or another's, is at work on it. */
  isBusy(index: number): Promise<boolean>;
  /** The cell that has to be done before it, where there is one. */
  after?(index: number): number | undefined;
}

/** Starts the process that does a cell. @param slot which of the processes at a time it is, from 0 */
export type Start = (index: number, slot: number) => Running;

export interface Running {
  /** Comes when the process has ended, with its exit code. */
  readonly ended: Promise<number>;
  /** Asks it to save what it has, and to end. */
  stop(): void;
}

export interface PoolOptions {
  /** Processes at a time. */
  readonly jobs: number;
  /** How often a cell is begun again whose process ended for a reason that may pass. */
  readonly retries: number;
  /** Stops all processes. Its reason is thrown when they have ended. */
  readonly signal: AbortSignal;
  /** Milliseconds after which it is looked again at cells that others are at. */
  readonly pause?: number;
  began(index: number): void;
  /** A cell is finished, by whomever, or its process ended early. */
  finished(index: number): Promise<void> | void;
  failed(index: number, code: number, again: boolean): void;
  /** It is not begun, since one before it could not be done. */
  dropped?(index: number, after: number): void;
}

/** The same the next time, for every cell: nothing is gained by beginning another one. */
const FOR_ALL: readonly number[] = [ExitCode.usage, ExitCode.noAdapter];
/** Exit codes of what is the same the next time, for this cell at least. */
export const FOR_GOOD: readonly number[] = [
  ...FOR_ALL,
  ...[ExitCode.data, ExitCode.weights, ExitCode.diverged, ExitCode.method],
];

/** Whether what one cell ended with awaits every other one too. */
export const isForAll = (code: number): boolean => FOR_ALL.includes(code);

/** Whether a cell that ended so ends so again. */
export const isForGood = (code: number): boolean => FOR_GOOD.includes(code);

/**
 * Does the cells that are not finished.
 * @returns the exit code of each that could not be done, by its index
 * @throws the signal's reason, after every process has ended
 */
export async function fillCells(
  cells: Cells,
  start: Start,
  options: PoolOptions,
): Promise<ReadonlyMap<number, number>> {
  const { jobs, signal } = options;
  const pool = new Pool(cells, start, options);
  await Promise.all(Array.from({ length: jobs }, (_, slot) => pool.work(slot)));
  signal.throwIfAborted();
  return pool.failures;
}

class Pool {
  readonly failures = new Map<number, number>();
  private readonly waiting: number[];
  private readonly tries = new Map<number, number>();
  private readonly open: Set<number>;
  private isHopeless = false;

  constructor(
    private readonly cells: Cells,
    private readonly start: Start,
    private readonly options: PoolOptions,
  ) {
    this.waiting = Array.from({ length: cells.count }, (_, index) => index);
    this.open = new Set(this.waiting);
  }

  /** Takes one cell after another until none is left. */
  async work(slot: number): Promise<void> {
    const { cells, options: { signal, pause = 1000 } } = this;
    let passed = 0;
    while (!this.isHopeless && !signal.aborted) {
      const index = this.waiting.shift();
      if (index === undefined) return;
      const before = cells.after?.(index);
      if (await cells.isFinished(index)) await this.finish(index);
      else if (before !== undefined && this.failures.has(before)) this.drop(index, before);
      else if ((before !== undefined && this.open.has(before)) || await cells.isBusy(index)) {
        this.waiting.push(index);
        if (++passed < this.waiting.length) continue;
        await rest(pause, signal);
      } else await this.run(index, slot);
      passed = 0;
    }
  }

  private async finish(index: number): Promise<void> {
    await this.options.finished(index);
    this.open.delete(index);
  }

  private giveUp(index: number, code: number): void {
    this.failures.set(index, code);
    this.open.delete(index);
  }

  private drop(index: number, before: number): void {
    this.giveUp(index, this.failures.get(before)!);
    this.options.dropped?.(index, before);
  }

  private async run(index: number, slot: number): Promise<void> {
    const { cells, options: { signal, retries, began, failed } } = this;
    began(index);
    const running = this.start(index, slot);
    const stop = () => running.stop();
    signal.addEventListener("abort", stop);
    if (signal.aborted) stop();
    const code = await running.ended;
    signal.removeEventListener("abort", stop);
    if (await cells.isFinished(index)) return await this.finish(index);
    if (signal.aborted) return;
    // Another process was faster; it is seen to later.
    if (await cells.isBusy(index)) {
      this.waiting.push(index);
      return;
    }
    const tries = (this.tries.get(index) ?? 0) + 1;
    this.tries.set(index, tries);
    const again = !isForGood(code) && tries <= retries;
    if (again) this.waiting.push(index);
    else this.giveUp(index, code);
    this.isHopeless ||= isForAll(code);
    failed(index, code, again);
  }
}

/** Waits, but not beyond the signal. */
export function rest(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", done);
      resolve();
    };
    const timer = setTimeout(done, milliseconds);
    signal.addEventListener("abort", done);
  });
}
