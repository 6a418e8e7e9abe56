/** The general convolution kernels: any shape, one element of the result a thread. */
import weightGradShader from "../../../shaders/conv/weight_grad.wgsl" with { type: "text" };
import forwardShader from "../../../shaders/conv/forward.wgsl" with { type: "text" };
import inputGradShader from "../../../shaders/conv/input_grad.wgsl" with { type: "text" };
import { linearWorkgroups, specialize, type SplitKernel } from "../kernel.ts";
import type { ConvShape } from "./conv.ts";
import { convCost, convLabel, type Face, splitRows, windowConstants } from "./conv_shape.ts";
import { PLAIN, type Target } from "./target.ts";

const WORKGROUP = 64;
/** Any face, for the plain target. */
export function generalFace(s: ConvShape, face: Face): SplitKernel {
  switch (face) {
    case "forward":
      return generalForward(s);
    case "input gradient":
      return generalInputGrad(s);
    case "weight gradient":
      return generalWeightGrad(s, PLAIN);
  }
}

export function generalForward(s: ConvShape): SplitKernel {
  const elements = s.batch * s.outHeight * s.outWidth * s.outChannels;
  const kernel = {
    label: convLabel(s, "forward"),
    source: specialize(forwardShader, constants(s)),
    workgroups: linearWorkgroups(Math.ceil(elements / WORKGROUP)),
    ...convCost(s),
  };
  return { kernel, splits: 1 };
}

export function generalInputGrad(s: ConvShape): SplitKernel {
  const elements = s.batch * s.inHeight * s.inWidth * s.inChannels;
  const kernel = {
    label: convLabel(s, "input gradient"),
    source: specialize(inputGradShader, constants(s)),
    workgroups: linearWorkgroups(Math.ceil(elements / WORKGROUP)),
    ...convCost(s),
  };
  return { kernel, splits: 1 };
}

export function generalWeightGrad(s: ConvShape, target: Target): SplitKernel {
  const elements = s.kernelHeight * s.kernelWidth * (s.inChannels / s.groups) * s.outChannels;
  const splits = splitRows(
    s.batch * s.outHeight,
    elements / WORKGROUP,
    target.threads / WORKGROUP,
  );
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
