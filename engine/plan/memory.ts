/**
 * Buffers for the intermediate values of a plan, reused as soon as the value that lies in one is
 * read for the last time. One GPUBuffer a block, not one arena: WebGPU orders accesses by buffer,
 * so values in one buffer would make every dispatch wait for the one before.
 */

export interface Lifetime {
  readonly bytes: number;
  /** The first step that writes the value and the last that touches it. */
  readonly from: number;
  readonly to: number;
}

export interface Placement {
  /** For each lifetime the number of the buffer it lies in. */
  readonly buffers: readonly number[];
  /** Bytes of every buffer. */
  readonly sizes: readonly number[];
}

/** Sizes are rounded up to this, so that nearly equal blocks can share a buffer. */
const GRANULE = 256;
/** A buffer is not given to a block that would leave more than this factor of it unused. */
const MAX_WASTE = 4;

const rounded = (bytes: number) => Math.ceil(bytes / GRANULE) * GRANULE;

/** Bytes of values of which none shares a buffer with another. */
export function bytesTogether(lifetimes: readonly Lifetime[]): number {
  return lifetimes.reduce((sum, { bytes }) => sum + rounded(bytes), 0);
}

/** Places values in few bytes, greedily: the tightest free buffer, else a new one. */
export function placeValues(lifetimes: readonly Lifetime[]): Placement {
  const buffers = new Array<number>(lifetimes.length);
  const sizes: number[] = [];
  const free = new Set<number>();
  let running: { index: number; to: number }[] = [];
  const order = lifetimes.map((_, k) => k).sort((a, b) => lifetimes[a].from - lifetimes[b].from);
  for (const k of order) {
    const { from, to } = lifetimes[k];
    for (const { index } of running.filter((r) => r.to < from)) free.add(index);
    running = running.filter((r) => r.to >= from);
    const bytes = rounded(lifetimes[k].bytes);
    const fits = [...free].filter((index) =>
      sizes[index] >= bytes && sizes[index] <= MAX_WASTE * bytes
    );
    const index = fits.length > 0
      ? fits.reduce((a, b) => (sizes[b] < sizes[a] ? b : a))
      : sizes.push(bytes) - 1;
    free.delete(index);
    buffers[k] = index;
    running.push({ index, to });
  }
  return { buffers, sizes };
}
