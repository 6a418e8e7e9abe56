/**
 * Timing in turns. Contenders are measured A B C A B C ..., so that what disturbs the machine for a
 * while disturbs all of them. In its turn a contender queues its work as often as fills a window
 * and waits once, at the end: waiting costs 10 ms in Deno, and so it weighs little, and alike.
 */

export interface Contender {
  /** Queues the work once and waits for nothing. */
  enqueue(): void | Promise<void>;
  /** Waits until all that was queued is done. */
  wait(): Promise<unknown>;
}

export interface TurnOptions {
  /** Turns of each contender. */
  readonly rounds: number;
  /** Milliseconds of work behind one wait. */
  readonly window: number;
  readonly signal: AbortSignal;
}

/** Seconds for the work done once: for each contender a figure from each round. */
export async function inTurns(
  contenders: readonly Contender[],
  { rounds, window, signal }: TurnOptions,
): Promise<number[][]> {
  const repeats: number[] = [];
  for (const contender of contenders) {
    await turn(contender, 1); // compiles
    repeats.push(await repeatsFor(window, (repeats) => turn(contender, repeats)));
    signal.throwIfAborted();
  }
  const seconds = contenders.map((): number[] => []);
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of contenders.entries()) {
      seconds[i].push(await turn(contender, repeats[i]) / repeats[i]);
      signal.throwIfAborted();
    }
  }
  return seconds;
}

/** More is never queued at once, however little time it takes. */
const MOST_REPEATS = 4096;

/**
 * How often work fits a window, found by doubling.
 * @param window milliseconds
 * @param run does the work so often and returns the seconds it took
 */
export async function repeatsFor(
  window: number,
  run: (repeats: number) => Promise<number>,
): Promise<number> {
  for (let repeats = 1;; repeats *= 2) {
    const milliseconds = 1000 * await run(repeats);
    if (milliseconds >= window / 2 || repeats >= MOST_REPEATS) {
      return Math.max(1, Math.min(MOST_REPEATS, Math.ceil(repeats * window / milliseconds)));
    }
  }
}

async function turn(contender: Contender, repeats: number): Promise<number> {
  const begun = performance.now();
  for (let i = 0; i < repeats; i++) await contender.enqueue();
  await contender.wait();
  return (performance.now() - begun) / 1000;
}
