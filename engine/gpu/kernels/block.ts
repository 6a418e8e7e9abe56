/**
 * Blocks of a matrix product in workgroup memory, which the GPU kernels share: their sizes as a
 * table, which of them suit a product, and in how many parts its inner dimension is split.
 *
 * All blocks give the same bits (shaders/conv/block.wgsl says why), so that a tuner is free to take
 * any of them. Splits change the order of a sum; they follow from the product's size alone.
 */
import type { Target } from "./target.ts";

/** What a workgroup computes: threads along both sides, and the sums of each. */
export interface Block {
  /** Threads along the rows of the product and along its columns. */
  readonly threadsY: number;
  readonly threadsX: number;
  /** Rows and columns of a thread's sums. */
  readonly rows: number;
  readonly columns: number;
  /** Elements of the inner dimension that are in workgroup memory at a time. */
  readonly depth: number;
  /** Slabs in workgroup memory: with two, threads wait for each other once a slab, else twice. */
  readonly buffers: 1 | 2;
}

/** A product of [rows, inner] by [inner, columns], `count` times (groups, phases of a stride). */
export interface Product {
  readonly rows: number;
  readonly columns: number;
  readonly inner: number;
  readonly count: number;
}

/** Threads along rows and columns, sums of each, depths that keep every thread's loads whole. */
const SIZES: readonly (readonly [
  threads: readonly [number, number],
  sums: readonly [number, number],
  depths: readonly number[],
])[] = [
  [[16, 16], [8, 8], [8, 16]],
  [[32, 8], [8, 8], [8, 16]],
  [[16, 8], [8, 8], [8, 16]],
  [[8, 16], [8, 8], [8, 16]],
  [[8, 8], [8, 8], [8, 16]],
  [[16, 8], [4, 8], [8, 16]],
  [[16, 8], [8, 4], [8, 16]],
  [[16, 16], [4, 4], [16]],
  [[8, 8], [4, 4], [8, 16]],
  [[16, 4], [4, 4], [8]],
  // Few columns: grouped convolutions, and the gradient at an image of three channels.
  [[32, 4], [8, 4], [8]],
  [[32, 2], [4, 4], [8]],
  [[64, 1], [4, 4], [4]],
];

const BLOCKS: readonly Block[] = SIZES.flatMap(([[threadsY, threadsX], [rows, columns], depths]) =>
  depths.flatMap((depth) =>
    ([2, 1] as const).map((buffers) => ({ threadsY, threadsX, rows, columns, depth, buffers }))
  )
);

/** "128x64 by 8x8, depth 8, 2 buffers" */
export function blockName({ threadsY, threadsX, rows, columns, depth, buffers }: Block): string {
  const size = `${threadsY * rows}x${threadsX * columns}`;
  return `${size} by ${rows}x${columns}, depth ${depth}, ${buffers} buffer${
    buffers > 1 ? "s" : ""
  }`;
}

const threadsOf = ({ threadsY, threadsX }: Block): number => threadsY * threadsX;

/** Threads of a warp that lie side by side: eight where there are as many columns of threads. */
export const warpColumns = ({ threadsX }: Block): number => Math.min(threadsX, 8);

/** Blocks that cover a product. */
export const tilesOf = (block: Block, { rows, columns, count }: Product): number =>
  count * Math.ceil(rows / (block.threadsY * block.rows)) *
  Math.ceil(columns / (block.threadsX * block.columns));

/** Bytes of workgroup memory; each thread's row of a slab is one vec4 longer than its elements. */
function memoryOf({ threadsY, threadsX, rows, columns, depth, buffers }: Block): number {
  const line = (sums: number) => 4 * (sums * depth + 4);
  return buffers * (threadsY * line(rows) + threadsX * line(columns));
}

/**
 * The blocks that an adapter takes, the best for this product first, by an estimate: the share of
 * the arithmetic units' time that is spent on multiply-adds of the result, from the loads that the
 * block issues for each, from what it computes past the edges, and from how evenly the workgroups
 * fill the adapter and hide each other's waits.
 */
export function blocksFor(product: Product, target: Target): Block[] {
  return BLOCKS
    .filter((block) =>
      memoryOf(block) <= target.workgroupMemory && threadsOf(block) <= target.workgroupThreads
    )
    .map((block) => ({ block, score: score(block, product, target) }))
    .sort((a, b) => b.score - a.score)
    .map(({ block }) => block);
}

/**
 * What a thread spends beside multiply-adds, counted in them: a vec4's load from workgroup memory
 * (its bandwidth is the first limit of small tiles), one from a buffer (the second-level cache's
 * bandwidth), a barrier's wait.
 */
const SHARED_LOAD = 8;
const BUFFER_LOAD = 30;
const BARRIER = 8;
/** A register that a thread has too many is stored and loaded once a slab. */
const SPILL = 60;
/** Registers that a thread needs beside those of sums and loads. */
const OTHER_REGISTERS = 24;

function score(block: Block, product: Product, target: Target): number {
  const { rows, columns, depth, buffers } = block;
  const height = block.threadsY * rows, width = block.threadsX * columns;
  const sums = rows * columns, threads = threadsOf(block);
  const registers = sums + 4 * rows + 16 + depth * (height + width) / threads + OTHER_REGISTERS;
  const { processor } = target;
  const spilled = Math.max(0, registers - processor.threadRegisters);
  const issued = 1 + SHARED_LOAD * (rows + columns) / (4 * sums) +
    BUFFER_LOAD * (1 / height + 1 / width) / 4 +
    (BARRIER * (buffers === 2 ? 1 : 2) + SPILL * spilled) / (sums * depth);
  const tiles = tilesOf(block, product);
  const inside = product.count * product.rows * product.columns / (tiles * height * width) *
    product.inner / (Math.ceil(product.inner / depth) * depth);
  // The processors end at different times: about a third of a workgroup's time is lost.
  const share = tiles / (target.threads / processor.threads);
  const balance = share / (share + 0.3);
  // The more sums a thread has, the fewer threads hide its waits.
  const held = processor.registers / Math.min(registers, processor.threadRegisters);
  const resident = Math.min(share * threads, held, processor.threads);
  const hidden = resident / (resident + processor.threads / Math.sqrt(sums) / 4);
  return inside * balance * hidden / issued;
}

/** The inner dimension in `splits` parts of `length`; the last may be shorter. */
export interface InnerSplit {
  readonly splits: number;
  readonly length: number;
}

/** Elements of the inner dimension below which a part of its own costs more than it brings. */
const MIN_SPLIT = 512;
const MAX_SPLITS = 256;
/** Parts are made of whole slabs, whatever their depth. */
const GRANULE = 16;
/** A block of middle size, by which the workgroups of a shape are counted. */
const SIDE = 64;

/**
 * In how many parts the inner dimension is summed, and how long each is, so that there are
 * workgroups enough. It depends on the product and the adapter's size, never on the block.
 */
export function splitInner(
  product: Product,
  target: Target,
): InnerSplit {
  const { rows, columns, inner, count } = product;
  const tiles = count * Math.ceil(rows / SIDE) * Math.ceil(columns / SIDE);
  const wanted = target.threads / 512 / tiles;
  const most = Math.min(MAX_SPLITS, Math.max(1, Math.floor(inner / MIN_SPLIT)));
  const parts = Math.min(most, Math.max(1, Math.round(wanted)));
  const length = Math.ceil(inner / parts / GRANULE) * GRANULE;
  return { splits: Math.max(1, Math.ceil(inner / length)), length };
}
