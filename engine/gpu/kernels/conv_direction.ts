/**
 * A convolution forward or its adjoint, the input gradient, as one kind of computation: windows of
 * what is read, x or dy, give what is written, y or dx. Tiles and blocks are sized by a direction,
 * and the constants of their shaders are made from it last.
 *
 * The adjoint of stride t falls into t phases (h mod t). Within one it is a plain correlation of
 * stride 1 with every TAP_STRIDE-th tap (shaders/conv/tile.wgsl); forward has one phase.
 */
import type { Constants } from "../kernel.ts";
import type { ConvShape } from "./conv_shape.ts";

export interface Direction {
  readonly adjoint: boolean;
  readonly batch: number;
  readonly groups: number;
  /** Channels of what is read and of what is written. */
  readonly inChannels: number;
  readonly outChannels: number;
  readonly height: Axis;
  readonly width: Axis;
}

/** One axis of a direction. */
export interface Axis {
  /** Extents of what is read and of what is written. */
  readonly in: number;
  readonly out: number;
  /** Taps in use, the first of them, and how many the weights have: see `usedTaps`. */
  readonly taps: number;
  readonly firstTap: number;
  readonly weightTaps: number;
  /** Of the convolution; the padding counts from the first tap in use. */
  readonly stride: number;
  readonly padding: number;
  readonly dilation: number;
  /** Phases, and from tap to tap of one. */
  readonly phases: number;
  readonly tapStride: number;
  /** In what is read: from one result of a phase to the next, and from tap to tap of a phase. */
  readonly pixelStep: number;
  readonly slotStep: number;
}

export function directionOf(s: ConvShape, adjoint: boolean): Direction {
  const [inChannels, outChannels] = adjoint
    ? [s.outChannels, s.inChannels]
    : [s.inChannels, s.outChannels];
  return {
    adjoint,
    batch: s.batch,
    groups: s.groups,
    inChannels,
    outChannels,
    height: axisOf(s, adjoint, 0),
    width: axisOf(s, adjoint, 1),
  };
}

/** What the convolution says of one axis: x, y and taps along it. */
function alongAxis(s: ConvShape, axis: 0 | 1): { x: number; y: number; taps: number } {
  return axis === 0
    ? { x: s.inHeight, y: s.outHeight, taps: s.kernelHeight }
    : { x: s.inWidth, y: s.outWidth, taps: s.kernelWidth };
}

function axisOf(s: ConvShape, adjoint: boolean, axis: 0 | 1): Axis {
  const { x, y, taps } = alongAxis(s, axis);
  const stride = s.stride[axis], dilation = s.dilation[axis];
  const divisor = gcd(stride, dilation);
  const used = usedTaps(s, axis);
  return {
    ...(adjoint ? { in: y, out: x } : { in: x, out: y }),
    taps: used.count,
    firstTap: used.first,
    weightTaps: taps,
    stride,
    padding: s.padding[axis] - used.first * dilation,
    dilation,
    ...(adjoint
      ? { phases: stride, tapStride: stride / divisor, pixelStep: 1, slotStep: dilation / divisor }
      : { phases: 1, tapStride: 1, pixelStep: stride, slotStep: dilation }),
  };
}

/** The run of taps that meet the input for some output; the others only ever see padding. */
function usedTaps(s: ConvShape, axis: 0 | 1): { first: number; count: number } {
  const { x, y, taps } = alongAxis(s, axis);
  let first = taps, last = -1;
  for (let tap = 0; tap < taps; tap++) {
    const start = tap * s.dilation[axis] - s.padding[axis];
    const hit = Math.max(0, Math.ceil(-start / s.stride[axis]));
    if (hit < y && start + hit * s.stride[axis] < x) {
      first = Math.min(first, tap);
      last = tap;
    }
  }
  return last < 0 ? { first: 0, count: 1 } : { first, count: last - first + 1 };
}

function gcd(a: number, b: number): number {
  return b === 0 ? a : gcd(b, a % b);
}

/** How many results a phase has along an axis, at most. */
export const phaseExtent = ({ out, phases }: Axis): number => Math.ceil(out / phases);

/** How many taps a phase has along an axis, at most. */
export const phaseTaps = ({ taps, tapStride }: Axis): number => Math.ceil(taps / tapStride);

/** The constants of a direction, apart from the channels. */
export function directionConstants({ adjoint, batch, height, width }: Direction): Constants {
  return {
    ADJOINT: adjoint,
    BATCH: batch,
    IN_HEIGHT: height.in,
    IN_WIDTH: width.in,
    OUT_HEIGHT: height.out,
    OUT_WIDTH: width.out,
    KERNEL_HEIGHT: height.taps,
    KERNEL_WIDTH: width.taps,
    FIRST_TAP_H: height.firstTap,
    FIRST_TAP_W: width.firstTap,
    WEIGHT_WIDTH: width.weightTaps,
    STRIDE_H: height.stride,
    STRIDE_W: width.stride,
    PADDING_H: height.padding,
    PADDING_W: width.padding,
    DILATION_H: height.dilation,
    DILATION_W: width.dilation,
    PHASES_H: height.phases,
    PHASES_W: width.phases,
    TAP_STRIDE_H: height.tapStride,
    TAP_STRIDE_W: width.tapStride,
  };
}

/** The steps along a row, for the shaders that load a run of pixels once for all taps. */
export function runConstants({ width }: Direction): Constants {
  return { PIXEL_STEP: width.pixelStep, SLOT_STEP: width.slotStep };
}
