/** Depthwise convolution (groups = C = K) in vec4s of channels. */
import weightGradShader from "../../../shaders/conv/depthwise_weight_grad.wgsl" with {
  type: "text",
};
import depthwiseShader from "../../../shaders/conv/depthwise.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import type { ConvShape, SplitKernel } from "./conv.ts";
import {
  convCost,
  convLabel,
  directedConstants,
  evenTile,
  splitRows,
  windowConstants,
} from "./conv_shape.ts";
import { declareOperands, type Operand } from "./operands.ts";
import type { Target } from "./target.ts";

const WORKGROUP = 64;
const PIXELS = 8;
/** Threads, of those that keep an adapter busy, for each workgroup that a weight gradient wants. */
const THREADS_A_WORKGROUP = 128;
/** Wider kernels would unroll into too much code. */
const MAX_KERNEL_WIDTH = 9;

export function takesDepthwise(s: ConvShape): boolean {
  return s.groups === s.inChannels && s.groups === s.outChannels && s.groups % 4 === 0 &&
    s.kernelWidth <= MAX_KERNEL_WIDTH;
}

export function depthwiseForward(s: ConvShape, target: Target): Kernel {
  return directed(s, false, target);
}

export function depthwiseInputGrad(s: ConvShape, target: Target): Kernel {
  return directed(s, true, target);
}

function directed(s: ConvShape, adjoint: boolean, target: Target): Kernel {
  const [height, width] = adjoint ? [s.inHeight, s.inWidth] : [s.outHeight, s.outWidth];
  const [phasesH, phasesW] = adjoint ? s.stride : [1, 1];
  const columns = Math.ceil(width / phasesW);
  const pixels = evenTile(columns, PIXELS);
  const threads = s.batch * s.groups / 4 * phasesH * phasesW *
    Math.ceil(height / phasesH) * Math.ceil(columns / pixels);
  const { source, textures } = declare(depthwiseShader, ["own", "weight"], "result", target);
  return {
    label: convLabel(s, adjoint ? "input gradient" : "forward"),
    source: specialize(source, {
      ...directedConstants(s, adjoint),
      CHANNELS: s.groups,
      PIXELS: pixels,
    }),
    workgroups: linearWorkgroups(Math.ceil(threads / WORKGROUP)),
    textures,
    ...convCost(s),
  };
}

export function depthwiseWeightGrad(s: ConvShape, target: Target): SplitKernel {
  const threads = s.groups / 4 * s.kernelHeight;
  const wanted = target.threads / THREADS_A_WORKGROUP;
  const splits = splitRows(s.batch * s.outHeight, threads / WORKGROUP, wanted);
  const { source, textures } = declare(weightGradShader, ["x", "dy"], "parts", target);
  const kernel = {
    label: convLabel(s, "weight gradient"),
    source: specialize(source, {
      ...windowConstants(s),
      CHANNELS: s.groups,
      SPLITS: splits,
      PIXELS: evenTile(s.outWidth, PIXELS),
    }),
    workgroups: linearWorkgroups(Math.ceil(splits * threads / WORKGROUP)),
    textures,
    ...convCost(s, splits),
  };
  return { kernel, splits };
}

/** The shader with its operands declared for the target. */
function declare(shader: string, inputs: readonly string[], output: string, target: Target) {
  const operand = (name: string): Operand => ({ name, dtype: "f32" });
  const { text, textures } = declareOperands(inputs.map(operand), operand(output), 4, target);
  return { source: replaceRegion(shader, "memory", text), textures };
}
