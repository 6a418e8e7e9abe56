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
  /** Buffers that hold nothing any more, by size, the first that was given up first. */
  const free = new Map<number, number[]>();
  const give = (index: number) => {
    const alike = free.get(sizes[index]);
    if (alike) alike.push(index);
    else free.set(sizes[index], [index]);
  };
  const take = (bytes: number): number => {
    const fitting = [...free].filter(([size, alike]) =>
      alike.length > 0 && size >= bytes && size <= MAX_WASTE * bytes
    );
    if (fitting.length === 0) return sizes.push(bytes) - 1;
    const [, tightest] = fitting.reduce((a, b) => (b[0] < a[0] ? b : a));
    return tightest.shift()!;
  };
  const starts = [...lifetimes.keys()].sort((a, b) => lifetimes[a].from - lifetimes[b].from);
  const ends = [...starts].sort((a, b) => lifetimes[a].to - lifetimes[b].to);
  let ended = 0;
  for (const k of starts) {
    const { from, bytes } = lifetimes[k];
    for (; lifetimes[ends[ended]].to < from; ended++) give(buffers[ends[ended]]);
    buffers[k] = take(rounded(bytes));
  }
  return { buffers, sizes };
}
