/**
 * Convolution as register tiles: shaders/conv/tile.wgsl for forward and input
 * gradient, weight_tile.wgsl for the weight gradient. Here the sizes of the tiles are chosen.
 */
import aloneShader from "../../../shaders/conv/lanes_alone.wgsl" with { type: "text" };
import packedShader from "../../../shaders/conv/tile_packed.wgsl" with { type: "text" };
import scalarsShader from "../../../shaders/conv/tile_scalars.wgsl" with { type: "text" };
import tileShader from "../../../shaders/conv/tile.wgsl" with { type: "text" };
import weightTileShader from "../../../shaders/conv/weight_tile.wgsl" with { type: "text" };
import {
  elementOf,
  type Kernel,
  type Operand,
  read,
  type Slots,
  type SplitKernel,
  written,
} from "../kernel.ts";
import { slotOf } from "../render.ts";
import {
  type Axis,
  type Direction,
  directionConstants,
  directionOf,
  phaseConstants,
  phaseExtent,
  runConstants,
} from "./conv_direction.ts";
import { general } from "./conv_general.ts";
import {
  channelConstants,
  convCost,
  convLabel,
  type ConvShape,
  convSizes,
  evenTile,
  type Family,
  splitRows,
  wholeVectors,
  windowConstants,
} from "./conv_shape.ts";
import { PLAIN, storageOf, type Target, workgroupSize } from "./target.ts";
import { tuned } from "./variant.ts";

/** Most vec4 multiply-adds unrolled in the inner loop: more take seconds to compile. */
const MAX_UNROLLED = 512;
/** Taps and pixels of one row that a thread of the weight gradient takes. */
const MAX_TAPS = 4;
const MAX_PIXELS = 8;
/**
 * Workgroups of a weight gradient that keep an adapter busy; where lanes share, on a CPU adapter, each
 * part of its sums more is one more to store, and to add: with 64 a 1 x 1 took 1.5 times as long.
 */
const WANTED_WORKGROUPS = { shared: 16, alone: 64 };

export const tile: Family = {
  takes: wholeVectors,
  faces: {
    forward: (s, target) => directed(s, false, target),
    "input gradient": (s, target) => directed(s, true, target),
    "weight gradient": weightGrad,
  },
};

function directed(shape: ConvShape, adjoint: boolean, target: Target): SplitKernel {
  const direction = directionOf(flatten(shape), adjoint);
  const face = adjoint ? "input gradient" : "forward";
  const label = convLabel(shape, face);
  const usual = usualLimit(target, direction.width);
  const variants = new Map([usual, ...OTHER_LIMITS].map((limit) => {
    const size = chooseTile(direction, target, limit);
    const name = `${size.images} x ${size.pixels} pixels by ${4 * size.vectors} channels`;
    return [name, { name, make: () => ({ label, ...tileKernel(shape, direction, size, target) }) }];
  }));
  const kernel = tuned({
    shapeClass: label,
    variants: [...variants.values()],
    splits: 1,
    reference: () => general.faces[face](shape, PLAIN),
  }, target);
  return { kernel, splits: 1 };
}

function tileKernel(
  shape: ConvShape,
  direction: Direction,
  size: Tile,
  target: Target,
): Omit<Kernel, "label"> {
  const { adjoint, inChannels, outChannels, height, width } = direction;
  const own = ownLayout(direction, size.pixels);
  const result = outChannels % 4 === 0 ? "vectors" : "scalars";
  const { x, w, y } = convSizes(shape);
  const lanes = Math.ceil(size.count / target.lanes) * target.lanes;
  const threads = channelTiles(direction, size) * height.phases * lanes;
  return {
    shader: tileShader,
    operands: [
      operand("own", own, adjoint ? y : x, target),
      operand("joint", "vectors", w, target),
      written("result", elementOf("f32", result === "vectors" ? 4 : 1)),
    ],
    slots: {
      ...ownSlots(own),
      ...(result === "scalars" && { result: slotOf(scalarsShader, "result") }),
      ...laneSlots(target),
    },
    constants: {
      ...directionConstants(direction),
      ...phaseConstants(height, "H"),
      ...runConstants(width, "W"),
      ...channelConstants(direction),
      SKEW: own === "packed" ? (4 - width.padding * inChannels % 4) % 4 : 0,
      IMAGES: size.images,
      PIXELS: size.pixels,
      VECTORS: size.vectors,
      LANES: target.lanes,
      WORKGROUP: workgroupSize(target),
    },
    workgroups: Math.ceil(threads / workgroupSize(target)),
    takesEpilogue: result === "vectors",
    ...convCost(shape),
  };
}

/**
 * How the channels of an operand lie in elements: whole vec4s, single values, or fewer than four
 * channels in pixels packed into vec4s.
 */
type Layout = "vectors" | "scalars" | "packed";

/** How the pixels of a run, at least `pixels` of them, lie in memory. */
function ownLayout({ adjoint, inChannels, width }: Direction, pixels: number): Layout {
  if (inChannels % 4 === 0) return "vectors";
  const aligned = [pixels * width.pixelStep, width.in].every((n) => n * inChannels % 4 === 0);
  return adjoint || inChannels > 3 || !aligned ? "scalars" : "packed";
}

/** An operand of `count` values. */
function operand(name: string, layout: Layout, count: number, target: Target): Operand {
  const width = layout === "scalars" ? 1 : 4;
  const element = elementOf("f32", width);
  return read(name, element, storageOf(element, count / width, "many", target));
}

function ownSlots(layout: Layout): Slots {
  switch (layout) {
    case "vectors":
      return {};
    case "scalars":
      return { own: slotOf(scalarsShader, "own") };
    case "packed":
      return { run: slotOf(packedShader, "run") };
  }
}

