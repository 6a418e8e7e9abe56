/**
 * Convolution: one trilinear form <dy, x * w> and its three faces. Each is made by one of three
 * families, chosen in one place (`family`): register tiles, depthwise tiles, the general kernels.
 *
 * Activations are NHWC, weights [R, S, C / groups, K], all float32, dense and row-major:
 *
 *     y[n,p,q,k] = sum over r,s,c of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c,k]
 */
import type { Kernel } from "../kernel.ts";
import {
  depthwiseForward,
  depthwiseInputGrad,
  depthwiseWeightGrad,
  takesDepthwise,
} from "./conv_depthwise.ts";
import { generalForward, generalInputGrad, generalWeightGrad } from "./conv_general.ts";
import { takesTile, tileForward, tileInputGrad, tileWeightGrad } from "./conv_tile.ts";
import { PLAIN, type Target } from "./target.ts";

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

/** A kernel whose result is a sum over `splits` parts, to be added in order by another kernel. */
export interface SplitKernel {
  readonly kernel: Kernel;
  readonly splits: number;
}

function family(s: ConvShape): "tile" | "depthwise" | "general" {
  if (takesTile(s)) return "tile";
  if (takesDepthwise(s)) return "depthwise";
  return "general";
}

/** y = x * w. Bindings x [N,H,W,C], w [R,S,C/groups,K], y [N,P,Q,K]. */
export function convForward(s: ConvShape, target: Target = PLAIN): Kernel {
  switch (family(s)) {
    case "tile":
      return tileForward(s, target);
    case "depthwise":
      return depthwiseForward(s, target);
    case "general":
      return generalForward(s);
  }
}

/**
 * The gradient of <dy, x * w> with respect to x. Bindings dy [N,P,Q,K], w [R,S,C/groups,K],
 * dx [N,H,W,C]; zero where no window touches the input.
 */
export function convInputGrad(s: ConvShape, target: Target = PLAIN): Kernel {
  switch (family(s)) {
    case "tile":
      return tileInputGrad(s, target);
    case "depthwise":
      return depthwiseInputGrad(s, target);
    case "general":
      return generalInputGrad(s);
  }
}

/**
 * The gradient of <dy, x * w> with respect to w. Bindings x [N,H,W,C], dy [N,P,Q,K],
 * parts [splits,R,S,C/groups,K]; with one split, parts is the gradient itself.
 */
export function convWeightGrad(s: ConvShape, target: Target = PLAIN): SplitKernel {
  switch (family(s)) {
    case "tile":
      return tileWeightGrad(s, target);
    case "depthwise":
      return depthwiseWeightGrad(s, target);
    case "general":
      return generalWeightGrad(s);
  }
}
