/** Buffers of the device: made within its limits, and read back to the host. */

import { ExitCode, TooLarge } from "../errors.ts";
import type { Gpu } from "../gpu/adapter.ts";
import type { Site } from "./resources.ts";
import type { DType, HostArray } from "../tensor/tensor.ts";

const USAGE = GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;

/**
 * @param hint what its user can do
 * @throws TooLarge (gpu) naming `label` where the device can't bind a buffer of so many bytes
 */
export function requireBindable(
  { limits }: Site["gpu"],
  label: string,
  bytes: number,
  hint = "use a smaller --batch or --limit",
): void {
  const { maxStorageBufferBindingSize: limit } = limits;
  if (bytes <= limit) return;
  throw new TooLarge(
    `${label} needs a buffer of ${showBytes(bytes)}, and the GPU binds ${showBytes(limit)} at most`,
    ExitCode.gpu,
    hint,
  );
}

/** "1.5 GiB", "128.0 MiB" */
export const showBytes = (bytes: number): string =>
  bytes < 2 ** 30 ? `${(bytes / 2 ** 20).toFixed(1)} MiB` : `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** A buffer that kernels read and write. Throws as `requireBindable` does. */
export function createBuffer(gpu: Gpu, label: string, bytes: number, hint?: string): GPUBuffer {
  requireBindable(gpu, label, bytes, hint);
  return gpu.device.createBuffer({ label, size: Math.max(4, bytes), usage: USAGE });
}

/** The first bytes of a buffer, to be read. */
export interface Readable {
  readonly buffer: GPUBuffer;
  /** A multiple of 4. */
  readonly bytes: number;
  readonly dtype: DType;
}

/** Most bytes of one staging buffer: some drivers find no room for larger ones that can be mapped. */
const MAX_STAGING = 2 ** 28;

/**
 * Copies buffers to the host: all of them at one moment, between two submissions. Waits until all
 * submitted work is done, and costs at least 10 ms in Deno: read many at once, and seldom.
 * @throws UserError (gpu) the first error that the device reported
 */
export async function readBuffers(gpu: Gpu, sources: readonly Readable[]): Promise<HostArray[]> {
  const { device, limits } = gpu;
  const values = sources.map(({ bytes }) => new ArrayBuffer(bytes));
  const most = Math.min(MAX_STAGING, limits.maxBufferSize - limits.maxBufferSize % 4);
  const encoder = device.createCommandEncoder();
  const pieces = piecesOf(sources.map(({ bytes }) => bytes), most).map((parts) => {
    const size = Math.max(4, parts.reduce((sum, { bytes }) => sum + bytes, 0));
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    const staging = device.createBuffer({ label: "readback", size, usage });
    for (const { source, from, at, bytes } of parts) {
      encoder.copyBufferToBuffer(sources[source].buffer, from, staging, at, bytes);
    }
    return { parts, staging };
  });
  try {
    device.queue.submit([encoder.finish()]);
    await Promise.all(pieces.map(({ staging }) => staging.mapAsync(GPUMapMode.READ)));
    gpu.check();
    for (const { parts, staging } of pieces) {
      const mapped = new Uint8Array(staging.getMappedRange());
      for (const { source, from, at, bytes } of parts) {
        new Uint8Array(values[source], from, bytes).set(mapped.subarray(at, at + bytes));
      }
    }
  } finally {
    for (const { staging } of pieces) staging.destroy();
  }
  return sources.map(({ dtype }, k) =>
    dtype === "u32" ? new Uint32Array(values[k]) : new Float32Array(values[k])
  );
}

/** A stretch of a source, and where it lies in its piece; all in bytes. */
interface Part {
  readonly source: number;
  readonly from: number;
  readonly at: number;
  readonly bytes: number;
}

/** The sources one after the other, cut into pieces of at most so many bytes; at least one piece. */
function piecesOf(sizes: readonly number[], most: number): Part[][] {
  const pieces: Part[][] = [[]];
  let at = 0;
  for (const [source, size] of sizes.entries()) {
    for (let from = 0; from < size;) {
      if (at === most) {
        pieces.push([]);
        at = 0;
      }
      const bytes = Math.min(size - from, most - at);
      pieces.at(-1)!.push({ source, from, at, bytes });
      from += bytes;
      at += bytes;
    }
  }
  return pieces;
}
