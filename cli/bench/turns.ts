/**
 * Timing in turns. Contenders are measured A B C A B C ..., so that what disturbs the machine for a
 * while disturbs all of them. In its turn a contender queues its work as often as fills a window
 * and waits once, at the end: waiting costs 10 ms in Deno, and so it weighs little, and alike.
 */

export interface Contender {
  /** Queues the work once and waits for nothing. */
  enqueue(): void;
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
    repeats.push(await repeatsFor(contender, window));
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

/** How often the work fits a window. What is measured here also warms the contender up. */
async function repeatsFor(contender: Contender, window: number): Promise<number> {
  await turn(contender, 1);
  for (let repeats = 1;; repeats *= 2) {
    const milliseconds = 1000 * await turn(contender, repeats);
    if (milliseconds >= window / 2) return Math.ceil(repeats * window / milliseconds);
  }
}

async function turn(contender: Contender, repeats: number): Promise<number> {
  const begun = performance.now();
  for (let i = 0; i < repeats; i++) contender.enqueue();
  await contender.wait();
  return (performance.now() - begun) / 1000;
}
