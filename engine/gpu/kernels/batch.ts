/** A batch: rows of a table, and images from bytes, resized and randomly changed on the way. */

import batchShader from "../../../shaders/data/batch.wgsl" with { type: "text" };
import takeRowsShader from "../../../shaders/data/take_rows.wgsl" with { type: "text" };
import { type Kernel, read, type Scalar, written } from "../kernel.ts";

/** Operands: table [N, width], indices [rows], y [rows, width]. */
export function takeRowsKernel(rows: number, width: number, dtype: Scalar): Kernel {
  const count = rows * width;
  return {
    label: `takeRows [${rows}, ${width}]`,
    shader: takeRowsShader,
    operands: [read("table", dtype), read("indices", "u32"), written("y", dtype)],
    constants: { COUNT: count, WIDTH: width },
    workgroups: Math.ceil(count / 64),
    flops: 0,
    bytes: 4 * (rows + 2 * count),
  };
}

export interface BatchShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** Size of the images as they are stored. */
  readonly fromHeight: number;
  readonly fromWidth: number;
  /** Zeros around the image from which a random crop is taken. */
  readonly cropPadding: number;
  /** Mirror half of the images left to right. */
  readonly flip: boolean;
  /** Mirror half of the images top to bottom. */
  readonly flipVertical?: boolean;
  /** The last channel first. */
  readonly reversed?: boolean;
}

/**
 * Operands: bytes, indices, draws, down [height, 1 + taps], right [width, 1 + taps],
 * y [batch, height, width, channels].
 */
export function batchKernel(b: BatchShape, tapsDown: number, tapsRight: number): Kernel {
  const count = b.batch * b.height * b.width * b.channels;
  return {
    label: `imageBatch [${b.batch}, ${b.height}, ${b.width}, ${b.channels}]`,
    shader: batchShader,
    operands: [
      read("bytes", "u32"),
      read("indices", "u32"),
      read("draws", "f32"),
      read("down", "u32"),
      read("right", "u32"),
      written("y", "f32"),
    ],
    constants: {
      COUNT: count,
      HEIGHT: b.height,
      WIDTH: b.width,
      CHANNELS: b.channels,
      FROM_HEIGHT: b.fromHeight,
      FROM_WIDTH: b.fromWidth,
      DOWN: tapsDown,
      RIGHT: tapsRight,
      CROP: b.cropPadding,
      FLIP: b.flip,
      FLIP_VERTICAL: b.flipVertical ?? false,
      REVERSED: b.reversed ?? false,
    },
    workgroups: Math.ceil(count / 64),
    flops: 2 * count * tapsDown * tapsRight,
    bytes: count * 4 + b.batch * b.fromHeight * b.fromWidth * b.channels,
  };
}
