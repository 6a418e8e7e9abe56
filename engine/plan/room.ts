/** Whether what plans occupy has room on the device, and what smaller size has. */

import { OutOfMemory, TooLarge } from "../errors.ts";
import { bytesInAll, type MemoryUse } from "./allocate.ts";
import { showBytes } from "./buffers.ts";

/**
 * What there is too little of, in words, where so many bytes are free; undefined where nothing is.
 * @param weighed see `draft`
 */
export function lackOfRoom(
  free: number | undefined,
  weighed: () => MemoryUse,
): string | undefined {
  try {
    const bytes = bytesInAll(weighed());
    return bytes > (free ?? Infinity)
      ? `it takes ${showBytes(bytes)} of memory, and ${showBytes(free!)} are free`
      : undefined;
  } catch (error) {
    if (error instanceof TooLarge) return error.message;
    throw error;
  }
}

/** Half of it, half of that, and so on down to 1. */
export function halvesOf(size: number): number[] {
  const half = Math.floor(size / 2);
  return half > 0 ? [half, ...halvesOf(half)] : [];
}

/** What to do where nothing smaller has room. */
export const SMALLER = "use a smaller model, or smaller images (--size)";

/** The error; where it is a want of memory, with the largest of a batch's halves that has room. */
export function withSmallerBatch(
  error: unknown,
  batch: number,
  weighed: (batch: number) => MemoryUse,
): unknown {
  if (!(error instanceof OutOfMemory && error.room)) return error;
  const { message, room } = error;
  const fitting = halvesOf(batch)
    .find((size) => lackOfRoom(room.available, () => weighed(size)) === undefined);
  const hint = fitting === undefined ? SMALLER : `--batch ${fitting} has room`;
  return new OutOfMemory(message, hint, room, { cause: error });
}
