/**
 * The ladder on a device: every rung on the same operands, held to float64 first, then timed, all in
 * turns. It asks nothing of the host, so it runs in a browser as well.
 */

import type { Gpu } from "../gpu/adapter.ts";
import { Timestamps } from "../gpu/timestamps.ts";
import { type Command, recordDispatch } from "../plan/record.ts";
import type { Runtime } from "../plan/runtime.ts";
import { draws, streamId, uniform } from "../random.ts";
import { conv2d } from "../tensor/conv.ts";
import { numel, type Shape } from "../tensor/shape.ts";
import { type HostArray, type Tensor, Variable } from "../tensor/tensor.ts";
import { exactly } from "./attempt.ts";
import type { LadderShape, Rung } from "./ladder.ts";
import { Rig } from "./rig.ts";
import type { Unit } from "./unit.ts";

/** How a rung's result compares. */
export interface Checked {
  /** The largest error of an element against float64, over what rounding explains. */
  readonly error: number;
  readonly right: boolean;
  /** Elements whose bits are other than the first rung's. */
  readonly differing: number;
  readonly elements: number;
  /** Whether a second run gave the same bits. */
  readonly repeats: boolean;
}

/** Milliseconds of a rung, over the rounds: of ten, one is below the first, one above the last. */
export interface Timed {
  readonly ms: number;
  readonly median: number;
  readonly high: number;
  readonly rounds: number;
}

/** The rungs of a shape with memory of their own, until they are destroyed. */
export class Ladder {
  private constructor(
    private readonly gpu: Gpu,
    private readonly rigs: readonly Rig[],
    private readonly exact: Float64Array,
    private readonly bound: Float64Array,
  ) {}

  /** @throws UserError (gpu) where a kernel doesn't compile or memory is short */
  static async make(
    runtime: Runtime,
    rungs: readonly Rung[],
    shape: LadderShape,
    seed = 0,
  ): Promise<Ladder> {
    const { batch, height, width, inChannels, outChannels } = shape;
    const x = randomVariable("x", [batch, height, width, inChannels], seed);
    const w = randomVariable("w", [3, 3, inChannels, outChannels], seed);
    const y = conv2d(x, w, { padding: 1 });
    const values = new Map([[x, x.initial], [w, w.initial]]);
    const absolute = new Map([...values].map(([v, data]) => [v, data.map(Math.abs)] as const));
    const units = rungs.map((rung) => unitOf(rung, shape, x, w, y));
    const rigs: Rig[] = [];
    try {
      for (const unit of units) rigs.push(await Rig.make(runtime, unit, values));
    } catch (error) {
      for (const rig of rigs) rig.destroy();
      throw error;
    }
    const [exact] = exactly(units[0], values);
    const [sizes] = exactly(units[0], absolute);
    const bound = sizes.map((size) => ROUNDING * Math.sqrt(9 * inChannels) * size);
    return new Ladder(runtime.gpu, rigs, exact, bound);
  }

  /** Runs every rung twice, and holds it to float64 and to the first. */
  async check(): Promise<Checked[]> {
    const checked: Checked[] = [];
    let reference: Uint32Array | undefined;
    for (const rig of this.rigs) {
      const [result] = await rig.run();
      const bits = bitsOf(result);
      const again = bitsOf((await rig.run())[0]);
      reference ??= bits;
      const error = this.errorOf(result);
      checked.push({
        error,
        right: error <= 1,
        differing: countDiffering(bits, reference),
        elements: bits.length,
        repeats: countDiffering(bits, again) === 0,
      });
    }
    return checked;
  }

  private errorOf(result: HostArray): number {
    let largest = 0;
    for (let i = 0; i < this.exact.length; i++) {
      const off = Math.abs(result[i] - this.exact[i]);
      if (Number.isNaN(off)) return Infinity;
      if (off > 0) largest = Math.max(largest, off / this.bound[i]);
    }
    return largest;
  }