function laneSlots({ lanes }: Target): Slots {
  if (lanes > 1) return {};
  return { lanes: slotOf(aloneShader, "lanes"), lane: slotOf(aloneShader, "lane") };
}

/** Most pixels and vectors of channels of a thread's tile. */
interface Limit {
  readonly pixels: number;
  readonly vectors: number;
}

/** What a tuner tries beside the limits that are the best as a rule. */
const OTHER_LIMITS: readonly Limit[] = [
  { pixels: 8, vectors: 4 },
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

function chooseTile(direction: Direction, target: Target, limit: Limit): Tile {
  const { batch, height, width } = direction;
  const { phases, taps } = width;
  const unrolled = (pixels: number, vectors: number) => 4 * taps * pixels / phases * vectors;
  const count = (pixels: number, images: number) =>
    Math.ceil(batch / images) * phaseExtent(height) * Math.ceil(width.out / pixels);
  const fits = (pixels: number) =>
    count(pixels, 1) >= target.lanes && unrolled(pixels, 1) <= MAX_UNROLLED;
  // Whole runs of all phases.
  let results = evenTile(phaseExtent(width), Math.max(1, Math.floor(limit.pixels / phases)));
  while (results > 1 && !fits(phases * results)) results = Math.ceil(results / 2);
  const pixels = phases * results;
  const most = Math.min(
    limit.vectors,
    Math.max(1, Math.floor(MAX_UNROLLED / unrolled(pixels, 1))),
    Math.max(1, Math.floor(limit.pixels * limit.vectors / pixels)),
  );
  const vectors = evenTile(groupVectors(direction), most);
  let images = 1;
  while (
    2 * images * pixels <= limit.pixels && count(pixels, 2 * images) >= 2 * target.lanes &&
    unrolled(2 * images * pixels, vectors) <= MAX_UNROLLED
  ) images *= 2;
  return { images, pixels, vectors, count: count(pixels, images) };
}

/** Vectors of output channels in a group. */
const groupVectors = ({ outChannels, groups }: Direction) => Math.ceil(outChannels / groups / 4);

const channelTiles = (direction: Direction, { vectors }: Tile) =>
  direction.groups * Math.ceil(groupVectors(direction) / vectors);

/**
 * The limits that are the best as a rule. More pixels share the weights better, more channels the
 * pixels; both want sums, which no longer fit the registers. Where 16 lanes share the weights those
 * cost little, so channels gain: of each phase 4 pixels by 32 channels are as fast as 8 by 16 with
 * stride 1, and 1.1 to 1.3 times as fast with stride 2, where a pixel's inputs are its own.
 */
function usualLimit(target: Target, { taps, phases }: Axis): Limit {
  if (taps === 1) return { pixels: 8, vectors: sharedVectors(target, 8) };
  return target.lanes >= 16
    ? { pixels: 4 * phases, vectors: Math.ceil(8 / phases) }
    : { pixels: 8, vectors: sharedVectors(target, 4) };
}

/** Vectors of output channels: shared loads pay for more sums a thread. */
const sharedVectors = ({ lanes }: Target, most: number) => lanes === 1 ? 2 : most;

/** A 1 x 1 convolution is a matrix product, and its pixels are one long row. */
function flatten(s: ConvShape): ConvShape {
  const plain = [s.kernelHeight, s.kernelWidth, ...s.stride].every((n) => n === 1) &&
    s.padding.every((n) => n === 0) && s.inHeight === s.outHeight && s.inWidth === s.outWidth;
  if (!plain) return s;
  const pixels = s.batch * s.outHeight * s.outWidth;
  return { ...s, batch: 1, inHeight: 1, outHeight: 1, inWidth: pixels, outWidth: pixels };
}

function weightGrad(s: ConvShape, target: Target): SplitKernel {
  const groupIn = Math.ceil(s.inChannels / s.groups / 4);
  const groupOut = s.outChannels / s.groups / 4;
  // Taps on their own fill the lanes where there are few input channels.
  const taps = s.kernelHeight * groupIn < target.lanes ? 1 : evenTile(s.kernelWidth, MAX_TAPS);
  const vectors = evenTile(groupOut, sharedVectors(target, taps === 1 ? 8 : 4));
  const tiles = s.kernelHeight * Math.ceil(s.kernelWidth / taps) * groupIn;
  const lanes = Math.ceil(tiles / target.lanes) * target.lanes;
  const threads = s.groups * Math.ceil(groupOut / vectors) * lanes;
  const workgroup = workgroupSize(target);
  const pixels = evenTile(s.outWidth, MAX_PIXELS);
  const runs = s.batch * s.outHeight * Math.ceil(s.outWidth / pixels);
  const wanted = target.lanes > 1 ? WANTED_WORKGROUPS.shared : WANTED_WORKGROUPS.alone;
  const splits = splitRows(runs, threads / workgroup, wanted);
  const own = s.inChannels % 4 === 0 ? "vectors" : "scalars";
  const { x, y } = convSizes(s);
  const kernel = {
    label: convLabel(s, "weight gradient"),
    shader: weightTileShader,
    operands: [
      operand("own", own, x, target),
      operand("joint", "vectors", y, target),
      written("parts", "vec4<f32>"),
    ],
    slots: { ...ownSlots(own), ...laneSlots(target) },
    constants: {
      ...windowConstants(s),
      ...channelConstants(s),
      SPLITS: splits,
      TAPS: taps,
      PIXELS: pixels,
      VECTORS: vectors,
      LANES: target.lanes,
      WORKGROUP: workgroup,
    },
    workgroups: Math.ceil(splits * threads / workgroup),
    ...convCost(s, splits),
  };
  return { kernel, splits };
}
