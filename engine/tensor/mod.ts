/** Tensors, operations and differentiation. */

export * from "./activation.ts";
export { ancestors, grad, gradients, gradOrZeros } from "./autograd.ts";
export { bmm } from "./bmm.ts";
export * from "./broadcast.ts";
export * from "./conv.ts";
export * from "./indexing.ts";
export {
  interpolate,
  type InterpolateOptions,
  pixelShuffle,
  pixelUnshuffle,
} from "./interpolate.ts";
export * from "./loss.ts";
export * from "./matmul.ts";
export * from "./movement.ts";
export * from "./norm.ts";
export { defineKernels, type KernelOperation, operations } from "./operation.ts";
export * from "./pad.ts";
export * from "./pointwise.ts";
export * from "./pool.ts";
export * from "./random.ts";
export * from "./reduce.ts";
export * from "./shape.ts";
export * from "./tensor.ts";
