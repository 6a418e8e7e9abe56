/**
 * A trial of a kernel's variants on operands made up for the purpose: each is checked, bit by bit,
 * against the first, the first against a plain kernel for the same face; then all are timed in turns,
 * so that what disturbs the machine disturbs all alike.
 */
import differencesShader from "../../shaders/tune/differences.wgsl" with { type: "text" };
import { ExitCode, UserError } from "../errors.ts";
import { type Kernel, read, Scratch, type Tunable, written } from "../gpu/kernel.ts";
import { Timestamps } from "../gpu/timestamps.ts";
import { allocate, layOut, type Memory } from "../plan/allocate.ts";
import { readBuffers } from "../plan/buffers.ts";
import { type Command, prepare, recordDispatch } from "../plan/record.ts";
import type { Runtime } from "../plan/runtime.ts";
import type { Dispatch } from "../plan/dispatch.ts";
import { recordCopy } from "../plan/textures.ts";
import { draws, uniform } from "../random.ts";
import { median, relativeError } from "../averages.ts";
import { type Gain, gainOf, ROUNDS as GAIN_ROUNDS } from "./gain.ts";
import { numel } from "../tensor/shape.ts";
import { Input, type Step } from "../tensor/tensor.ts";

/** A variant with the median of its times, or why it can't be used. */
export interface Measured {
  readonly name: string;
  /** Milliseconds of one dispatch. */
  readonly ms?: number;
  readonly refused?: string;
  /** Of the fastest, where that is not the first: what it gains over the first, timed anew. */
  readonly gain?: Gain;
}

/** Relative L2 error of float32 sums of any length that a kernel here makes. */
const TOLERANCE = 1e-4;
/** Rounds of which the median is taken, after two that sort out slow variants. */
const ROUNDS = 7;
/** A variant that takes this much longer than the best in those is not looked at again. */
const HOPELESS = 1.5;
/** What is timed takes at least this long, in milliseconds, in at most so many dispatches. */
const ENOUGH = 1;
const MAX_REPEATS = 64;

/**
 * @param dispatch one that a plan makes; its kernel has variants
 * @throws UserError (gpu) where the adapter has no clock or the kernel computes something wrong
 */
export async function tryVariants(runtime: Runtime, dispatch: Dispatch): Promise<Measured[]> {
  const { compiled, refused } = await compile(runtime, dispatch.kernel.tunable!.variants);
  if (compiled.length === 0) {
    throw new UserError(`${dispatch.kernel.label}: no variant compiles`, ExitCode.gpu);
  }
  const trial = await Trial.make(runtime, dispatch, compiled);
  try {
    const wrong = await trial.check();
    const right = compiled.map((_, k) => k).filter((k) => !wrong.has(k));
    const times = await trial.time(right);
    const [best] = [...times].reduce((a, b) => (b[1] < a[1] ? b : a));
    const gain = times.has(0) && best !== 0 ? await trial.gain(best) : undefined;
    const measured = compiled.map(({ name }, k): Measured =>
      times.has(k)
        ? { name, ms: times.get(k), ...k === best && gain && { gain } }
        : { name, refused: wrong.get(k) ?? "slow" }
    );
    return [...measured, ...refused];
  } finally {
    trial.destroy();
  }
}

interface Named {
  readonly name: string;
  readonly kernel: Kernel;
}

/** Compiles the variants; some adapters have too few registers for some. */
async function compile(runtime: Runtime, variants: Tunable["variants"]) {
  const compiled: Named[] = [];
  const refused: Measured[] = [];
  for (const { name, make } of variants) {
    const kernel = make();
    try {
      await runtime.pipeline(kernel);
      compiled.push({ name, kernel });
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      refused.push({ name, refused: error.message });
    }
  }
  return { compiled, refused };
}

class Trial {
  /** Dispatches that are timed at once. */
  private repeats = 1;

  private constructor(
    private readonly runtime: Runtime,
    private readonly commands: readonly Command[],
    private readonly memory: Memory,
    private readonly storages: {
      readonly result: Scratch;
      readonly expected: Scratch;
      readonly plain: Scratch;
      readonly counts: readonly Scratch[];
    },
    /** Elements of the operation's result, of which the others are parts. */
    private readonly size: number,
    private readonly clock: Timestamps,
  ) {}

  /** The plain kernel, the first variant into a place of its own; then each variant and a count. */
  static async make(
    runtime: Runtime,
    { kernel: { tunable }, buffers, node }: Dispatch,
    variants: readonly Named[],
  ): Promise<Trial> {
    // What comes after the product's two operands belongs to an epilogue.
    const operands = buffers.slice(0, 2).map(({ shape }, i) => new Input(`operand ${i}`, shape));
    const { shape } = buffers.at(-1)!;
    const size = numel(shape) / tunable!.splits;
    const reference = tunable!.reference();
    const result = new Scratch(shape);
    const expected = new Scratch(shape);
    const plain = new Scratch([reference.splits, size]);
    const counts = variants.map(() => new Scratch([1]));
    const steps: Step[] = [
      { kernel: reference.kernel, buffers: [...operands, plain] },
      { kernel: variants[0].kernel, buffers: [...operands, expected] },
      ...variants.flatMap(({ kernel }, k) => [
        { kernel, buffers: [...operands, result] },
        { kernel: differences(numel(shape)), buffers: [expected, result, counts[k]] },
      ]),
    ];
    const dispatches = steps.map((step) => ({ ...step, node }));
    const kept = new Set([plain, expected, result, ...counts]);
    const layout = layOut(dispatches, kept);
    const memory = await allocate(runtime, layout, `variants of ${tunable!.shapeClass}`);
    operands.forEach((operand, i) => fill(runtime, memory.place.get(operand)!, i));
    const commands = await prepare(runtime, dispatches, memory);
    const clock = await Timestamps.make(runtime.gpu, variants.length);
    const storages = { result, expected, plain, counts };
    return new Trial(runtime, commands, memory, storages, size, clock);
  }

