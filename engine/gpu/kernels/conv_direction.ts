/**
 * A convolution forward or its adjoint, the input gradient, as one kind of computation: windows of
 * what is read, x or dy, give what is written, y or dx. Tiles and blocks are sized by a direction,
 * and the constants of their shaders are made from it last.
 *
 * The adjoint of stride t falls into t phases (h mod t). Within one it is a plain correlation of
 * stride 1 with every TAP_STRIDE-th tap; all together they are a fractionally strided convolution
 * (shaders/conv/tile.wgsl says both). Forward has one phase.
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
  /** In what is read: from one result of a phase to the next. */
  readonly pixelStep: number;
  /**
   * In what is read, with phases - 1 zeros between its pixels: from a pixel to where the tap that
   * reads before all others is for a result at a multiple of the phases.
   */
  readonly shift: number;
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
  const used = usedTaps(s, axis);
  const padding = s.padding[axis] - used.first * dilation;
  return {
    ...(adjoint ? { in: y, out: x } : { in: x, out: y }),
    taps: used.count,
    firstTap: used.first,
    weightTaps: taps,
    stride,
    padding,
    dilation,
    ...(adjoint
      ? {
        phases: stride,
        tapStride: stride / gcd(stride, dilation),
        pixelStep: 1,
        shift: modulo(padding - (used.count - 1) * dilation, stride),
      }
      : { phases: 1, tapStride: 1, pixelStep: stride, shift: 0 }),
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

const modulo = (a: number, b: number) => ((a % b) + b) % b;

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
  };
}

/** The constants along an axis, "H" or "W", for shaders whose threads work in one phase of it. */
export function phaseConstants(axis: Axis, name: "H" | "W"): Constants {
  return {
    [`DILATION_${name}`]: axis.dilation,
    [`PHASES_${name}`]: axis.phases,
    [`TAP_STRIDE_${name}`]: axis.tapStride,
  };
}

/** The constants along an axis for shaders that load a run of pixels once for all phases and taps. */
export function runConstants(axis: Axis, name: "H" | "W"): Constants {
  return {
    [`TAP_STEP_${name}`]: axis.dilation,
    [`PIXEL_STEP_${name}`]: axis.pixelStep,
    [`SPREAD_${name}`]: axis.phases,
    [`SHIFT_${name}`]: axis.shift,
  };
}

/** Pixels of a run of `results`, a multiple of the phases. */
export function runLength({ taps, dilation, phases, pixelStep, shift }: Axis, results: number) {
  const ahead = Math.floor((shift + phases - 1 + (taps - 1) * dilation) / phases);
  return (results / phases - 1) * pixelStep + ahead + 1;
}
