/**
 * Convolution on GPUs, as blocks in workgroup memory: shaders/conv/block.wgsl for forward and input
 * gradient, weight_block.wgsl for the weight gradient. A row of the product is a pixel or, in the
 * weight gradient, a weight of an output channel.
 */
import blockShader from "../../../shaders/conv/block.wgsl" with { type: "text" };
import weightBlockShader from "../../../shaders/conv/weight_block.wgsl" with { type: "text" };
import {
  type Kernel,
  linearWorkgroups,
  replaceRegion,
  specialize,
  type SplitKernel,
} from "../kernel.ts";
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
import type { ConvShape } from "./conv.ts";
import { generalFace } from "./conv_general.ts";
import {
  convCost,
  convLabel,
  directedConstants,
  type Face,
  windowConstants,
} from "./conv_shape.ts";
import { RESULT_SCALARS, type Target } from "./target.ts";
import { choose } from "./variant.ts";

/**
 * Whether blocks take this shape on the target: output channels in whole vec4s and, where there are
 * groups, those of every group on both sides.
 */
export function takesBlock(s: ConvShape, target: Target): boolean {
  if (target.workgroupMemory === 0) return false;
  const [inChannels, outChannels] = [s.inChannels / s.groups, s.outChannels / s.groups];
  return outChannels % 4 === 0 && (s.groups === 1 || inChannels % 4 === 0);
}

export function blockForward(s: ConvShape, target: Target): SplitKernel {
  return directed(s, false, target);
}

export function blockInputGrad(s: ConvShape, target: Target): SplitKernel {
  return directed(s, true, target);
}

function directed(s: ConvShape, adjoint: boolean, target: Target): SplitKernel {
  const { PIXEL_STEP: _, SLOT_STEP: __, ...window } = directedConstants(s, adjoint);
  const [inChannels, outChannels] = adjoint
    ? [s.outChannels, s.inChannels]
    : [s.inChannels, s.outChannels];
  const size = (name: string) => Number(window[name]);
  const over = (name: string, divisor: string) => Math.ceil(size(name) / size(divisor));
  const taps = over("KERNEL_HEIGHT", "TAP_STRIDE_H") * over("KERNEL_WIDTH", "TAP_STRIDE_W");
  const groupIn = inChannels / s.groups;
  const product: Product = {
    rows: s.batch * over("OUT_HEIGHT", "PHASES_H") * over("OUT_WIDTH", "PHASES_W"),
    columns: outChannels / s.groups,
    inner: 4 * Math.ceil(taps * groupIn / 4),
    count: s.groups * size("PHASES_H") * size("PHASES_W"),
  };
  const split = splitInner(product, target);
  const face: Face = adjoint ? "input gradient" : "forward";
  let shader = blockShader;
  if (groupIn % 4 !== 0) {
    shader = replaceRegion(shader, "own", OWN_SCALARS);
    shader = replaceRegion(shader, "inner", INNER_SCALARS);
  }
  if (outChannels % 4 !== 0) shader = replaceRegion(shader, "result", RESULT_SCALARS);
  const cost = convCost(s);
  const resultBytes = 4 * s.batch * size("OUT_HEIGHT") * size("OUT_WIDTH") * outChannels;
  return chooseBlock(s, face, product, split, target, (block) => ({
    source: specialize(shader, {
      ...window,
      IN_CHANNELS: inChannels,
      OUT_CHANNELS: outChannels,
      GROUPS: s.groups,
      SPLITS: split.splits,
      SPLIT_VECTORS: split.length / 4,
      PIXELS: block.rows,
      VECTORS: block.columns / 4,
      DEPTH: block.depth / 4,
      ...threadConstants(block),
    }),
    ...cost,
    bytes: cost.bytes + (split.splits - 1) * resultBytes,
    takesEpilogue: split.splits === 1 && outChannels % 4 === 0,
  }));
}

export function blockWeightGrad(s: ConvShape, target: Target): SplitKernel {
  const groupIn = s.inChannels / s.groups;
  const product: Product = {
    rows: 4 * Math.ceil(s.kernelHeight * s.kernelWidth * groupIn / 4),
    columns: s.outChannels / s.groups,
    inner: s.batch * s.outHeight * s.outWidth,
    count: s.groups,
  };
  const split = splitInner(product, target);
  const shader = groupIn % 4 === 0
    ? weightBlockShader
    : replaceRegion(weightBlockShader, "own", X_SCALARS);
  return chooseBlock(s, "weight gradient", product, split, target, (block) => ({
    source: specialize(shader, {
      ...windowConstants(s),
      IN_CHANNELS: s.inChannels,
      OUT_CHANNELS: s.outChannels,
      GROUPS: s.groups,
      SPLITS: split.splits,
      SPLIT_PIXELS: split.length,
      VECTORS_Y: block.rows / 4,
      VECTORS_X: block.columns / 4,
      SLAB: block.depth,
      ...threadConstants(block),
    }),
    ...convCost(s, split.splits),
  }));
}

function threadConstants(block: Block) {
  return {
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
  make: (block: Block) => Pick<Kernel, "source" | "flops" | "bytes" | "takesEpilogue">,
): SplitKernel {
  const label = convLabel(s, face);
  const product = { ...whole, inner: Math.min(whole.inner, length), count: splits * whole.count };
  const variants = blocksFor(product, target).map((block) => ({
    name: blockName(block),
    make: (): Kernel => {
      return { label, workgroups: linearWorkgroups(tilesOf(block, product)), ...make(block) };
    },
  }));
  const reference = () => generalFace(s, face);
  return { kernel: choose({ shapeClass: label, variants, splits, reference }, target), splits };
}

/** Pixels whose channels are no whole vec4s: four neighbours of the flat inner dimension. */
const OWN_SCALARS = `
@group(0) @binding(0) var<storage, read> own: array<f32>;

fn load_own(window: Window, inner: Inner, block: Block) -> Loaded {
  var loaded: Loaded;
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    let tap = (4u * inner.index + i) / GROUP_IN;
    let down = step_h(tap / KERNEL_WIDTH);
    let right = step_w(tap % KERNEL_WIDTH);
    let pixel = u32(window.pixel + down * i32(IN_WIDTH) + right);
    loaded.value[i] = own[pixel * IN_CHANNELS + (4u * inner.index + i) % GROUP_IN];
    loaded.inside[i] = inner.index < block.end && tap < KERNEL_HEIGHT * KERNEL_WIDTH &&
      u32(window.top + down) < IN_HEIGHT && u32(window.left + right) < IN_WIDTH;
  }
  return loaded;
}`;

const INNER_SCALARS = `
let inner_vectors = (rows * block.columns * GROUP_IN + 3u) / 4u;`;

/** The same for the weight gradient: four rows, each with its own tap and channel. */
const X_SCALARS = `
@group(0) @binding(0) var<storage, read> x: array<f32>;

fn load_rows(pixel: u32, row_vector: u32, group: u32) -> Loaded {
  var loaded: Loaded;
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    let tap = (4u * row_vector + i) / GROUP_IN;
    let h = tap_row(pixel, tap / KERNEL_WIDTH);
    let w = tap_column(pixel, tap % KERNEL_WIDTH);
    let at = u32((i32(pixel / (OUT_HEIGHT * OUT_WIDTH) * IN_HEIGHT) + h) * i32(IN_WIDTH) + w);
    loaded.value[i] = x[at * IN_CHANNELS + (4u * row_vector + i) % GROUP_IN];
    loaded.inside[i] = u32(h) < IN_HEIGHT && u32(w) < IN_WIDTH;
  }
  return loaded;
}`;
