/**
 * Winograd's convolutions for 3 x 3 kernels of stride 1: fewer multiplications, more memory to move,
 * and sums that are rounded otherwise (winograd_points.ts). Operands become values at points
 * (shaders/winograd/to_points.wgsl), these are multiplied point by point, and the products become
 * the result (from_points.wgsl):
 *
 *     forward           y = from(to(x) to(w))      in tiles of y
 *     input gradient   dx = from(to(dy) to(w)T)    in tiles of dx, w turned by half a turn
 *     weight gradient  dw = from(to(x)T to(dy))    in tiles of dy
 *
 * The values at all points lie side by side as channels, [tiles, points, C] and [C, points, K]. So the
 * products are the same face of a grouped 1 x 1 convolution, a group for each point, and a family
 * that takes that makes them: blocks or tiles, tuned as they are.
 *
 * Measured on lavapipe (an EPYC with AVX-512), the processor's time of the direct way over that of
 * 4 x 4 tiles, forward, input gradient, weight gradient:
 *
 *     8 images of  32 x 32 x 64   1.3  1.4  1.2     64 images of  16 x 16 x 32 to 64   1.1  1.2  1.2
 *                  16 x 16 x 128  1.5  1.5  1.4                     8 x 8 x 64 to 128  1.1  1.1  1.3
 *                  8 x 8 x 256    0.8  0.7  0.8                     8 x 8 x 256        1.5  1.4  2.0
 *                  4 x 4 x 512    0.4  0.3  0.2                     4 x 4 x 512        1.2  1.2  1.0
 *
 * By the clock whole steps gained nothing there, in nine turns each: 1.01 for ResNet-34 at batch 8, 1.04
 * for the small network at 64, 0.93 for its treatment. So CPU adapters don't go this way.
 */
import fromPointsShader from "../../../shaders/winograd/from_points.wgsl" with { type: "text" };
import toPointsShader from "../../../shaders/winograd/to_points.wgsl" with { type: "text" };
import { type Kernel, read, Scratch, type SplitKernel, type Stage, written } from "../kernel.ts";
import { convCost, convLabel, type ConvShape, type Face } from "./conv_shape.ts";
import { storageOf, type Target } from "./target.ts";
import { atPoints, F2, F4, fromPoints, type Matrix, type Scheme, TAPS } from "./winograd_points.ts";

const WORKGROUP = 64;

/** Whether Winograd's way is one for the shape, whatever it costs. */
function takes(s: ConvShape): boolean {
  return [...s.stride, ...s.dilation, s.groups].every((n) => n === 1) &&
    [s.inChannels, s.outChannels].every((channels) => channels % 4 === 0) &&
    s.kernelHeight === TAPS && s.kernelWidth === TAPS;
}

/**
 * The scheme that costs least for a face, if it costs less than the direct way; on targets that
 * move values at no finite cost there is none.
 */
export function winogradScheme(s: ConvShape, face: Face, target: Target): Scheme | undefined {
  if (target.moveCost === Infinity || !takes(s)) return undefined;
  const direct = MARGIN * convCost(s).flops / 2;
  const costs = [F4, F2].map((scheme) => ({ scheme, cost: costOf(s, face, scheme, target) }));
  const best = costs.reduce((a, b) => (b.cost < a.cost ? b : a));
  return best.cost < direct ? best.scheme : undefined;
}

/** Of what a direct convolution costs, what Winograd's may cost at most: a rule can be wrong. */
const MARGIN = 0.9;
/** What each further kernel costs, in multiply-adds for each thread that keeps the adapter busy. */
const STAGE = 200;

/** Moves that a filter's value costs: they lie far apart, and no cache has them all at once. */
const FILTER_MOVES = 3.2;

