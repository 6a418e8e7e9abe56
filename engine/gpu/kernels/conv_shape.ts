/** What all convolution kernels say alike of their shapes: constants, costs, labels, phases. */
import type { Constant } from "../kernel.ts";
import type { ConvShape } from "./conv.ts";

export type Face = "forward" | "input gradient" | "weight gradient";

/** "conv 3x3/2 forward 8x32x32x64 -> 8x16x16x128". */
export function convLabel(s: ConvShape, face: Face): string {
  const pair = ([h, w]: readonly [number, number]) => h === w ? `${h}` : `${h},${w}`;
  const details = [
    `${s.kernelHeight}x${s.kernelWidth}`,
    `/${pair(s.stride)}`,
    s.dilation.some((d) => d > 1) ? ` dilation ${pair(s.dilation)}` : "",
    s.groups > 1 ? ` groups ${s.groups}` : "",
  ].join("");
  const x = `${s.batch}x${s.inHeight}x${s.inWidth}x${s.inChannels}`;
  const y = `${s.batch}x${s.outHeight}x${s.outWidth}x${s.outChannels}`;
  return `conv ${details} ${face} ${x} -> ${y}`;
}

/** Operations and least bytes of one face; `splits` counts copies of the weights' gradient. */
export function convCost(s: ConvShape, splits = 1): { flops: number; bytes: number } {
  const x = s.batch * s.inHeight * s.inWidth * s.inChannels;
  const y = s.batch * s.outHeight * s.outWidth * s.outChannels;
  const taps = s.kernelHeight * s.kernelWidth * (s.inChannels / s.groups);
  return { flops: 2 * y * taps, bytes: 4 * (x + y + splits * taps * s.outChannels) };
}

/** Constants of the shaders that see the shape as it is, apart from the channels. */
export function windowConstants(s: ConvShape): Record<string, Constant> {
  return {
    BATCH: s.batch,
    IN_HEIGHT: s.inHeight,
    IN_WIDTH: s.inWidth,
    OUT_HEIGHT: s.outHeight,
    OUT_WIDTH: s.outWidth,
    KERNEL_HEIGHT: s.kernelHeight,
    KERNEL_WIDTH: s.kernelWidth,
    STRIDE_H: s.stride[0],
    STRIDE_W: s.stride[1],
    PADDING_H: s.padding[0],
    PADDING_W: s.padding[1],
    DILATION_H: s.dilation[0],
    DILATION_W: s.dilation[1],
  };
}

/**
 * Constants of the shaders that compute either direction, apart from the channels: `adjoint` swaps
 * input and output, and the phases of its stride take the place of the stride.
 */
export function directedConstants(s: ConvShape, adjoint: boolean): Record<string, Constant> {
  const rows = usedTaps(s, 0);
  const columns = usedTaps(s, 1);
  const x = { height: s.inHeight, width: s.inWidth };
  const y = { height: s.outHeight, width: s.outWidth };
  const [source, result] = adjoint ? [y, x] : [x, y];
  const [h, w] = [0, 1].map((axis) => {
    const stride = s.stride[axis], dilation = s.dilation[axis];
    const divisor = gcd(stride, dilation);
    return adjoint
      ? { phases: stride, tapStride: stride / divisor, pixelStep: 1, slotStep: dilation / divisor }
      : { phases: 1, tapStride: 1, pixelStep: stride, slotStep: dilation };
  });
  return {
    ...windowConstants(s),
    ADJOINT: adjoint,
    IN_HEIGHT: source.height,
    IN_WIDTH: source.width,
    OUT_HEIGHT: result.height,
    OUT_WIDTH: result.width,
    KERNEL_HEIGHT: rows.count,
    KERNEL_WIDTH: columns.count,
    FIRST_TAP_H: rows.first,
    FIRST_TAP_W: columns.first,
    WEIGHT_WIDTH: s.kernelWidth,
    PADDING_H: s.padding[0] - rows.first * s.dilation[0],
    PADDING_W: s.padding[1] - columns.first * s.dilation[1],
    PHASES_H: h.phases,
    PHASES_W: w.phases,
    TAP_STRIDE_H: h.tapStride,
    TAP_STRIDE_W: w.tapStride,
    PIXEL_STEP: w.pixelStep,
    SLOT_STEP: w.slotStep,
  };
}

/** The run of taps that meet the input for some output; the others only ever see padding. */
export function usedTaps(s: ConvShape, axis: 0 | 1): { first: number; count: number } {
  const taps = axis === 0 ? s.kernelHeight : s.kernelWidth;
  const inside = axis === 0 ? s.inHeight : s.inWidth;
  const outputs = axis === 0 ? s.outHeight : s.outWidth;
  let first = taps, last = -1;
  for (let tap = 0; tap < taps; tap++) {
    const start = tap * s.dilation[axis] - s.padding[axis];
    const hit = Math.max(0, Math.ceil(-start / s.stride[axis]));
    if (hit < outputs && start + hit * s.stride[axis] < inside) {
      first = Math.min(first, tap);
      last = tap;
    }
  }
  return last < 0 ? { first: 0, count: 1 } : { first, count: last - first + 1 };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** The smallest extent of equal tiles of at most `limit` that cover `extent` with as few tiles. */
export function evenTile(extent: number, limit: number): number {
  return Math.ceil(extent / Math.ceil(extent / limit));
}

/** How many parts a reduction over `rows` rows falls into so that some `wanted` workgroups run. */
export function splitRows(rows: number, workgroups: number, wanted: number): number {
  const splits = Math.min(rows, Math.max(1, Math.ceil(wanted / workgroups)));
  return Math.ceil(rows / Math.ceil(rows / splits));
}