  /**
   * Times the rungs in turns, up and down the ladder, so that what disturbs the machine disturbs
   * all alike.
   * @param seconds after which no other round begins
   */
  async time(seconds: number): Promise<Timed[]> {
    const racers = this.rigs.map(({ commands }) => commands);
    const stopwatch = await stopwatchOf(this.gpu, 2 * racers.length);
    try {
      const once = racers.map(() => 1);
      const turns = [...racers.keys(), ...[...racers.keys()].reverse()];
      const round = async (repeats: readonly number[]) => {
        const passes = turns.map((k) => ({ commands: racers[k], repeats: repeats[k] }));
        const times = await stopwatch.time(passes);
        return turns.map((k, i) => ({ k, ms: times[i] / repeats[k] }));
      };
      await round(once); // compiles
      const first = await round(once);
      const repeats = racers.map((_, k) => {
        const ms = Math.min(...first.filter((turn) => turn.k === k).map((turn) => turn.ms));
        return Math.max(1, Math.min(MOST_REPEATS, Math.ceil(ENOUGH / ms)));
      });
      const begun = performance.now();
      const all: { k: number; ms: number }[] = [];
      do all.push(...await round(repeats)); while (performance.now() - begun < 1000 * seconds);
      this.gpu.check();
      return racers.map((_, k) => timed(all.filter((turn) => turn.k === k).map(({ ms }) => ms)));
    } finally {
      stopwatch.destroy();
    }
  }

  destroy(): void {
    for (const rig of this.rigs) rig.destroy();
  }
}

/**
 * A sum of n products is off by its square root in half steps of the products' sizes, as roundings go
 * up and down (Higham and Mary 2019: by more than four times that about never).
 */
const ROUNDING = 4 * 2 ** -24;

/** What is timed takes at least this long, in milliseconds, in at most so many dispatches. */
const ENOUGH = 2;
const MOST_REPEATS = 1024;

function randomVariable(name: string, shape: Shape, seed: number): Variable {
  const draw = draws(seed, streamId(`ladder ${name}`));
  const data = Float32Array.from({ length: numel(shape) }, (_, i) => 2 * uniform(draw(i)) - 1);
  return new Variable(name, shape, data);
}

/** A rung as what computes y of x and w. */
function unitOf(rung: Rung, shape: LadderShape, x: Tensor, w: Tensor, y: Tensor): Unit {
  const operands = [x, w];
  const dispatches = rung.stages(shape).map(({ kernel, places }) => ({
    kernel,
    buffers: places.map((place) =>
      place === "result" ? y : typeof place === "number" ? operands[place] : place
    ),
    node: y,
  }));
  return { dispatches, reads: operands, writes: [y] };
}

function bitsOf(array: HostArray): Uint32Array {
  return new Uint32Array(array.buffer, array.byteOffset, array.length);
}

function countDiffering(a: Uint32Array, b: Uint32Array): number {
  let count = 0;
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) count++;
  return count;
}

function timed(times: readonly number[]): Timed {
  const sorted = times.filter((ms) => ms > 0).sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor(share * (sorted.length - 1))] ?? NaN;
  return { ms: at(0.1), median: at(0.5), high: at(0.9), rounds: sorted.length / 2 };
}

/** Commands that are recorded so many times over, to be timed together. */
interface Pass {
  readonly commands: readonly Command[];
  readonly repeats: number;
}

interface Stopwatch {
  /** Milliseconds of each pass, run one after the other. */
  time(passes: readonly Pass[]): Promise<number[]>;
  destroy(): void;
}

function recordPass(
  encoder: GPUCommandEncoder,
  { commands, repeats }: Pass,
  timestampWrites?: GPUComputePassTimestampWrites,
): void {
  const pass = encoder.beginComputePass({ timestampWrites });
  for (let i = 0; i < repeats; i++) {
    for (const command of commands) recordDispatch(pass, command);
  }
  pass.end();
}

/** The device's own clock or, where it tells no time, the host's. */
async function stopwatchOf(gpu: Gpu, most: number): Promise<Stopwatch> {
  const { device } = gpu;
  if (!gpu.features.has("timestamp-query")) {
    const time = async (passes: readonly Pass[]) => {
      const times: number[] = [];
      for (const pass of passes) {
        const encoder = device.createCommandEncoder();
        recordPass(encoder, pass);
        const begun = performance.now();
        device.queue.submit([encoder.finish()]);
        await device.queue.onSubmittedWorkDone();
        times.push(performance.now() - begun);
      }
      return times;
    };
    return { time, destroy: () => {} };
  }
  const clock = await Timestamps.make(gpu, most);
  const time = async (passes: readonly Pass[]) => {
    const encoder = device.createCommandEncoder();
    passes.forEach((pass, k) => recordPass(encoder, pass, clock.pass(k)));
    clock.resolve(encoder, passes.length);
    device.queue.submit([encoder.finish()]);
    return (await clock.read(passes.length)).map(({ begin, end }) => end - begin);
  };
  return { time, destroy: () => clock.destroy() };
}