/** Multiply-adds, and moves in the place of multiply-adds. */
function costOf(s: ConvShape, face: Face, scheme: Scheme, target: Target): number {
  const { operands, result } = tilingsOf(s, face, scheme);
  const tilings = [...operands, result];
  if (tilings.some((tiling) => 4 * valuesOf(tiling) > target.operandBytes)) return Infinity;
  const products = convCost(productShape(s, operands[0], scheme)).flops / 2;
  const moves = tilings.reduce((sum, tiling) => {
    return sum + valuesOf(tiling) * (tiling.map === scheme.maps.filter ? FILTER_MOVES : 1);
  }, 0);
  return products + target.moveCost * moves + 3 * STAGE * target.threads;
}

/**
 * The stages of a face.
 * @param multiply makes a face of the 1 x 1 convolution that the products are, as one kernel
 */
export function winograd(
  s: ConvShape,
  face: Face,
  scheme: Scheme,
  target: Target,
  multiply: (s: ConvShape, face: Face, target: Target) => SplitKernel,
): Stage[] {
  const label = `${convLabel(s, face)}, ${scheme.results} x ${scheme.results}`;
  const { operands, result } = tilingsOf(s, face, scheme);
  const { kernel, splits } = multiply(productShape(s, operands[0], scheme), face, target);
  const values = operands.map((tiling) => new Scratch([valuesOf(tiling)]));
  const products = new Scratch([splits, valuesOf(result)]);
  return [
    ...operands.map((tiling, k): Stage => ({
      kernel: { label: `${label}, to points`, ...toPointsKernel(tiling, target) },
      places: [k, values[k]],
    })),
    { kernel: { ...kernel, label: `${label}, products` }, places: [...values, products] },
    {
      kernel: { label: `${label}, from points`, ...fromPointsKernel(result, splits, target) },
      places: [products, "result"],
    },
  ];
}

/** The grouped 1 x 1 convolution of values at points, tiles in the place of pixels. */
function productShape(s: ConvShape, { grid }: Tiling, { points }: Scheme): ConvShape {
  const groups = points * points;
  const inChannels = groups * s.inChannels, outChannels = groups * s.outChannels;
  return {
    batch: s.batch,
    ...{ inHeight: grid.rows, inWidth: grid.columns, inChannels },
    ...{ outHeight: grid.rows, outWidth: grid.columns, outChannels },
    ...{ kernelHeight: 1, kernelWidth: 1, stride: [1, 1], padding: [0, 0], dilation: [1, 1] },
    groups,
  };
}

/** Images in memory: pixels of whole vec4s, and how many pixels lie from one place to the next. */
interface Images {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  /** The first pixel, and the steps from image to image, row to row, column to column. */
  readonly origin: number;
  readonly steps: readonly [image: number, row: number, column: number];
}

/** Tiles along rows and columns, from each to the next `step` pixels. */
interface Grid {
  readonly step: number;
  readonly rows: number;
  readonly columns: number;
}

/** Tiles of images that a map takes to points, or that its transposed map makes of them. */
interface Tiling {
  readonly images: Images;
  readonly grid: Grid;
  /** Rows and columns before the image that the first tile begins with. */
  readonly padding: readonly [number, number];
  readonly map: Matrix;
}

/** [N, H, W, C]. */
function activations(count: number, height: number, width: number, channels: number): Images {
  return { count, height, width, channels, origin: 0, steps: [height * width, width, 1] };
}

/** Weights [3, 3, C, K] as images of K channels, one for each of the C; or turned by half a turn. */
function filters({ inChannels, outChannels }: ConvShape, turned: boolean): Images {
  const rest = { count: inChannels, height: TAPS, width: TAPS, channels: outChannels };
  const row = TAPS * inChannels, column = inChannels;
  return turned
    ? { ...rest, origin: (TAPS - 1) * (row + column), steps: [1, -row, -column] }
    : { ...rest, origin: 0, steps: [1, row, column] };
}

