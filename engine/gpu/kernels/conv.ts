/**
 * Convolution: one trilinear form <dy, x * w> and its three faces. Each is made by one of four
 * families, chosen in one place (`family`): depthwise tiles, blocks in workgroup memory where the
 * target has it, register tiles, the general kernels.
 *
 * Activations are NHWC, weights [R, S, C / groups, K], all float32, dense and row-major:
 *
 *     y[n,p,q,k] = sum over r,s,c of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c,k]
 */
import type { Kernel, SplitKernel } from "../kernel.ts";
import { blockForward, blockInputGrad, blockWeightGrad, takesBlock } from "./conv_block.ts";
import {
  depthwiseForward,
  depthwiseInputGrad,
  depthwiseWeightGrad,
  takesDepthwise,
} from "./conv_depthwise.ts";
import { generalForward, generalInputGrad, generalWeightGrad } from "./conv_general.ts";
import { takesTile, tileForward, tileInputGrad, tileWeightGrad } from "./conv_tile.ts";
import { PLAIN, type Target } from "./target.ts";

export type { SplitKernel };

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

function family(s: ConvShape, target: Target): "depthwise" | "block" | "tile" | "general" {
  if (takesDepthwise(s)) return "depthwise";
  if (takesBlock(s, target)) return "block";
  return takesTile(s) ? "tile" : "general";
}

const whole = (kernel: Kernel): SplitKernel => ({ kernel, splits: 1 });

/**
 * y = x * w. Bindings x [N,H,W,C], w [R,S,C/groups,K], parts [splits,N,P,Q,K]; with one split,
 * parts is y itself.
 */
export function convForward(s: ConvShape, target: Target = PLAIN): SplitKernel {
  switch (family(s, target)) {
    case "depthwise":
      return whole(depthwiseForward(s, target));
    case "block":
      return blockForward(s, target);
    case "tile":
      return whole(tileForward(s, target));
    case "general":
      return generalForward(s);
  }
}

/**
 * The gradient of <dy, x * w> with respect to x. Bindings dy [N,P,Q,K], w [R,S,C/groups,K],
 * parts [splits,N,H,W,C]; zero where no window touches the input.
 */
export function convInputGrad(s: ConvShape, target: Target = PLAIN): SplitKernel {
  switch (family(s, target)) {
    case "depthwise":
      return whole(depthwiseInputGrad(s, target));
    case "block":
      return blockInputGrad(s, target);
    case "tile":
      return whole(tileInputGrad(s, target));
    case "general":
      return generalInputGrad(s);
  }
}

/**
 * The gradient of <dy, x * w> with respect to w. Bindings x [N,H,W,C], dy [N,P,Q,K],
 * parts [splits,R,S,C/groups,K].
 */
export function convWeightGrad(s: ConvShape, target: Target = PLAIN): SplitKernel {
  switch (family(s, target)) {
    case "depthwise":
      return depthwiseWeightGrad(s, target);
    case "block":
      return blockWeightGrad(s, target);
    case "tile":
      return tileWeightGrad(s, target);
    case "general":
      return generalWeightGrad(s, target);
  }
}
