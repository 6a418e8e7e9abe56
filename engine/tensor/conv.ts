/**
 * Two-dimensional convolution. It is one trilinear form in input x, weight w and cotangent y,
 *
 *     <y, x * w> = sum y[n,p,q,k] x[n, p s - pad + r d, q s - pad + t d, c] w[r,t,c,k]
 *
 * whose three partial derivatives are the forward convolution, the input gradient and the weight
 * gradient. So the gradients of each are the other two, and the three are closed under
 * differentiation of any order.
 *
 * Layouts: x [N, H, W, C], w [R, S, C/groups, K], y [N, P, Q, K].
 */

import { convFace, convStages } from "../gpu/kernels/conv.ts";
import type { ConvShape, Face } from "../gpu/kernels/conv_shape.ts";
import type { Target } from "../gpu/kernels/target.ts";
import { splitSum, stagedSteps } from "./split.ts";
import { checkWhole, sameShape, type Shape, shapeError } from "./shape.ts";
import { defineKernels, type KernelOperation } from "./operation.ts";
import { requireTensors, type Step, type Tensor } from "./tensor.ts";

export interface ConvOptions {
  stride?: number | readonly [number, number];
  padding?: number | readonly [number, number];
  dilation?: number | readonly [number, number];
  groups?: number;
}

/** Height and width, given as one number or two. */
export function pair(value: number | readonly [number, number]): readonly [number, number] {
  return typeof value === "number" ? [value, value] : value;
}

export const CONV2D: KernelOperation<ConvShape> = defineKernels({
  name: "conv2d",
  inputs: ["f32", "f32"],
  gradient: ({ inputs: [x, w] }, g, conv) => [inputGrad(g, w, conv), weightGrad(x, g, conv)],
  lower: lowered("forward"),
});

const INPUT_GRAD = defineKernels<ConvShape>({
  name: "conv2dInputGrad",
  inputs: ["f32", "f32"],
  gradient: ({ inputs: [dy, w] }, g, conv) => [forward(g, w, conv), weightGrad(g, dy, conv)],
  lower: lowered("input gradient"),
});

const WEIGHT_GRAD = defineKernels<ConvShape>({
  name: "conv2dWeightGrad",
  inputs: ["f32", "f32"],
  gradient: ({ inputs: [x, dy] }, g, conv) => [inputGrad(dy, g, conv), forward(x, g, conv)],
  lower: lowered("weight gradient"),
});

/** The kernels of a face, Winograd's or the one that is direct. */
function lowered(face: Face) {
  return (node: Tensor, conv: ConvShape, target: Target): readonly Step[] => {
    const stages = convStages(conv, face, target);
    if (stages) return stagedSteps(node, stages);
    return splitSum(node, convFace(conv, face, target), target);
  };
}

const inputShape = (c: ConvShape): Shape => [c.batch, c.inHeight, c.inWidth, c.inChannels];
const outputShape = (c: ConvShape): Shape => [c.batch, c.outHeight, c.outWidth, c.outChannels];
const weightShape = (
  c: ConvShape,
): Shape => [c.kernelHeight, c.kernelWidth, c.inChannels / c.groups, c.outChannels];

function forward(x: Tensor, w: Tensor, conv: ConvShape): Tensor {
  return CONV2D.node([x, w], outputShape(conv), conv);
}
function inputGrad(dy: Tensor, w: Tensor, conv: ConvShape): Tensor {
  return INPUT_GRAD.node([dy, w], inputShape(conv), conv);
}
function weightGrad(x: Tensor, dy: Tensor, conv: ConvShape): Tensor {
  return WEIGHT_GRAD.node([x, dy], weightShape(conv), conv);
}

/** Number of positions a window takes along one axis, floor((in + 2 pad - reach) / stride) + 1. */
function windows(extent: number, kernel: number, stride: number, padding: number, dilation = 1) {
  return Math.floor((extent + 2 * padding - dilation * (kernel - 1) - 1) / stride) + 1;
}

/** The sizes of a convolution of `x` [N, H, W, C] with `w` [R, S, C/groups, K], checked. */
function convShape(name: string, x: Shape, w: Shape, options: ConvOptions): ConvShape {
  if (x.length !== 4 || w.length !== 4) {
    throw shapeError(name, "needs input [N, H, W, C] and weight [R, S, C/groups, K]", x, w);
  }
  const [stride, padding, dilation] = [
    options.stride ?? 1,
    options.padding ?? 0,
    options.dilation ?? 1,
  ]
    .map(pair);
  const groups = options.groups ?? 1;
  checkWhole(name, "stride", stride, 1);
  checkWhole(name, "padding", padding, 0);
  checkWhole(name, "dilation", dilation, 1);
  checkWhole(name, "groups", [groups], 1);
  const [batch, inHeight, inWidth, inChannels] = x;
  const [kernelHeight, kernelWidth, groupChannels, outChannels] = w;
  if (groupChannels * groups !== inChannels || outChannels % groups !== 0) {
    throw shapeError(name, `channels don't fit ${groups} group(s)`, x, w);
  }
  const outHeight = windows(inHeight, kernelHeight, stride[0], padding[0], dilation[0]);
  const outWidth = windows(inWidth, kernelWidth, stride[1], padding[1], dilation[1]);
  if (outHeight < 1 || outWidth < 1) {
    throw shapeError(name, "the kernel is larger than the padded input", x, w);
  }
  return {
    batch,
    inHeight,
    inWidth,
    inChannels,
    outHeight,
    outWidth,
    outChannels,
    kernelHeight,
    kernelWidth,
    stride,
    padding,
    dilation,
    groups,
  };
}

/** Cross-correlation of images x [N, H, W, C] with filters w [R, S, C/groups, K]: [N, P, Q, K]. */
export function conv2d(x: Tensor, w: Tensor, options: ConvOptions = {}): Tensor {
  requireTensors("conv2d", x, w);
  return forward(x, w, convShape("conv2d", x.shape, w.shape, options));
}

/** The gradient of `conv2d` at its input of shape `input`, given dy at its output. */
export function conv2dInputGrad(
  dy: Tensor,
  w: Tensor,
  input: Shape,
  options: ConvOptions = {},
): Tensor {
  requireTensors("conv2dInputGrad", dy, w);
  const conv = convShape("conv2dInputGrad", input, w.shape, options);
  if (!sameShape(dy.shape, outputShape(conv))) {
    throw shapeError("conv2dInputGrad", "the gradient must have", dy.shape, outputShape(conv));
  }
  return inputGrad(dy, w, conv);
}

/** The gradient of `conv2d` at its filters of shape `weight`, given dy at its output. */
export function conv2dWeightGrad(
  x: Tensor,
  dy: Tensor,
  weight: Shape,
  options: ConvOptions = {},
): Tensor {
  requireTensors("conv2dWeightGrad", x, dy);
  const conv = convShape("conv2dWeightGrad", x.shape, weight, options);
  if (!sameShape(dy.shape, outputShape(conv))) {
    throw shapeError("conv2dWeightGrad", "the gradient must have", dy.shape, outputShape(conv));
  }
  return weightGrad(x, dy, conv);
}
