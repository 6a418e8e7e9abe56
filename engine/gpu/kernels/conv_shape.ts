/** What all convolution kernels say alike of their shapes: constants, costs, labels. */
import type { Constants, SplitKernel } from "../kernel.ts";
import type { Target } from "./target.ts";

/** The sizes of a convolution; pairs are (height, width). */
export interface ConvShape {
  readonly batch: number;
  readonly inHeight: number;
  readonly inWidth: number;
  readonly inChannels: number;
  readonly outHeight: number;
  readonly outWidth: number;
  readonly outChannels: number;
  readonly kernelHeight: number;
  readonly kernelWidth: number;
  readonly stride: readonly [number, number];
  readonly padding: readonly [number, number];
  readonly dilation: readonly [number, number];
  readonly groups: number;
}

/** Which of the three is computed from the other two: y, dx or dw. */
export type Face = "forward" | "input gradient" | "weight gradient";

/** Kernels for the three faces of some convolutions. */
export interface Family {
  /** Whether the family has kernels for this shape on the target. */
  takes(s: ConvShape, target: Target): boolean;
  readonly faces: Readonly<Record<Face, (s: ConvShape, target: Target) => SplitKernel>>;
}

/** Whether output channels, and where there are groups those of every group, are whole vec4s. */
export function wholeVectors(s: ConvShape): boolean {
  const [groupIn, groupOut] = [s.inChannels / s.groups, s.outChannels / s.groups];
  return groupOut % 4 === 0 && (s.groups === 1 || groupIn % 4 === 0);
}

/** Values of x, of w and of y. */
export function convSizes(s: ConvShape): { x: number; w: number; y: number } {
  return {
    x: s.batch * s.inHeight * s.inWidth * s.inChannels,
    w: s.kernelHeight * s.kernelWidth * (s.inChannels / s.groups) * s.outChannels,
    y: s.batch * s.outHeight * s.outWidth * s.outChannels,
  };
}

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
  const { x, w, y } = convSizes(s);
  return { flops: 2 * y * (w / s.outChannels), bytes: 4 * (x + y + splits * w) };
}

/** Constants of the shaders that see the shape as it is, apart from the channels. */
export function windowConstants(s: ConvShape): Constants {
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

/** Constants of the channels; "in" and "out" may be meant as a direction sees them. */
export function channelConstants(
  { inChannels, outChannels, groups }: Pick<ConvShape, "inChannels" | "outChannels" | "groups">,
): Constants {
  return { IN_CHANNELS: inChannels, OUT_CHANNELS: outChannels, GROUPS: groups };
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
