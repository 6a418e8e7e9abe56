/** Depthwise convolution (groups = C = K) in vec4s of channels. */
import weightGradShader from "../../../shaders/conv/depthwise_weight_grad.wgsl" with {
  type: "text",
};
import depthwiseShader from "../../../shaders/conv/depthwise.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, specialize } from "../kernel.ts";
import type { ConvShape, SplitKernel } from "./conv.ts";
import {
  convCost,
  convLabel,
  directedConstants,
  evenTile,
  splitRows,
  windowConstants,
} from "./conv_shape.ts";

const WORKGROUP = 64;
const PIXELS = 8;
const WANTED_WORKGROUPS = 32;
/** Wider kernels would unroll into too much code. */
const MAX_KERNEL_WIDTH = 9;

export function takesDepthwise(s: ConvShape): boolean {
  return s.groups === s.inChannels && s.groups === s.outChannels && s.groups % 4 === 0 &&
    s.kernelWidth <= MAX_KERNEL_WIDTH;
}

export function depthwiseForward(s: ConvShape): Kernel {
  return directed(s, false);
}

export function depthwiseInputGrad(s: ConvShape): Kernel {
  return directed(s, true);
}

function directed(s: ConvShape, adjoint: boolean): Kernel {
  const [height, width] = adjoint ? [s.inHeight, s.inWidth] : [s.outHeight, s.outWidth];
  const [phasesH, phasesW] = adjoint ? s.stride : [1, 1];
  const columns = Math.ceil(width / phasesW);
  const pixels = evenTile(columns, PIXELS);
  const threads = s.batch * s.groups / 4 * phasesH * phasesW *
    Math.ceil(height / phasesH) * Math.ceil(columns / pixels);
  return {
    label: convLabel(s, adjoint ? "input gradient" : "forward"),
    source: specialize(depthwiseShader, {
      ...directedConstants(s, adjoint),
      CHANNELS: s.groups,
      PIXELS: pixels,
    }),
    workgroups: linearWorkgroups(Math.ceil(threads / WORKGROUP)),
    ...convCost(s),
  };
}

export function depthwiseWeightGrad(s: ConvShape): SplitKernel {
  const threads = s.groups / 4 * s.kernelHeight;
  const splits = splitRows(s.batch * s.outHeight, threads / WORKGROUP, WANTED_WORKGROUPS);
  const kernel = {
    label: convLabel(s, "weight gradient"),
    source: specialize(weightGradShader, {
      ...windowConstants(s),
      CHANNELS: s.groups,
      SPLITS: splits,
      PIXELS: evenTile(s.outWidth, PIXELS),
    }),
    workgroups: linearWorkgroups(Math.ceil(splits * threads / WORKGROUP)),
    ...convCost(s, splits),
  };
  return { kernel, splits };
}
