/**
 * Which of two kernels is faster, with an answer that admits noise. The two run in turns within one
 * submission, first, second, second, first, so that what disturbs the machine or changes its clock
 * slowly disturbs both alike.
 *
 * Disturbances only ever add to a time, so times are told apart by where the undisturbed ones lie:
 * by their tenth percentile, which on a busy machine varies ten times less than the median. How far
 * it is known follows from the order statistics alone, whatever the distribution: of n times in
 * order, the percentile lies outside of the k-th to the m-th as seldom as n draws of a chance of one
 * in ten have fewer than k or more than m successes.
 */

import type { Gpu } from "../gpu/adapter.ts";
import { Timestamps } from "../gpu/timestamps.ts";
import { type Command, recordDispatch } from "../plan/record.ts";

export type Verdict = "faster" | "slower" | "within the noise";

export interface Duel {
  /** Milliseconds of a dispatch, undisturbed: the tenth percentile. */
  readonly firstMs: number;
  readonly secondMs: number;
  /** The second's time over the first's, and the interval that surely holds it. */
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  readonly rounds: number;
  /** What the second is. */
  readonly verdict: Verdict;
}

/** Rounds after which one looks. Few looks, so that noise rarely gets lucky in one of them. */
const LOOKS = [64, 128, 256, 512, 1024, 2048, 4096, 8192];
/** Rounds of one submission. */
const TOGETHER = 16;
/** Standard deviations of the number of successes: 99.9 % of intervals hold the percentile. */
const SURE = 3.3;
const PERCENTILE = 0.1;
/** Less than this share is no difference that anybody wants to hear of. */
export const MARGIN = 0.02;
/** What is timed takes at least this long, in milliseconds, in at most so many dispatches. */
const ENOUGH = 0.5;
const MOST_REPEATS = 256;

/**
 * @param seconds after which no further look is taken
 * @throws UserError (gpu) where the adapter has no clock
 */
export async function duel(
  gpu: Gpu,
  first: Command,
  second: Command,
  seconds = 10,
): Promise<Duel> {
  const clock = await Timestamps.make(gpu, 4 * TOGETHER);
  const run = (repeats: number) => rounds(gpu, clock, first, second, repeats);
  try {
    const begun = performance.now();
    await run(1); // compiles
    const each = Math.min(...(await run(1)).flatMap((round) => [...round.first, ...round.second]));
    const repeats = Math.max(1, Math.min(MOST_REPEATS, Math.ceil(ENOUGH / each)));
    const done: Round[] = [];
    for (const look of LOOKS) {
      while (done.length < look) done.push(...await run(repeats));
      const found = judge(done);
      const known = found.verdict !== "within the noise" || found.high / found.low < 1 + MARGIN;
      if (known || performance.now() - begun > 1000 * seconds) return found;
    }
    return judge(done);
  } finally {
    clock.destroy();
  }
}

/** Milliseconds of a dispatch of each, twice. */
export interface Round {
  readonly first: readonly [number, number];
  readonly second: readonly [number, number];
}

async function rounds(
  gpu: Gpu,
  clock: Timestamps,
  first: Command,
  second: Command,
  repeats: number,
): Promise<Round[]> {
  const encoder = gpu.device.createCommandEncoder();
  for (let span = 0; span < clock.spans; span++) {
    const command = [first, second, second, first][span % 4];
    const pass = encoder.beginComputePass({ timestampWrites: clock.pass(span) });
    for (let i = 0; i < repeats; i++) recordDispatch(pass, command);
    pass.end();
  }
  clock.resolve(encoder);
  gpu.device.queue.submit([encoder.finish()]);
  const times = (await clock.read()).map(({ begin, end }) => (end - begin) / repeats);
  gpu.check();
  return Array.from({ length: TOGETHER }, (_, k) => {
    const [a, b, c, d] = times.slice(4 * k, 4 * k + 4);
    return { first: [a, d], second: [b, c] };
  });
}

/** What rounds say of the second; a time of nothing is a clock's mistake and is left out. */
export function judge(rounds: readonly Round[]): Duel {
  const first = undisturbed(rounds.flatMap(({ first }) => first));
  const second = undisturbed(rounds.flatMap(({ second }) => second));
  const [low, high] = [second.low / first.high, second.high / first.low];
  const verdict = low > 1 + MARGIN ? "slower" : high < 1 - MARGIN ? "faster" : "within the noise";
  return {
    firstMs: first.value,
    secondMs: second.value,
    ratio: second.value / first.value,
    ...{ low, high, rounds: rounds.length, verdict },
  };
}

/** The tenth percentile of times, and the interval that surely holds it; see the header. */
function undisturbed(times: readonly number[]) {
  const sorted = times.filter((time) => time > 0).sort((a, b) => a - b);
  const expected = PERCENTILE * sorted.length;
  const deviation = SURE * Math.sqrt(expected * (1 - PERCENTILE));
  return {
    value: sorted[Math.floor(expected)] ?? NaN,
    low: sorted[Math.floor(expected - deviation) - 1] ?? 0,
    high: sorted[Math.ceil(expected + deviation) - 1] ?? Infinity,
  };
}