  /** The variants that compute something else than the first, and how much of it. */
  async check(): Promise<Map<number, string>> {
    const { device } = this.runtime.gpu;
    const { result, counts } = this.storages;
    for (const [k, command] of this.commands.entries()) {
      const encoder = device.createCommandEncoder();
      for (const copy of command.copies) recordCopy(encoder, copy, copy.buffer);
      // A variant that stores nothing must not be taken for the one before it.
      if (k % 2 === 0) encoder.clearBuffer(this.memory.place.get(result)!);
      const pass = encoder.beginComputePass();
      recordDispatch(pass, command);
      pass.end();
      device.queue.submit([encoder.finish()]);
    }
    await this.checkFirst();
    const size = numel(result.shape);
    const found = await this.read(counts, "u32");
    const wrong = found.map(([count], k) => [k, `${count} of ${size} elements differ`] as const);
    return new Map(wrong.filter((_, k) => found[k][0] > 0));
  }

  /** @throws UserError (gpu) where the first variant and the plain kernel disagree */
  private async checkFirst(): Promise<void> {
    const { expected, plain } = this.storages;
    const [found, wanted] = await this.read([expected, plain], "f32");
    const error = relativeError(added(found, this.size), added(wanted, this.size));
    if (error <= TOLERANCE) return;
    throw new UserError(
      `${this.commands[1].kernel.label} is off by ${error.toPrecision(2)} on this adapter`,
      ExitCode.gpu,
      "a newer graphics driver may help; please report it",
    );
  }

  private read(storages: readonly Scratch[], dtype: "f32" | "u32") {
    const sources = storages.map((storage) => ({
      buffer: this.memory.place.get(storage)!,
      bytes: 4 * numel(storage.shape),
      dtype,
    }));
    return readBuffers(this.runtime.gpu, sources);
  }

  /** Median milliseconds of a dispatch, of the variants given by number; the first always. */
  async time(variants: readonly number[]): Promise<Map<number, number>> {
    const looks = [await this.round(variants, 1), await this.round(variants, 1)];
    const least = (k: number) => Math.min(...looks.map((look) => look.get(k)!));
    const best = Math.min(...variants.map(least));
    const hopeful = variants.filter((k) => k === 0 || least(k) <= HOPELESS * best);
    this.repeats = Math.max(1, Math.min(MAX_REPEATS, Math.ceil(ENOUGH / best)));
    const times = await this.inTurns(hopeful, ROUNDS);
    return new Map([...times].map(([k, all]) => [k, median(all)]));
  }

  /** What a variant gains over the first. */
  async gain(of: number): Promise<Gain> {
    const times = await this.inTurns([0, of], GAIN_ROUNDS);
    return gainOf(times.get(0)!, times.get(of)!);
  }

  /** Milliseconds of a dispatch of each, round by round; each has its turn in every place. */
  private async inTurns(variants: readonly number[], rounds: number) {
    const times = new Map(variants.map((k) => [k, [] as number[]]));
    for (let round = 0; round < rounds; round++) {
      const order = variants.map((_, i) => variants[(i + round) % variants.length]);
      for (const [k, ms] of await this.round(order, this.repeats)) times.get(k)!.push(ms);
    }
    return times;
  }

  /** One pass for each variant, in order, in one submission. */
  private async round(order: readonly number[], repeats: number): Promise<Map<number, number>> {
    const { device } = this.runtime.gpu;
    const encoder = device.createCommandEncoder();
    for (const [place, k] of order.entries()) {
      const pass = encoder.beginComputePass({ timestampWrites: this.clock.pass(place) });
      for (let i = 0; i < repeats; i++) recordDispatch(pass, this.commands[2 + 2 * k]);
      pass.end();
    }
    this.clock.resolve(encoder, order.length);
    device.queue.submit([encoder.finish()]);
    const spans = await this.clock.read(order.length);
    this.runtime.gpu.check();
    return new Map(
      order.map((k, place) => [k, (spans[place].end - spans[place].begin) / repeats]),
    );
  }

  destroy(): void {
    this.clock.destroy();
    for (const memory of this.memory.owned) memory.destroy();
  }
}

function differences(count: number): Kernel {
  return {
    label: `differences [${count}]`,
    shader: differencesShader,
    operands: [read("a", "u32"), read("b", "u32"), written("differing", "atomic<u32>")],
    constants: { COUNT: count },
    workgroups: Math.ceil(count / 64),
    flops: 0,
    bytes: 8 * count,
  };
}

/** Fills a buffer with numbers in [-1, 1), a period of odd length over and over. */
function fill(runtime: Runtime, buffer: GPUBuffer, stream: number): void {
  const draw = draws(stream, 0);
  const length = Math.min(buffer.size / 4, (1 << 18) - 1);
  const numbers = Float32Array.from({ length }, (_, i) => 2 * uniform(draw(i)) - 1);
  for (let at = 0; at < buffer.size; at += 4 * length) {
    const part = Math.min(length, (buffer.size - at) / 4);
    runtime.gpu.device.queue.writeBuffer(buffer, at, numbers, 0, part);
  }
}

/** The sum of parts that lie one after the other. */
function added(parts: ArrayLike<number>, size: number): Float64Array {
  const sum = new Float64Array(size);
  for (let i = 0; i < parts.length; i++) sum[i % size] += parts[i];
  return sum;
}
