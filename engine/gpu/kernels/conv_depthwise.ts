/** Depthwise convolution (groups = C = K) in vec4s of channels. */
import weightGradShader from "../../../shaders/conv/depthwise_weight_grad.wgsl" with {
  type: "text",
};
import depthwiseShader from "../../../shaders/conv/depthwise.wgsl" with { type: "text" };
import { type Operand, read, type SplitKernel, written } from "../kernel.ts";
import { directionConstants, directionOf, phaseExtent, runConstants } from "./conv_direction.ts";
import {
  convCost,
  convLabel,
  type ConvShape,
  convSizes,
  evenTile,
  type Family,
  splitRows,
  windowConstants,
} from "./conv_shape.ts";
import { storageOf, type Target } from "./target.ts";

const WORKGROUP = 64;
const PIXELS = 8;
/** Threads, of those that keep an adapter busy, for each workgroup that a weight gradient wants. */
const THREADS_A_WORKGROUP = 128;
/** Wider kernels would unroll into too much code. */
const MAX_KERNEL_WIDTH = 9;

export const depthwise: Family = {
  takes: (s) =>
    s.groups === s.inChannels && s.groups === s.outChannels && s.groups % 4 === 0 &&
    s.kernelWidth <= MAX_KERNEL_WIDTH,
  faces: {
    forward: (s, target) => directed(s, false, target),
    "input gradient": (s, target) => directed(s, true, target),
    "weight gradient": weightGrad,
  },
};

function directed(s: ConvShape, adjoint: boolean, target: Target): SplitKernel {
  const direction = directionOf(s, adjoint);
  const { height, width } = direction;
  const pixels = evenTile(phaseExtent(width), PIXELS);
  const threads = s.batch * s.groups / 4 * height.phases * width.phases *
    phaseExtent(height) * Math.ceil(phaseExtent(width) / pixels);
  const { x, w, y } = convSizes(s);
  const kernel = {
    label: convLabel(s, adjoint ? "input gradient" : "forward"),
    shader: depthwiseShader,
    operands: [
      vectors("own", adjoint ? y : x, target),
      vectors("weight", w, target),
      written("result", "vec4<f32>"),
    ],
    constants: {
      ...directionConstants(direction),
      ...runConstants(direction),
      CHANNELS: s.groups,
      PIXELS: pixels,
    },
    workgroups: Math.ceil(threads / WORKGROUP),
    ...convCost(s),
  };
  return { kernel, splits: 1 };
}

function weightGrad(s: ConvShape, target: Target): SplitKernel {
  const threads = s.groups / 4 * s.kernelHeight;
  const wanted = target.threads / THREADS_A_WORKGROUP;
  const splits = splitRows(s.batch * s.outHeight, threads / WORKGROUP, wanted);
  const { x, y } = convSizes(s);
  const kernel = {
    label: convLabel(s, "weight gradient"),
    shader: weightGradShader,
    operands: [
      vectors("x", x, target),
      vectors("dy", y, target),
      written("parts", "vec4<f32>"),
    ],
    constants: {
      ...windowConstants(s),
      CHANNELS: s.groups,
      SPLITS: splits,
      PIXELS: evenTile(s.outWidth, PIXELS),
    },
    workgroups: Math.ceil(splits * threads / WORKGROUP),
    ...convCost(s, splits),
  };
  return { kernel, splits };
}

/** An operand of `count` values, read as vec4s. */
function vectors(name: string, count: number, target: Target): Operand {
  return read(name, "vec4<f32>", storageOf("vec4<f32>", count / 4, "few", target));
}
