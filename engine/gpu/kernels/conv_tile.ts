/**
 * Convolution as register tiles: shaders/conv/tile.wgsl for forward and input
 * gradient, weight_tile.wgsl for the weight gradient. Here the sizes of the tiles are chosen.
 */
import tileShader from "../../../shaders/conv/tile.wgsl" with { type: "text" };
import weightTileShader from "../../../shaders/conv/weight_tile.wgsl" with { type: "text" };
import { type Constant, type Kernel, linearWorkgroups, specialize } from "../kernel.ts";
import type { ConvShape, SplitKernel } from "./conv.ts";
import { generalFace } from "./conv_general.ts";
import {
  convCost,
  convLabel,
  directedConstants,
  evenTile,
  splitRows,
  windowConstants,
} from "./conv_shape.ts";
import { retarget, type Target, workgroupSize } from "./target.ts";
import { choose } from "./variant.ts";

/** Pixels of a tile: more share the weights better, but their sums no longer fit the registers. */
const PIXELS = 8;
/** Most vec4 multiply-adds unrolled in the inner loop: more take seconds to compile. */
const MAX_UNROLLED = 512;
/** Taps of one kernel row that a thread of the weight gradient takes. */
const MAX_TAPS = 4;
/** Workgroups that keep an adapter busy. */
const WANTED_WORKGROUPS = 64;

/** Whether the tiles take this shape: output channels, and those of every group, in whole vec4s. */
export function takesTile(s: ConvShape): boolean {
  const groupIn = s.inChannels / s.groups, groupOut = s.outChannels / s.groups;
  return groupOut % 4 === 0 && (s.groups === 1 || groupIn % 4 === 0);
}

export function tileForward(s: ConvShape, target: Target): Kernel {
  return directed(s, false, target);
}

export function tileInputGrad(s: ConvShape, target: Target): Kernel {
  return directed(s, true, target);
}

function directed(shape: ConvShape, adjoint: boolean, target: Target): Kernel {
  const s = flatten(shape);
  const window = directedConstants(s, adjoint);
  const [inChannels, outChannels] = adjoint
    ? [s.outChannels, s.inChannels]
    : [s.inChannels, s.outChannels];
  const rows = Math.ceil(Number(window.OUT_HEIGHT) / Number(window.PHASES_H));
  const columns = Math.ceil(Number(window.OUT_WIDTH) / Number(window.PHASES_W));
  const slots = Math.ceil(Number(window.KERNEL_WIDTH) / Number(window.TAP_STRIDE_W));
  const groupOut = Math.ceil(outChannels / s.groups / 4);
  const face = adjoint ? "input gradient" : "forward";
  const label = convLabel(shape, face);
  const make = (tile: Tile): Kernel => {
    const own = ownLayout(inChannels, window, tile.pixels);
    const result = outChannels % 4 === 0 ? "vectors" : "scalars";
    const { source, textures } = retarget(tileShader, target, { own, result });
    const channelTiles = s.groups * Math.ceil(groupOut / tile.vectors);
    const lanes = Math.ceil(tile.count / target.lanes) * target.lanes;
    const threads = channelTiles * Number(window.PHASES_H) * Number(window.PHASES_W) * lanes;
    return {
      label,
      source: specialize(source, {
        ...window,
        IN_CHANNELS: inChannels,
        OUT_CHANNELS: outChannels,
        GROUPS: s.groups,
        SKEW: own === "packed" ? (4 - Number(window.PADDING_W) * inChannels % 4) % 4 : 0,
        IMAGES: tile.images,
        PIXELS: tile.pixels,
        VECTORS: tile.vectors,
        LANES: target.lanes,
        WORKGROUP: workgroupSize(target),
      }),
      workgroups: linearWorkgroups(Math.ceil(threads / workgroupSize(target))),
      textures,
      takesEpilogue: result === "vectors",
      ...convCost(shape),
    };
  };
  const limits = [{ pixels: PIXELS, vectors: maxVectors(target, slots) }, ...OTHER_LIMITS];
  const variants = new Map(limits.map((limit) => {
    const tile = chooseTile(s.batch, rows, columns, slots, groupOut, target, limit);
    const name = `${tile.images} x ${tile.pixels} pixels by ${4 * tile.vectors} channels`;
    return [name, { name, make: () => make(tile) }];
  }));
  return choose({
    shapeClass: label,
    variants: [...variants.values()],
    splits: 1,
    reference: () => generalFace(shape, face),
  }, target);
}

/** How the pixels of a run, at least `pixels` of them, lie in memory. */
function ownLayout(channels: number, window: Record<string, Constant>, pixels: number) {
  if (channels % 4 === 0) return "vectors";
  const step = pixels * Number(window.PIXEL_STEP);
  const aligned = [step, Number(window.IN_WIDTH)].every((n) => n * channels % 4 === 0);
  if (window.ADJOINT || channels > 3 || !aligned) return "scalars";
  return "packed";
}

