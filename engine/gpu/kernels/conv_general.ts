/** The general convolution kernels: any shape, one element of the result a thread. */
import forwardShader from "../../../shaders/conv/forward.wgsl" with { type: "text" };
import inputGradShader from "../../../shaders/conv/input_grad.wgsl" with { type: "text" };
import weightGradShader from "../../../shaders/conv/weight_grad.wgsl" with { type: "text" };
import { read, type SplitKernel, written } from "../kernel.ts";
import {
  channelConstants,
  convCost,
  convLabel,
  type ConvShape,
  convSizes,
  type Family,
  splitRows,
  windowConstants,
} from "./conv_shape.ts";
import type { Target } from "./target.ts";

const WORKGROUP = 64;

export const general: Family = {
  takes: () => true,
  faces: { forward, "input gradient": inputGrad, "weight gradient": weightGrad },
};

function forward(s: ConvShape): SplitKernel {
  const kernel = {
    label: convLabel(s, "forward"),
    shader: forwardShader,
    operands: [read("x", "f32"), read("w", "f32"), written("y", "f32")],
    constants: constants(s),
    workgroups: Math.ceil(convSizes(s).y / WORKGROUP),
    ...convCost(s),
  };
  return { kernel, splits: 1 };
}

function inputGrad(s: ConvShape): SplitKernel {
  const kernel = {
    label: convLabel(s, "input gradient"),
    shader: inputGradShader,
    operands: [read("dy", "f32"), read("w", "f32"), written("dx", "f32")],
    constants: constants(s),
    workgroups: Math.ceil(convSizes(s).x / WORKGROUP),
    ...convCost(s),
  };
  return { kernel, splits: 1 };
}

function weightGrad(s: ConvShape, target: Target): SplitKernel {
  const elements = convSizes(s).w;
  const wanted = target.threads / WORKGROUP;
  const splits = splitRows(s.batch * s.outHeight, elements / WORKGROUP, wanted);
  const kernel = {
    label: convLabel(s, "weight gradient"),
    shader: weightGradShader,
    operands: [read("x", "f32"), read("dy", "f32"), written("parts", "f32")],
    constants: { ...constants(s), SPLITS: splits },
    workgroups: Math.ceil(splits * elements / WORKGROUP),
    ...convCost(s, splits),
  };
  return { kernel, splits };
}

function constants(s: ConvShape) {
  return { ...windowConstants(s), ...channelConstants(s) };
}
