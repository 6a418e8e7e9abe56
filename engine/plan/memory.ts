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

/** How many buffers are asked for a place. */
const MAX_ASKED = 256;

/** A buffer, and when it is in use: by values one after the other. */
interface Block {
  readonly size: number;
  readonly spans: Lifetime[];
}

/**
 * Places values in few bytes, greedily, the largest first: in the tightest buffer that is free for as
 * long as the value lives, of equal ones in that which was given up first, else in a new one. (Pisarchyk
 * and Lee, 2020, "Greedy by Size": no buffer has to hold more than the value that it was made for. Taken
 * in the order of time, a large value would find the buffers of smaller ones and need its own.)
 */
export function placeValues(lifetimes: readonly Lifetime[]): Placement {
  const buffers = new Array<number>(lifetimes.length);
  const blocks: Block[] = [];
  const bytesOf = (k: number) => rounded(lifetimes[k].bytes);
  const order = [...lifetimes.keys()].sort((a, b) =>
    bytesOf(b) - bytesOf(a) || lifetimes[a].from - lifetimes[b].from
  );
  for (const k of order) {
    buffers[k] = tightest(blocks, lifetimes[k], bytesOf(k)) ??
      blocks.push({ size: bytesOf(k), spans: [] }) - 1;
    const { spans } = blocks[buffers[k]];
    spans.splice(placeIn(spans, lifetimes[k]), 0, lifetimes[k]);
  }
  return { buffers, sizes: blocks.map(({ size }) => size) };
}

/** The number of the block for a value. @param blocks the largest first */
function tightest(blocks: readonly Block[], value: Lifetime, bytes: number): number | undefined {
  let found: number | undefined;
  let given = Infinity;
  const last = Math.max(0, blocks.length - MAX_ASKED);
  for (let at = blocks.length - 1; at >= last; at--) {
    const { size, spans } = blocks[at];
    if (size > MAX_WASTE * bytes || (found !== undefined && size > blocks[found].size)) break;
    const before = spans[placeIn(spans, value) - 1];
    if (before && before.to >= value.from) continue;
    const end = before?.to ?? -1;
    if (end < given) [found, given] = [at, end];
  }
  return found;
}

/** How many of the spans, which don't overlap, begin before the value's life ends. */
function placeIn(spans: readonly Lifetime[], { to }: Lifetime): number {
  let [low, high] = [0, spans.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (spans[middle].from <= to) low = middle + 1;
    else high = middle;
  }
  return low;
}
