/**
 * The device's own clock. WebGPU writes it at the beginning and the end of compute passes only, so
 * what is to be timed gets a pass of its own, or lies between two passes that do nothing else.
 *
 * Deno hands out raw ticks and no word on how long one is; that is measured against the wall clock
 * once for each device.
 */
import { ExitCode, UserError } from "../errors.ts";
import type { Gpu } from "./adapter.ts";

/** When something began and ended on the device, in nanoseconds of its clock. */
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
    readonly nanosecondsPerTick: number,
    readonly spans: number,
  ) {}

  /**
   * @param spans how many there are to take
   * @throws UserError (gpu) where the adapter has no clock
   */
  static async make(gpu: Gpu, spans: number): Promise<Timestamps> {
    requireClock(gpu);
    return Timestamps.open(gpu.device, spans, await nanosecondsPerTick(gpu.device));
  }

  /** The same with a known length of a tick. */
  static open(device: GPUDevice, spans: number, nanosecondsPerTick: number): Timestamps {
    const { QUERY_RESOLVE, COPY_SRC, COPY_DST, MAP_READ } = GPUBufferUsage;
    const sets: GPUQuerySet[] = [];
    for (let left = spans; left > 0; left -= SPANS) {
      sets.push(device.createQuerySet({ type: "timestamp", count: 2 * Math.min(left, SPANS) }));
    }
    const size = 16 * spans;
    const ticks = device.createBuffer({ label: "ticks", size, usage: QUERY_RESOLVE | COPY_SRC });
    const staging = device.createBuffer({ label: "ticks", size, usage: COPY_DST | MAP_READ });
    return new Timestamps(device, sets, ticks, staging, nanosecondsPerTick, spans);
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

  /** Records that the spans are to be kept; the last of what is submitted. */
  resolve(encoder: GPUCommandEncoder): void {
    this.sets.forEach((set, i) =>
      encoder.resolveQuerySet(set, 0, set.count, this.ticks, 16 * SPANS * i)
    );
    encoder.copyBufferToBuffer(this.ticks, 0, this.staging, 0, this.staging.size);
  }

  /** The spans of what was submitted last, from the first one's beginning on. Waits for it. */
  async read(): Promise<Span[]> {
    const ticks = await this.readTicks();
    // Ticks count from the machine's start: beyond what a double holds exactly.
    const at = (i: number) => Number(ticks[i] - ticks[0]) * this.nanosecondsPerTick;
    return Array.from({ length: this.spans }, (_, k) => ({ begin: at(2 * k), end: at(2 * k + 1) }));
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

/** Nanoseconds a tick, by device. */
const periods = new WeakMap<GPUDevice, Promise<number>>();

function nanosecondsPerTick(device: GPUDevice): Promise<number> {
  const known = periods.get(device) ?? calibrate(device);
  periods.set(device, known);
  return known;
}

/** How long the two clocks run beside each other, in milliseconds; a look at both errs by 0.05. */
const CALIBRATION = 100;

async function calibrate(device: GPUDevice): Promise<number> {
  const clock = Timestamps.open(device, 1, 1);
  try {
    await lookAtClocks(device, clock); // the first time is slow
    const first = await lookAtClocks(device, clock);
    await new Promise((resolve) => setTimeout(resolve, CALIBRATION));
    const second = await lookAtClocks(device, clock);
    return 1e6 * (second.wall - first.wall) / Number(second.ticks - first.ticks);
  } finally {
    clock.destroy();
  }
}

/** Both clocks at the end of a submission on an idle device: milliseconds and ticks. */
async function lookAtClocks(device: GPUDevice, clock: Timestamps) {
  const encoder = device.createCommandEncoder();
  encoder.beginComputePass({ timestampWrites: clock.pass(0) }).end();
  clock.resolve(encoder);
  device.queue.submit([encoder.finish()]);
  // Deno waits within the call, and then ten milliseconds more before the promise resolves.
  const done = device.queue.onSubmittedWorkDone();
  const wall = performance.now();
  await done;
  return { wall, ticks: (await clock.readTicks())[1] };
}
