/**
 * The ladder of a convolution kernel (shaders/ladder): the same 3 x 3 convolution written eight
 * times, each with one idea more than the one before, as kernels that run on any device.
 */

import addPartsShader from "../../shaders/ladder/add_parts.wgsl" with { type: "text" };
import bankPaddingShader from "../../shaders/ladder/bank_padding.wgsl" with { type: "text" };
import doubleBufferShader from "../../shaders/ladder/double_buffer.wgsl" with { type: "text" };
import naiveShader from "../../shaders/ladder/naive.wgsl" with { type: "text" };
import registerTileShader from "../../shaders/ladder/register_tile.wgsl" with { type: "text" };
import splitSumsShader from "../../shaders/ladder/split_sums.wgsl" with { type: "text" };
import swizzleShader from "../../shaders/ladder/swizzle.wgsl" with { type: "text" };
import vec4Shader from "../../shaders/ladder/vec4.wgsl" with { type: "text" };
import workgroupSlabShader from "../../shaders/ladder/workgroup_slab.wgsl" with { type: "text" };
import { ExitCode, UserError } from "../errors.ts";
import { type Kernel, read, Scratch, type Stage, written } from "../gpu/kernel.ts";

/** Of x [batch, height, width, inChannels] and y; the kernel is 3 x 3, the stride 1, the padding 1. */
export interface LadderShape {
  readonly batch: number;
  readonly height: number;
  readonly width: number;
  readonly inChannels: number;
  readonly outChannels: number;
}

/** One way to write the kernel. */
export interface Rung {
  /** As its file is named: "bank_padding". */
  readonly name: string;
  /** The idea that it adds, in a few words. */
  readonly idea: string;
  /** Bytes that its threads ask for, a multiply-add: of buffers, and of workgroup memory. */
  readonly bufferBytes: number;
  readonly workgroupBytes: number;
  /** Bytes of workgroup memory that a workgroup takes. */
  readonly workgroupMemory: number;
  /** Its kernels for a shape; operand 0 is x, operand 1 is w. */
  stages(shape: LadderShape): Stage[];
}

/** Pixels, output channels and inner elements of a workgroup's block. */
const BLOCK = 64;
const DEPTH = 8;
/** Pixels and channels of a thread's tile, and threads of a workgroup. */
const TILE = 8;
const THREADS = 64;
/** Workgroups that are wanted where sums are split, and the fewest slabs that make a part. */
const WANTED = 256;
const FEWEST_SLABS = 9;

/** A slab of pixels and one of weights. */
const SLAB_BYTES = 4 * DEPTH * (BLOCK + BLOCK);
/** A vec4 at the end of each of eight rows, in two halves. */
const PAD_BYTES = 2 * 8 * 16;
const blockBytes = 4 * (1 / BLOCK + 1 / BLOCK);
const tileBytes = 4 * (1 / TILE + 1 / TILE);

const pixelsOf = ({ batch, height, width }: LadderShape): number => batch * height * width;

/** Blocks of the result. */
const blocksOf = (shape: LadderShape): number =>
  Math.ceil(pixelsOf(shape) / BLOCK) * Math.ceil(shape.outChannels / BLOCK);

/** Slabs along the inner dimension. */
const slabsOf = ({ inChannels }: LadderShape): number => 9 * inChannels / DEPTH;

/**
 * In how many parts the last rung splits its sums, and the slabs of each. At least in two, so that
 * there is something to see. It follows from the shape alone, and so do the bits.
 */
export function splitsOf(shape: LadderShape): { splits: number; slabs: number } {
  const most = Math.max(2, Math.floor(slabsOf(shape) / FEWEST_SLABS));
  const wanted = Math.min(most, Math.max(2, Math.ceil(WANTED / blocksOf(shape))));
  const slabs = Math.ceil(slabsOf(shape) / wanted);
  return { splits: Math.ceil(slabsOf(shape) / slabs), slabs };
}

/** Operations, and least bytes: x, w and y once. */
export function ladderCost(shape: LadderShape): { flops: number; bytes: number } {
  const { inChannels, outChannels } = shape;
  const pixels = pixelsOf(shape);
  return {
    flops: 2 * 9 * pixels * inChannels * outChannels,
    bytes: 4 * (pixels * (inChannels + outChannels) + 9 * inChannels * outChannels),
  };
}

const constantsOf = (shape: LadderShape) => ({
  BATCH: shape.batch,
  HEIGHT: shape.height,
  WIDTH: shape.width,
  IN_CHANNELS: shape.inChannels,
  OUT_CHANNELS: shape.outChannels,
});

