/** Depthwise convolution (groups = C = K) in vec4s of channels. */
import weightGradShader from "../../../shaders/conv/depthwise_weight_grad.wgsl" with {
  type: "text",
};
import depthwiseShader from "../../../shaders/conv/depthwise.wgsl" with { type: "text" };
import { type Operand, read, type SplitKernel, written } from "../kernel.ts";
import {
  type Direction,
  directionConstants,
  directionOf,
  phaseExtent,
  runConstants,
  runLength,
} from "./conv_direction.ts";
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
/** Most results of a phase along an axis of a thread's tile. */
const PIXELS = 8;
/** Most sums of a thread where the processor's cache stands in for registers. */
const MAX_SUMS = 25;
/** Most vec4 multiply-adds of a thread: more take long to compile. */
const MAX_UNROLLED = 256;
/** Loads that take as long as a store on a CPU adapter. */
const STORE = 6;
/** Threads, of those that keep a GPU busy, for each workgroup that a weight gradient wants. */
const THREADS_A_WORKGROUP = 128;
/** Workgroups that it wants on a CPU adapter, where each part more is one more to store. */
const WORKGROUPS = 12;
/** Larger kernels and strides would unroll into too much code. */
const MAX_EXTENT = 9;

export const depthwise: Family = {
  takes: (s) =>
    s.groups === s.inChannels && s.groups === s.outChannels && s.groups % 4 === 0 &&
    Math.max(s.kernelHeight, s.kernelWidth, ...s.stride) <= MAX_EXTENT,
  faces: {
    forward: (s, target) => directed(s, false, target),
    "input gradient": (s, target) => directed(s, true, target),
    "weight gradient": weightGrad,
  },
};

function directed(s: ConvShape, adjoint: boolean, target: Target): SplitKernel {
  const direction = directionOf(s, adjoint);
  const { height, width } = direction;
  const { rows, pixels, count } = chooseTile(direction, target);
  const threads = s.batch * s.groups / 4 * count;
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
      ...runConstants(height, "H"),
      ...runConstants(width, "W"),
      CHANNELS: s.groups,
      ROWS: rows,
      PIXELS: pixels,
    },
    workgroups: Math.ceil(threads / WORKGROUP),
    ...convCost(s),
  };
  return { kernel, splits: 1 };
}

/** What a thread computes of an image, and how many such tiles there are. */
interface Tile {
  readonly rows: number;
  readonly pixels: number;
  readonly count: number;
}

/** The tile that loads and stores least, results past the edge included. */
function chooseTile({ height, width }: Direction, target: Target): Tile {
  const most = target.textures ? MAX_SUMS : PIXELS;
  let best: Tile | undefined, least = Infinity;
  for (let j = 1; j <= Math.min(PIXELS, phaseExtent(height)); j++) {
    for (let i = 1; i <= Math.min(PIXELS, phaseExtent(width)); i++) {
      const rows = j * height.phases, pixels = i * width.phases;
      const unrolled = height.taps * width.taps * i * j;
      if (best && (rows * pixels > most || unrolled > MAX_UNROLLED)) break;
      const count = Math.ceil(height.out / rows) * Math.ceil(width.out / pixels);
      const loads = runLength(height, rows) * runLength(width, pixels) + height.taps * width.taps;
      const cost = count * (loads + STORE * rows * pixels);
      if (cost < least) [best, least] = [{ rows, pixels, count }, cost];
    }
  }
  return best!;
}

function weightGrad(s: ConvShape, target: Target): SplitKernel {
  const pixels = evenTile(s.outWidth, PIXELS);
  const sums = target.textures ? MAX_SUMS : s.kernelWidth;
  const tapRows = evenTile(s.kernelHeight, Math.floor(sums / s.kernelWidth));
  const threads = s.groups / 4 * Math.ceil(s.kernelHeight / tapRows);
  const wanted = target.textures ? WORKGROUPS : target.threads / THREADS_A_WORKGROUP;
  const runs = s.batch * s.outHeight * Math.ceil(s.outWidth / pixels);
  const splits = splitRows(runs, threads / WORKGROUP, wanted);
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
      TAP_ROWS: tapRows,
      PIXELS: pixels,
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
