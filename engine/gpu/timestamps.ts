/**
 * The device's own clock, told in the host's time. WebGPU writes it at the beginning and the end of
 * compute passes only, so what is to be timed gets a pass of its own, or lies between two passes
 * that do nothing else.
 *
 * Deno hands out raw ticks, with no word on how long one is or when they began; both are measured
 * against the wall clock once for each device.
 */
import { ExitCode, UserError } from "../errors.ts";
import type { Gpu } from "./adapter.ts";

/** When something began and ended on the device, in milliseconds of `performance.now()`. */
export interface Span {
  readonly begin: number;
  readonly end: number;
}

/** Spans of one query set, WebGPU's limit of 4096 queries. */
const SPANS = 2048;

/** Takes a fixed number of spans in one submission, as often as one likes. */
export class Timestamps {
  private constructor(
    private readonly device: GPUDevice,
    private readonly sets: readonly GPUQuerySet[],
    private readonly ticks: GPUBuffer,
    private readonly staging: GPUBuffer,
    private readonly clock: Clock,
    readonly spans: number,
  ) {}

  /**
   * @param spans how many there are to take
   * @throws UserError (gpu) where the adapter has no clock
   */
  static async make(gpu: Gpu, spans: number): Promise<Timestamps> {
    requireClock(gpu);
    return Timestamps.open(gpu.device, spans, await clockOf(gpu.device));
  }

  /** The same with a clock that is known. */
  static open(device: GPUDevice, spans: number, clock: Clock): Timestamps {
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const sets: GPUQuerySet[] = [];
    for (let left = spans; left > 0; left -= SPANS) {
      sets.push(device.createQuerySet({ type: "timestamp", count: 2 * Math.min(left, SPANS) }));
    }
    const size = 16 * spans;
    const ticks = device.createBuffer({ label: "ticks", size, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = device.createBuffer({ label: "ticks", size, usage: COPY_DST | MAP_READ });
    return new Timestamps(device, sets, ticks, staging, clock, spans);
  }

  /** Makes a pass the span numbered `k`. */
  pass(k: number): GPUComputePassTimestampWrites {
    return {
      querySet: this.sets[Math.floor(k / SPANS)],
      beginningOfPassWriteIndex: 2 * (k % SPANS),
      endOfPassWriteIndex: 2 * (k % SPANS) + 1,
    };
  }

  /** Makes whatever `record` records outside of passes, such as copies, the span numbered `k`. */
  around(encoder: GPUCommandEncoder, k: number, record: () => void): void {
    const { querySet, beginningOfPassWriteIndex, endOfPassWriteIndex } = this.pass(k);
    const mark = (timestampWrites: GPUComputePassTimestampWrites) =>
      encoder.beginComputePass({ timestampWrites }).end();
    mark({ querySet, endOfPassWriteIndex: beginningOfPassWriteIndex });
    record();
    mark({ querySet, beginningOfPassWriteIndex: endOfPassWriteIndex });
  }

  /**
   * Records that the spans are to be kept; the last of what is submitted.
   * @param spans how many, from the first, were taken: a driver may wait for the others for ever
   */
  resolve(encoder: GPUCommandEncoder, spans = this.spans): void {
    for (let i = 0; i * SPANS < spans; i++) {
      const count = 2 * Math.min(spans - i * SPANS, SPANS);
      encoder.resolveQuerySet(this.sets[i], 0, count, this.ticks, 16 * SPANS * i);
    }
    encoder.copyBufferToBuffer(this.ticks, 0, this.staging, 0, 16 * spans);
  }

  /** The first spans of what was submitted last. Waits for it. */
  async read(spans = this.spans): Promise<Span[]> {
    const ticks = await this.readTicks();
    const { wall, origin, period } = this.clock;
    // Ticks may count from the machine's start: beyond what a double holds exactly.
    const at = (i: number) => wall + Number(ticks[i] - origin) * period;
    return Array.from({ length: spans }, (_, k) => ({ begin: at(2 * k), end: at(2 * k + 1) }));
  }

  /** Beginnings and ends in turns, as the device counts. */
  async readTicks(): Promise<BigUint64Array> {
    await this.staging.mapAsync(GPUMapMode.READ);
    const ticks = new BigUint64Array(this.staging.getMappedRange().slice(0));
    this.staging.unmap();
    return ticks;
  }

  destroy(): void {
    for (const set of this.sets) set.destroy();
    this.ticks.destroy();
    this.staging.destroy();
  }
}

function requireClock({ features, adapter }: Gpu): void {
  if (features.has("timestamp-query")) return;
  throw new UserError(
    `the adapter "${adapter.name}" tells no time (no timestamp-query), so kernels can't be timed`,
    ExitCode.gpu,
    "a newer graphics driver often helps",
  );
}

/** The device's clock beside the host's. */
interface Clock {
  /** What the two show at the same time: ticks, and milliseconds of `performance.now()`. */
  readonly origin: bigint;
  readonly wall: number;
  /** Milliseconds a tick. */
  readonly period: number;
}

const clocks = new WeakMap<GPUDevice, Promise<Clock>>();

function clockOf(device: GPUDevice): Promise<Clock> {
  const known = clocks.get(device) ?? calibrate(device);
  clocks.set(device, known);
  return known;
}

/** How long the two clocks run beside each other, in milliseconds. */
const CALIBRATION = 100;
/** Looks at both, of which the quickest counts: the machine may be busy with other things. */
const LOOKS = 6;
const NANOSECOND = 1e-6;

async function calibrate(device: GPUDevice): Promise<Clock> {
  const stamps = Timestamps.open(device, 1, { origin: 0n, wall: 0, period: 1 });
  try {
    const first = await lookAtClocks(device, stamps);
    await new Promise((resolve) => setTimeout(resolve, CALIBRATION));
    const { wall, origin, error } = await lookAtClocks(device, stamps);
    const elapsed = wall - first.wall;
    const period = elapsed / Number(origin - first.origin);
    // Most drivers count nanoseconds; then the count is more exact than this measurement of it.
    const exact = Math.abs(period / NANOSECOND - 1) <= (first.error + error) / elapsed;
    return { wall, origin, period: exact ? NANOSECOND : period };
  } finally {
    stamps.destroy();
  }
}

/** Both clocks at one time, and by how many milliseconds that may be wrong. */
async function lookAtClocks(device: GPUDevice, stamps: Timestamps) {
  let best = { wall: 0, origin: 0n, error: Infinity };
  for (let look = 0; look < LOOKS; look++) {
    const encoder = device.createCommandEncoder();
    encoder.beginComputePass({ timestampWrites: stamps.pass(0) }).end();
    stamps.resolve(encoder);
    const commands = encoder.finish();
    const before = performance.now();
    device.queue.submit([commands]);
    // Deno waits within the call, and then ten milliseconds more before the promise resolves.
    const done = device.queue.onSubmittedWorkDone();
    const after = performance.now();
    await done;
    const [, origin] = await stamps.readTicks();
    const error = (after - before) / 2;
    if (error < best.error) best = { wall: before + error, origin, error };
  }
  return best;
}