/** A rung that is a single kernel from x and w to y. */
function single(
  rung: Omit<Rung, "stages">,
  shader: string,
  element: "f32" | "vec4<f32>",
  workgroups: (shape: LadderShape) => number,
): Rung {
  const stages = (shape: LadderShape): Stage[] => {
    const kernel: Kernel = {
      label: `ladder ${rung.name}`,
      shader,
      operands: [read("x", element), read("w", element), written("y", element)],
      constants: constantsOf(shape),
      workgroups: workgroups(shape),
      ...ladderCost(shape),
    };
    return [{ kernel, places: [0, 1, "result"] }];
  };
  return { ...rung, stages };
}

/** The last rung: a kernel that leaves parts, and one that adds them. */
function splitStages(shape: LadderShape): Stage[] {
  const { splits, slabs } = splitsOf(shape);
  const vectors = pixelsOf(shape) * shape.outChannels / 4;
  const cost = ladderCost(shape);
  const parts = new Scratch([splits, 4 * vectors]);
  const sums: Kernel = {
    label: "ladder split_sums",
    shader: splitSumsShader,
    operands: [read("x", "vec4<f32>"), read("w", "vec4<f32>"), written("parts", "vec4<f32>")],
    constants: { ...constantsOf(shape), SPLITS: splits, SPLIT_SLABS: slabs },
    workgroups: splits * blocksOf(shape),
    flops: cost.flops,
    bytes: cost.bytes + 16 * (splits - 1) * vectors,
  };
  const added: Kernel = {
    label: "ladder add_parts",
    shader: addPartsShader,
    operands: [read("parts", "vec4<f32>"), written("y", "vec4<f32>")],
    constants: { SPLITS: splits, COUNT: vectors },
    workgroups: Math.ceil(vectors / 64),
    flops: 4 * (splits - 1) * vectors,
    bytes: 16 * (splits + 1) * vectors,
  };
  return [
    { kernel: sums, places: [0, 1, parts] },
    { kernel: added, places: [parts, "result"] },
  ];
}

const inBuffers = (bufferBytes: number) => ({ bufferBytes, workgroupBytes: 0, workgroupMemory: 0 });
const inSlabs = (workgroupMemory: number) => ({
  bufferBytes: blockBytes,
  workgroupBytes: tileBytes,
  workgroupMemory,
});

/** From the formula up. */
export const LADDER: readonly Rung[] = [
  single(
    { name: "naive", idea: "the formula, an element a thread", ...inBuffers(8) },
    naiveShader,
    "f32",
    (shape) => Math.ceil(pixelsOf(shape) * shape.outChannels / THREADS),
  ),
  single(
    { name: "vec4", idea: "four numbers a load", ...inBuffers(5) },
    vec4Shader,
    "vec4<f32>",
    (shape) => Math.ceil(pixelsOf(shape) * shape.outChannels / 4 / THREADS),
  ),
  single(
    { name: "register_tile", idea: "8 x 8 sums in registers", ...inBuffers(tileBytes) },
    registerTileShader,
    "vec4<f32>",
    (shape) =>
      Math.ceil(
        Math.ceil(pixelsOf(shape) / TILE) * Math.ceil(shape.outChannels / TILE) / THREADS,
      ),
  ),
  single(
    { name: "workgroup_slab", idea: "slabs in workgroup memory", ...inSlabs(SLAB_BYTES) },
    workgroupSlabShader,
    "vec4<f32>",
    blocksOf,
  ),
  single(
    { name: "double_buffer", idea: "the next slab under way", ...inSlabs(2 * SLAB_BYTES) },
    doubleBufferShader,
    "vec4<f32>",
    blocksOf,
  ),
  single(
    {
      name: "bank_padding",
      idea: "rows on different banks",
      ...inSlabs(2 * SLAB_BYTES + PAD_BYTES),
    },
    bankPaddingShader,
    "vec4<f32>",
    blocksOf,
  ),
  single(
    { name: "swizzle", idea: "the same without padding", ...inSlabs(2 * SLAB_BYTES) },
    swizzleShader,
    "vec4<f32>",
    blocksOf,
  ),
  {
    name: "split_sums",
    idea: "sums in parts, added in order",
    ...inSlabs(2 * SLAB_BYTES + PAD_BYTES),
    stages: splitStages,
  },
];

/** @throws UserError (usage) where no rung could compute it */
export function requireLadderShape({ inChannels, outChannels }: LadderShape): void {
  const wrong = inChannels % DEPTH !== 0
    ? `input channels come in slabs of ${DEPTH}, and ${inChannels} are no whole number of them`
    : outChannels % 4 !== 0
    ? `output channels come in vec4s, and ${outChannels} are no whole number of them`
    : undefined;
  if (wrong === undefined) return;
  throw new UserError(
    `the ladder: ${wrong}`,
    ExitCode.usage,
    "its kernels are kept short for reading; the engine's own (shaders/conv) take any number",
  );
}
