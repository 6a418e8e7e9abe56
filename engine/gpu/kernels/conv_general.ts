/** The general convolution kernels: any shape, one element of the result a thread. */
import weightGradShader from "../../../shaders/conv/weight_grad.wgsl" with { type: "text" };
import forwardShader from "../../../shaders/conv/forward.wgsl" with { type: "text" };
import inputGradShader from "../../../shaders/conv/input_grad.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, specialize } from "../kernel.ts";
import type { ConvShape, SplitKernel } from "./conv.ts";
import { convCost, convLabel, splitRows, windowConstants } from "./conv_shape.ts";

const WORKGROUP = 64;
/** Threads that keep an adapter busy. */
const WANTED_WORKGROUPS = 64;

export function generalForward(s: ConvShape): Kernel {
  const elements = s.batch * s.outHeight * s.outWidth * s.outChannels;
  return {
    label: convLabel(s, "forward"),
    source: specialize(forwardShader, constants(s)),
    workgroups: linearWorkgroups(Math.ceil(elements / WORKGROUP)),
    ...convCost(s),
  };
}

export function generalInputGrad(s: ConvShape): Kernel {
  const elements = s.batch * s.inHeight * s.inWidth * s.inChannels;
  return {
    label: convLabel(s, "input gradient"),
    source: specialize(inputGradShader, constants(s)),
    workgroups: linearWorkgroups(Math.ceil(elements / WORKGROUP)),
    ...convCost(s),
  };
}

export function generalWeightGrad(s: ConvShape): SplitKernel {
  const elements = s.kernelHeight * s.kernelWidth * (s.inChannels / s.groups) * s.outChannels;
  const splits = splitRows(s.batch * s.outHeight, elements / WORKGROUP, WANTED_WORKGROUPS);
  const kernel = {
    label: convLabel(s, "weight gradient"),
    source: specialize(weightGradShader, { ...constants(s), SPLITS: splits }),
    workgroups: linearWorkgroups(Math.ceil(splits * elements / WORKGROUP)),
    ...convCost(s, splits),
  };
  return { kernel, splits };
}

function constants(s: ConvShape) {
  return {
    ...windowConstants(s),
    IN_CHANNELS: s.inChannels,
    OUT_CHANNELS: s.outChannels,
    GROUPS: s.groups,
  };
}
