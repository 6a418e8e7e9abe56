/** Labels, rows, batches and random numbers: kernels that look things up by an index. */

import argmaxSource from "../../../shaders/loss/argmax.wgsl" with { type: "text" };
import batchSource from "../../../shaders/data/batch.wgsl" with { type: "text" };
import oneHotSource from "../../../shaders/loss/one_hot.wgsl" with { type: "text" };
import takeRowsSource from "../../../shaders/data/take_rows.wgsl" with { type: "text" };
import uniformSource from "../../../shaders/random/uniform.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import { bindBuffers, type ElementType } from "./chain.ts";

const perElement = (count: number) => linearWorkgroups(Math.ceil(count / 64));

/** Buffers: labels, y [rows, classes]. */
export function oneHotKernel(rows: number, classes: number): Kernel {
  const count = rows * classes;
  return {
    label: `oneHot [${rows}, ${classes}]`,
    source: specialize(oneHotSource, { COUNT: count, CLASSES: classes }),
    workgroups: perElement(count),
    flops: 0,
    bytes: 4 * (rows + count),
  };
}

/** Buffers: x [rows, columns], y [rows]. */
export function argmaxKernel(rows: number, columns: number): Kernel {
  return {
    label: `argmax [${rows}, ${columns}]`,
    source: specialize(argmaxSource, { ROWS: rows, COLUMNS: columns }),
    workgroups: perElement(rows),
    flops: rows * columns,
    bytes: 4 * rows * (columns + 1),
  };
}

/** Buffers: table [N, width], indices [rows], y [rows, width]. */
export function takeRowsKernel(rows: number, width: number, dtype: ElementType): Kernel {
  const count = rows * width;
  const buffers = bindBuffers([
    `var<storage, read> table: array<${dtype}>;`,
    "var<storage, read> indices: array<u32>;",
    `var<storage, read_write> y: array<${dtype}>;`,
  ]);
  return {
    label: `takeRows [${rows}, ${width}]`,
    source: specialize(replaceRegion(takeRowsSource, "buffers", buffers), {
      COUNT: count,
      WIDTH: width,
    }),
    workgroups: perElement(count),
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
}

/**
 * Buffers: bytes, indices, draws, down [height, 1 + taps], right [width, 1 + taps],
 * y [batch, height, width, channels].
 */
export function batchKernel(b: BatchShape, tapsDown: number, tapsRight: number): Kernel {
  const count = b.batch * b.height * b.width * b.channels;
  return {
    label: `imageBatch [${b.batch}, ${b.height}, ${b.width}, ${b.channels}]`,
    source: specialize(batchSource, {
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
    }),
    workgroups: perElement(count),
    flops: 2 * count * tapsDown * tapsRight,
    bytes: count * 4 + b.batch * b.fromHeight * b.fromWidth * b.channels,
  };
}

/** Buffers: key (seed, step), y. */
export function uniformKernel(count: number, stream: number): Kernel {
  return {
    label: `uniform [${count}], stream ${stream}`,
    source: specialize(uniformSource, { COUNT: count, STREAM: stream }),
    workgroups: perElement(count),
    flops: 0,
    bytes: 4 * count,
  };
}
