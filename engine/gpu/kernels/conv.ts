/**
 * Convolution: one trilinear form <dy, x * w> and its three faces. A family of kernels makes all three
 * of a shape: the first in the table that takes it.
 *
 * Activations are NHWC, weights [R, S, C / groups, K], all float32, dense and row-major:
 *
 *     y[n,p,q,k] = sum over r,s,c of x[n, p*stride - padding + r*dilation, ..., c] w[r,s,c,k]
 */
import type { SplitKernel, Stage } from "../kernel.ts";
import { block } from "./conv_block.ts";
import { depthwise } from "./conv_depthwise.ts";
import { general } from "./conv_general.ts";
import type { ConvShape, Face, Family } from "./conv_shape.ts";
import { tile } from "./conv_tile.ts";
import { winograd, winogradScheme } from "./conv_winograd.ts";
import { PLAIN, type Target } from "./target.ts";

/** Depthwise tiles, blocks in workgroup memory, register tiles, and what takes all the rest. */
export const families: readonly Family[] = [depthwise, block, tile, general];

/** The family that makes a shape. */
export function familyOf(s: ConvShape, target: Target): Family {
  return families.find((family) => family.takes(s, target))!;
}

/**
 * Winograd's stages of a face, where the target prefers them for the shape. Otherwise undefined: then
 * the face is one kernel, which the functions below make.
 */
export function convStages(s: ConvShape, face: Face, target: Target): Stage[] | undefined {
  const scheme = winogradScheme(s, face, target);
  return scheme && winograd(s, face, scheme, target, convFace);
}

/** A face as one kernel: the operands and parts of the functions below. */
export function convFace(s: ConvShape, face: Face, target: Target): SplitKernel {
  return familyOf(s, target).faces[face](s, target);
}

/**
 * y = x * w. Operands x [N,H,W,C], w [R,S,C/groups,K], parts [splits,N,P,Q,K]; with one split,
 * parts is y itself.
 */
export function convForward(s: ConvShape, target: Target = PLAIN): SplitKernel {
  return convFace(s, "forward", target);
}

/**
 * The gradient of <dy, x * w> with respect to x. Operands dy [N,P,Q,K], w [R,S,C/groups,K],
 * parts [splits,N,H,W,C]; zero where no window touches the input.
 */
export function convInputGrad(s: ConvShape, target: Target = PLAIN): SplitKernel {
  return convFace(s, "input gradient", target);
}

/**
 * The gradient of <dy, x * w> with respect to w. Operands x [N,H,W,C], dy [N,P,Q,K],
 * parts [splits,R,S,C/groups,K].
 */
export function convWeightGrad(s: ConvShape, target: Target = PLAIN): SplitKernel {
  return convFace(s, "weight gradient", target);
}
