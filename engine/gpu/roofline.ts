/**
 * The roofline of an adapter (Williams, Waterman and Patterson 2009): a kernel that does `flops`
 * operations on `bytes` bytes takes at least as long as the operations take at the adapter's peak,
 * and as long as the bytes take at its bandwidth. Both are measured here, not read in a data sheet:
 * with shaders/roofline/fma.wgsl, and by copying, with shaders/roofline/copy.wgsl or by the driver,
 * whichever is faster.
 */
import copyShader from "../../shaders/roofline/copy.wgsl" with { type: "text" };
import fmaShader from "../../shaders/roofline/fma.wgsl" with { type: "text" };
import type { Gpu } from "./adapter.ts";
import { compile } from "./compile.ts";
import { type Kernel, read, spread, written } from "./kernel.ts";
import { Timestamps } from "./timestamps.ts";

export interface Roofline {
  /** Peak of float32 multiply-adds, two operations each, in 10^9 a second. */
  readonly gflops: number;
  /** Bytes read and bytes written by a copy, together, in 10^9 a second. */
  readonly gbPerSecond: number;
}

/** The better of two measurements: what disturbs one can only make it worse. */
export function better(a: Roofline, b: Roofline): Roofline {
  return {
    gflops: Math.max(a.gflops, b.gflops),
    gbPerSecond: Math.max(a.gbPerSecond, b.gbPerSecond),
  };
}

/** What a kernel must do at least. */
export interface Work {
  readonly flops: number;
  readonly bytes: number;
}

/** The least time for some work, in milliseconds, and which of the two roofs it is. */
export function leastTime({ gflops, gbPerSecond }: Roofline, { flops, bytes }: Work) {
  const compute = flops / gflops / 1e6;
  const memory = bytes / gbPerSecond / 1e6;
  return { ms: Math.max(compute, memory), bound: compute > memory ? "compute" : "memory" } as const;
}

/**
 * Measures the adapter, in about a second. Nothing else should run meanwhile.
 * @throws UserError (gpu) where the adapter has no clock
 */
export async function measureRoofline(gpu: Gpu): Promise<Roofline> {
  const clock = await Timestamps.make(gpu, 1 + TIMES);
  try {
    const peaks = [];
    for (const chains of CHAINS) peaks.push(await fmaPeak(gpu, clock, chains));
    return { gflops: Math.max(...peaks), gbPerSecond: await copyBandwidth(gpu, clock) };
  } finally {
    clock.destroy();
  }
}

/** Counts of independent sums: a CPU adapter with 16 vector registers is fastest at 12. */
const CHAINS = [8, 12, 16];
const ROUNDS = 64;
const STEPS = 64;
/** What is timed takes at least this long, in milliseconds, and the best of so many is taken. */
const ENOUGH = 5;
const TIMES = 10;
const MAX_WORKGROUPS = 32768;

/** For one workgroup: what is measured finds out how many it takes. */
function fmaKernel(chains: number): Kernel {
  return {
    label: "roofline: multiply-adds",
    shader: fmaShader,
    operands: [read("x", "f32"), written("y", "f32")],
    constants: { CHAINS: chains, ROUNDS, STEPS },
    workgroups: 1,
    flops: 2 * chains * ROUNDS * STEPS * 64,
    bytes: 4 * 64,
  };
}

const COPY: Kernel = {
  label: "roofline: copy",
  shader: copyShader,
  operands: [read("x", "vec4<f32>"), written("y", "vec4<f32>")],
  workgroups: 1,
  flops: 0,
  bytes: 2 * 16 * 64,
};

async function fmaPeak(gpu: Gpu, clock: Timestamps, chains: number): Promise<number> {
  const { device } = gpu;
  const { STORAGE, COPY_DST } = GPUBufferUsage;
  const x = device.createBuffer({ size: 8, usage: STORAGE | COPY_DST });
  device.queue.writeBuffer(x, 0, Float32Array.of(0.999, 0.001));
  const y = device.createBuffer({ size: 4 * 64 * MAX_WORKGROUPS, usage: STORAGE });
  try {
    const kernel = fmaKernel(chains);
    const record = await compiled(gpu, kernel, [x, y]);
    for (let groups = 64;; groups *= 4) {
      const ms = await bestTime(device, clock, record(groups, clock));
      if (ms < ENOUGH && groups < MAX_WORKGROUPS) continue;
      return kernel.flops * groups / ms / 1e6;
    }
  } finally {
    x.destroy();
    y.destroy();
  }
}

/** Bytes of the buffers that are copied: beyond the caches of most. */
const COPIED = 1 << 28;

async function copyBandwidth(gpu: Gpu, clock: Timestamps): Promise<number> {
  const { device, limits } = gpu;
  const { STORAGE, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const size = Math.min(COPIED, Math.floor(limits.maxStorageBufferBindingSize / 256) * 256);
  const x = device.createBuffer({ size, usage: STORAGE | COPY_SRC });
  const y = device.createBuffer({ size, usage: STORAGE | COPY_DST });
  try {
    const record = await compiled(gpu, COPY, [x, y]);
    const byKernel = await bestTime(device, clock, record(Math.ceil(size / 16 / 64), clock));
    const byDriver = await bestTime(device, clock, (encoder, span) => {
      clock.around(encoder, span, () => encoder.copyBufferToBuffer(x, 0, y, 0, size));
    });
    return 2 * size / Math.min(byKernel, byDriver) / 1e6;
  } finally {
    x.destroy();
    y.destroy();
  }
}

/** Records what is timed as the span of a number. */
type Record = (encoder: GPUCommandEncoder, span: number) => void;

/** A compiled kernel on buffers: for a number of workgroups, what records its timed pass. */
async function compiled(gpu: Gpu, kernel: Kernel, buffers: readonly GPUBuffer[]) {
  const { limits, device } = gpu;
  const { label } = kernel;
  const pipeline = await compile(gpu, kernel);
  const bindGroup = await gpu.scoped(label, () => {
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return device.createBindGroup({ label, layout: pipeline.getBindGroupLayout(0), entries });
  });
  return (workgroups: number, clock: Timestamps): Record => (encoder, span) => {
    const pass = encoder.beginComputePass({ timestampWrites: clock.pass(span) });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, bindGroup);
    pass.dispatchWorkgroups(...spread(workgroups, limits.maxComputeWorkgroupsPerDimension));
    pass.end();
  };
}

/** Milliseconds between the stamps of what is recorded, the best of some times after a first. */
async function bestTime(device: GPUDevice, clock: Timestamps, record: Record): Promise<number> {
  const encoder = device.createCommandEncoder();
  for (let time = 0; time < clock.spans; time++) record(encoder, time);
  clock.resolve(encoder);
  device.queue.submit([encoder.finish()]);
  const [, ...spans] = await clock.read(); // the first time compiles
  return Math.min(...spans.map(({ begin, end }) => end - begin));
}