function tilingsOf(s: ConvShape, face: Face, { results, maps }: Scheme) {
  const [height, width] = face === "input gradient"
    ? [s.inHeight, s.inWidth]
    : [s.outHeight, s.outWidth];
  const grid: Grid = {
    step: results,
    rows: Math.ceil(height / results),
    columns: Math.ceil(width / results),
  };
  const one: Grid = { step: TAPS, rows: 1, columns: 1 };
  const x = activations(s.batch, s.inHeight, s.inWidth, s.inChannels);
  const y = activations(s.batch, s.outHeight, s.outWidth, s.outChannels);
  const inside = (images: Images, grid: Grid, map: Matrix): Tiling => {
    return { images, grid, padding: [0, 0], map };
  };
  switch (face) {
    case "forward":
      return {
        operands: [
          { images: x, grid, padding: s.padding, map: maps.image },
          inside(filters(s, false), one, maps.filter),
        ],
        result: inside(y, grid, maps.result),
      };
    case "input gradient": {
      const padding = [TAPS - 1 - s.padding[0], TAPS - 1 - s.padding[1]] as const;
      return {
        operands: [
          { images: y, grid, padding, map: maps.image },
          inside(filters(s, true), one, maps.filter),
        ],
        result: inside(x, grid, maps.result),
      };
    }
    case "weight gradient":
      return {
        operands: [
          { images: x, grid, padding: s.padding, map: maps.image },
          inside(y, grid, maps.result),
        ],
        result: inside(filters(s, false), one, maps.filter),
      };
  }
}

const tilesOf = ({ images, grid }: Tiling) => images.count * grid.rows * grid.columns;
const pointsOf = ({ map }: Tiling) => map.length;
/** Values at the points of all tiles. */
const valuesOf = (tiling: Tiling) =>
  tilesOf(tiling) * pointsOf(tiling) ** 2 * tiling.images.channels;
const pixelsOf = ({ images }: Tiling) => images.count * images.height * images.width;

function toPointsKernel(tiling: Tiling, target: Target): Omit<Kernel, "label"> {
  const { images, padding, map } = tiling;
  const length = pixelsOf(tiling) * images.channels / 4;
  return {
    shader: toPointsShader,
    operands: [
      read("image", "vec4<f32>", storageOf("vec4<f32>", length, "few", target)),
      written("tiles", "vec4<f32>"),
    ],
    slots: { line: atPoints(map) },
    constants: {
      ...tilingConstants(tiling),
      PADDING_H: padding[0],
      PADDING_W: padding[1],
      EXTENT: map[0].length,
      ORIGIN: images.origin,
    },
    ...workOf(tiling, 1),
  };
}

function fromPointsKernel(tiling: Tiling, splits: number, target: Target): Omit<Kernel, "label"> {
  const length = splits * valuesOf(tiling) / 4;
  return {
    shader: fromPointsShader,
    operands: [
      read("tiles", "vec4<f32>", storageOf("vec4<f32>", length, "few", target)),
      written("result", "vec4<f32>"),
    ],
    slots: { line: fromPoints(tiling.map) },
    constants: { ...tilingConstants(tiling), SPLITS: splits },
    takesEpilogue: true,
    ...workOf(tiling, splits),
  };
}

function tilingConstants({ images, grid, map }: Tiling) {
  const [image, row, column] = images.steps;
  return {
    ...{ IMAGES: images.count, HEIGHT: images.height, WIDTH: images.width },
    CHANNELS: images.channels,
    ...{ TILE_ROWS: grid.rows, TILE_COLUMNS: grid.columns, STEP: grid.step, POINTS: map.length },
    ...{ IMAGE_STEP: image, ROW_STEP: row, COLUMN_STEP: column },
  };
}

/** A map takes a multiply-add for each of its entries that isn't zero, at each row and column. */
function workOf(tiling: Tiling, splits: number) {
  const { images, map } = tiling;
  const entries = map.flat().filter((factor) => factor !== 0).length;
  const tiles = tilesOf(tiling) * images.channels;
  return {
    workgroups: Math.ceil(tiles / 4 / WORKGROUP),
    flops: 2 * tiles * entries * (map.length + map[0].length) +
      (splits - 1) * valuesOf(tiling),
    bytes: 4 * (pixelsOf(tiling) * images.channels + splits * valuesOf(tiling)),
  };
}
