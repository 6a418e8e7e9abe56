/**
 * Convolution on GPUs, as blocks in workgroup memory: shaders/conv/block.wgsl for forward and input
 * gradient, weight_block.wgsl for the weight gradient. A row of the product is a pixel or, in the
 * weight gradient, a weight of an output channel.
 */
import blockScalarsShader from "../../../shaders/conv/block_scalars.wgsl" with { type: "text" };
import blockShader from "../../../shaders/conv/block.wgsl" with { type: "text" };
import tileScalarsShader from "../../../shaders/conv/tile_scalars.wgsl" with { type: "text" };
import weightBlockScalarsShader from "../../../shaders/conv/weight_block_scalars.wgsl" with {
  type: "text",
};
import weightBlockShader from "../../../shaders/conv/weight_block.wgsl" with { type: "text" };
import { elementOf, type Kernel, read, type SplitKernel, written } from "../kernel.ts";
import { slotOf } from "../render.ts";
import {
  type Block,
  blockName,
  blocksFor,
  type InnerSplit,
  type Product,
  splitInner,
  tilesOf,
  warpColumns,
} from "./block.ts";
import {
  type Direction,
  directionConstants,
  directionOf,
  phaseConstants,
  phaseExtent,
  phaseTaps,
} from "./conv_direction.ts";
import { general } from "./conv_general.ts";
import {
  channelConstants,
  convCost,
  convLabel,
  type ConvShape,
  convSizes,
  type Face,
  type Family,
  wholeVectors,
  windowConstants,
} from "./conv_shape.ts";
import { PLAIN, type Target } from "./target.ts";
import { tuned } from "./variant.ts";

/** For targets with workgroup memory. */
export const block: Family = {
  takes: (s, target) => target.workgroupMemory > 0 && wholeVectors(s),
  faces: {
    forward: (s, target) => directed(s, false, target),
    "input gradient": (s, target) => directed(s, true, target),
    "weight gradient": weightGrad,
  },
};

/** Four numbers as an element where channels come in whole vec4s. */
const widthOf = (channels: number) => (channels % 4 === 0 ? 4 : 1);

function directed(s: ConvShape, adjoint: boolean, target: Target): SplitKernel {
  const direction = directionOf(s, adjoint);
  const { inChannels, outChannels, groups } = direction;
  const product = productOf(direction);
  const split = splitInner(product, target);
  const own = widthOf(inChannels / groups), result = widthOf(outChannels);
  const cost = convCost(s);
  const resultBytes = 4 * (adjoint ? convSizes(s).x : convSizes(s).y);
  const face = adjoint ? "input gradient" : "forward";
  return chooseBlock(s, face, product, split, target, (block) => ({
    shader: blockShader,
    operands: [
      read("own", elementOf("f32", own)),
      read("joint", "vec4<f32>"),
      written("result", elementOf("f32", result)),
    ],
    slots: {
      ...(own === 1 && { own: slotOf(blockScalarsShader, "own") }),
      ...(result === 1 && { result: slotOf(tileScalarsShader, "result") }),
    },
    constants: {
      ...directionConstants(direction),
      ...phaseConstants(direction.height, "H"),
      ...phaseConstants(direction.width, "W"),
      ...channelConstants(direction),
      SPLITS: split.splits,
      SPLIT_VECTORS: split.length / 4,
      ...blockConstants(block),
    },
    ...cost,
    bytes: cost.bytes + (split.splits - 1) * resultBytes,
    takesEpilogue: split.splits === 1 && result === 4,
  }));
}

/** Pixels of a phase by output channels of a group, over the taps of a phase. */
function productOf({ batch, groups, inChannels, outChannels, height, width }: Direction): Product {
  return {
    rows: batch * phaseExtent(height) * phaseExtent(width),
    columns: outChannels / groups,
    inner: 4 * Math.ceil(phaseTaps(height) * phaseTaps(width) * inChannels / groups / 4),
    count: groups * height.phases * width.phases,
  };
}

function weightGrad(s: ConvShape, target: Target): SplitKernel {
  const groupIn = s.inChannels / s.groups;
  const product: Product = {
    rows: 4 * Math.ceil(s.kernelHeight * s.kernelWidth * groupIn / 4),
    columns: s.outChannels / s.groups,
    inner: s.batch * s.outHeight * s.outWidth,
    count: s.groups,
  };
  const split = splitInner(product, target);
  const x = widthOf(groupIn);
  return chooseBlock(s, "weight gradient", product, split, target, (block) => ({
    shader: weightBlockShader,
    operands: [
      read("x", elementOf("f32", x)),
      read("dy", "vec4<f32>"),
      written("parts", "vec4<f32>"),
    ],
    slots: { ...(x === 1 && { own: slotOf(weightBlockScalarsShader, "own") }) },
    constants: {
      ...windowConstants(s),
      ...channelConstants(s),
      SPLITS: split.splits,
      SPLIT_PIXELS: split.length,
      ...blockConstants(block),
    },
    ...convCost(s, split.splits),
  }));
}

function blockConstants(block: Block) {
  return {
    ROWS: block.rows,
    COLUMNS: block.columns,
    DEPTH: block.depth,
    THREADS_X: block.threadsX,
    THREADS_Y: block.threadsY,
    WARP_X: warpColumns(block),
    BUFFERS: block.buffers,
  };
}

/** The kernel of the block that is tuned for the shape or else the best by estimate. */
function chooseBlock(
  s: ConvShape,
  face: Face,
  whole: Product,
  { splits, length }: InnerSplit,
  target: Target,
  make: (block: Block) => Omit<Kernel, "label" | "workgroups">,
): SplitKernel {
  const label = convLabel(s, face);
  const product = { ...whole, inner: Math.min(whole.inner, length), count: splits * whole.count };
  const variants = blocksFor(product, target).map((block) => ({
    name: blockName(block),
    make: (): Kernel => ({ label, workgroups: tilesOf(block, product), ...make(block) }),
  }));
  const reference = () => general.faces[face](s, PLAIN);
  return { kernel: tuned({ shapeClass: label, variants, splits, reference }, target), splits };
}