/** Most pixels and vectors of channels of a thread's tile. */
interface Limit {
  readonly pixels: number;
  readonly vectors: number;
}

/** What a tuner tries beside the limits that are the best as a rule. */
const OTHER_LIMITS: readonly Limit[] = [
  { pixels: 8, vectors: 2 },
  { pixels: 4, vectors: 4 },
  { pixels: 4, vectors: 8 },
  { pixels: 12, vectors: 2 },
  { pixels: 16, vectors: 2 },
];

/** What one thread computes, and how many such pixel tiles there are in each phase. */
interface Tile {
  readonly images: number;
  readonly pixels: number;
  readonly vectors: number;
  readonly count: number;
}

function chooseTile(
  batch: number,
  rows: number,
  columns: number,
  slots: number,
  channelVectors: number,
  target: Target,
  limit: Limit,
): Tile {
  const unrolled = (pixels: number, vectors: number) => 4 * slots * pixels * vectors;
  const count = (pixels: number, images: number) =>
    Math.ceil(batch / images) * rows * Math.ceil(columns / pixels);
  let pixels = evenTile(columns, limit.pixels);
  while (pixels > 1 && (count(pixels, 1) < target.lanes || unrolled(pixels, 1) > MAX_UNROLLED)) {
    pixels = Math.ceil(pixels / 2);
  }
  const fitting = Math.max(1, Math.floor(MAX_UNROLLED / unrolled(pixels, 1)));
  const vectors = evenTile(channelVectors, Math.min(fitting, limit.vectors));
  let images = 1;
  while (
    2 * images * pixels <= limit.pixels && count(pixels, 2 * images) >= 2 * target.lanes &&
    unrolled(2 * images * pixels, vectors) <= MAX_UNROLLED
  ) images *= 2;
  return { images, pixels, vectors, count: count(pixels, images) };
}

/**
 * Output vectors of a tile, where `taps` of a kernel row share a load. Shared loads pay for more sums
 * a thread; but with three taps 8 vectors were no faster than 4 and took twice as long to compile.
 */
function maxVectors(target: Target, taps: number): number {
  if (target.lanes === 1) return 2;
  return taps === 1 ? 8 : 4;
}

/** A 1 x 1 convolution is a matrix product, and its pixels are one long row. */
function flatten(s: ConvShape): ConvShape {
  const plain = [s.kernelHeight, s.kernelWidth, ...s.stride].every((n) => n === 1) &&
    s.padding.every((n) => n === 0) && s.inHeight === s.outHeight && s.inWidth === s.outWidth;
  if (!plain) return s;
  const pixels = s.batch * s.outHeight * s.outWidth;
  return { ...s, batch: 1, inHeight: 1, outHeight: 1, inWidth: pixels, outWidth: pixels };
}

export function tileWeightGrad(s: ConvShape, target: Target): SplitKernel {
  const groupIn = Math.ceil(s.inChannels / s.groups / 4);
  const groupOut = s.outChannels / s.groups / 4;
  // Taps on their own fill the lanes where there are few input channels.
  const taps = s.kernelHeight * groupIn < target.lanes ? 1 : evenTile(s.kernelWidth, MAX_TAPS);
  const vectors = evenTile(groupOut, maxVectors(target, taps));
  const tiles = s.kernelHeight * Math.ceil(s.kernelWidth / taps) * groupIn;
  const lanes = Math.ceil(tiles / target.lanes) * target.lanes;
  const threads = s.groups * Math.ceil(groupOut / vectors) * lanes;
  const workgroup = workgroupSize(target);
  const pixels = evenTile(s.outWidth, PIXELS);
  const runs = s.batch * s.outHeight * Math.ceil(s.outWidth / pixels);
  const splits = splitRows(runs, threads / workgroup, WANTED_WORKGROUPS);
  const { source, textures } = retarget(weightTileShader, target, {
    own: s.inChannels % 4 === 0 ? "vectors" : "scalars",
    result: "vectors",
  });
  const kernel = {
    label: convLabel(s, "weight gradient"),
    source: specialize(source, {
      ...windowConstants(s),
      IN_CHANNELS: s.inChannels,
      OUT_CHANNELS: s.outChannels,
      GROUPS: s.groups,
      SPLITS: splits,
      TAPS: taps,
      PIXELS: pixels,
      VECTORS: vectors,
      LANES: target.lanes,
      WORKGROUP: workgroup,
    }),
    workgroups: linearWorkgroups(Math.ceil(splits * threads / workgroup)),
    textures,
    ...convCost(s, splits),
  };
  return { kernel, splits };
}
