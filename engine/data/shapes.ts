/**
 * The data set `shapes`: drawn figures of ten classes on textured backgrounds, made by a formula
 * from a seed, with the exact mask of every figure. Size, place, rotation, proportions, colours,
 * texture, light and noise vary, a bar may lie behind or across the figure. Figures are vivid and
 * mostly lighter than the dull background, so a small network can learn to find them.
 *
 * In the training split the kind of background goes with the class with a chosen probability, in
 * the test split by default not. So a network may learn the background, and pays for it in the
 * test: here a constraint on where a network looks can show what it does.
 *
 * Every image draws its numbers from a stream of its own, so image i is the same for any size of
 * its split, and the same bits come out on every platform (see figures.ts, textures.ts).
 */
import { ExitCode, UserError } from "../errors.ts";
import { draws, hash, streamId, uniform } from "../random.ts";
import { checkCorrelations, describeCorrelations, pickBackground } from "./backgrounds.ts";
import { type DataSet, masksOfAll, type MemorySplit, type Preparation } from "./dataset.ts";
import { bitmapSize, drawBitmaps, figureNames } from "./figures.ts";
import {
  between,
  clamp,
  direction,
  Draw,
  makeTexture,
  ownDraws,
  Texture,
  textureNames,
} from "./textures.ts";

/** What the data set is made from. */
export interface ShapesOptions {
  readonly seed: number;
  /** Number of training images. */
  readonly train: number;
  /** Number of test images. */
  readonly test: number;
  /** Of the training images; see backgrounds.ts. */
  readonly correlation: number;
  /** Of the test images. */
  readonly testCorrelation: number;
}

export const shapesDefaults: ShapesOptions = {
  seed: 0,
  train: 4000,
  test: 2000,
  correlation: 0.5,
  testCorrelation: 0,
};

/** Mean and standard deviation are those of the default training images, measured. */
const preparation: Preparation = {
  mean: [0.415, 0.415, 0.415],
  std: [0.163, 0.163, 0.163],
  augmentation: { cropPadding: 0, flip: false },
};

const size = 32;
const pixels = size * size;
/** Sample points of a pixel along a side, by which edges are smoothed. */
const samples = 3;

type Colour = readonly [number, number, number];

/** Two colours and the texture that blends them. */
interface Paint {
  readonly texture: Texture;
  readonly from: Colour;
  readonly to: Colour;
}

/** How much of each pixel (H x W, 0 to 1) something covers. */
type Coverage = Float64Array;

/**
 * Makes the data set. Labels go round the classes in turn, so every prefix is balanced.
 * @throws UserError (usage) where a number of images or the correlation is out of range
 */
export function makeShapes(options: Partial<ShapesOptions> = {}): DataSet<MemorySplit> {
  const { seed, train, test, correlation, testCorrelation } = { ...shapesDefaults, ...options };
  for (const [name, n] of Object.entries({ train, test })) {
    if (!Number.isInteger(n) || n < 1) {
      throw new UserError(`shapes: cannot make ${n} ${name} images`, ExitCode.usage);
    }
  }
  checkCorrelations("shapes", [correlation, testCorrelation]);
  const bitmaps = drawBitmaps();
  return {
    name: "shapes",
    classes: figureNames,
    height: size,
    width: size,
    channels: 3,
    ...preparation,
    backgroundNames: textureNames,
    train: makeSplit(bitmaps, train, hash(seed, streamId("shapes"), 0), correlation),
    test: makeSplit(bitmaps, test, hash(seed, streamId("shapes"), 1), testCorrelation),
    source: `made from seed ${seed} (${train} training and ${test} test images; ` +
      `${describeCorrelations(correlation, testCorrelation)})`,
  };
}

function makeSplit(
  bitmaps: Uint8Array[],
  n: number,
  seed: number,
  correlation: number,
): MemorySplit {
  const split = {
    images: new Uint8Array(n * pixels * 3),
    labels: new Uint16Array(n),
    masks: masksOfAll(new Uint8Array(n * pixels), n),
    backgrounds: new Uint8Array(n),
  };
  for (let i = 0; i < n; i++) {
    const label = i % figureNames.length;
    const word = draws(seed, i);
    let counter = 0;
    const draw = () => uniform(word(counter++));
    const other = word(counter++);
    const background = pickBackground(label, textureNames.length, correlation, other, draw);
    split.labels[i] = label;
    split.backgrounds[i] = background;
    drawImage(
      bitmaps[label],
      background,
      draw,
      split.images.subarray(i * pixels * 3, (i + 1) * pixels * 3),
      split.masks.coverage.subarray(i * pixels, (i + 1) * pixels),
    );
  }
  return split;
}

/** Paints one image from back to front: background, bar, figure, bar, light and noise. */
function drawImage(
  bitmap: Uint8Array,
  background: number,
  draw: Draw,
  image: Uint8Array,
  mask: Uint8Array,
): void {
  const ground = groundPaint(background, draw);
  const paint = figurePaint(draw);
  const canvas = new Float64Array(pixels * 3);
  const figure = figureCoverage(bitmap, draw);

  apply(canvas, ground);
  if (draw() < 0.3) apply(canvas, plainPaint(draw), barCoverage(draw));
  apply(canvas, paint, figure);
  for (let p = 0; p < pixels; p++) mask[p] = figure[p] >= 0.5 ? 255 : 0;
  if (draw() < 0.15) {
    const bar = barCoverage(draw);
    apply(canvas, plainPaint(draw), bar);
    for (let p = 0; p < pixels; p++) if (bar[p] >= 0.5) mask[p] = 0;
  }
  develop(canvas, draw, image);
}

/** Blends a paint over the canvas where it covers it. */
function apply(canvas: Float64Array, { texture, from, to }: Paint, coverage?: Coverage): void {
  for (let p = 0; p < pixels; p++) {
    const alpha = coverage ? coverage[p] : 1;
    if (alpha === 0) continue;
    const t = texture(p % size, Math.floor(p / size));
    for (let c = 0; c < 3; c++) {
      const colour = from[c] + (to[c] - from[c]) * t;
      canvas[3 * p + c] += (colour - canvas[3 * p + c]) * alpha;
    }
  }
}

/** A background's paint: two dull colours, one lighter than the other. */
function groundPaint(kind: number, draw: Draw): Paint {
  const texture = makeTexture(kind, draw);
  const middle = between(draw, 0.2, 0.5);
  const spread = between(draw, 0.06, 0.18) * (draw() < 0.5 ? 1 : -1);
  return {
    texture,
    from: dullColour(middle - spread, draw),
    to: dullColour(middle + spread, draw),
  };
}

/** A figure's paint: a vivid colour with a faint texture of any kind. */
function figurePaint(draw: Draw): Paint {
  const texture = makeTexture(Math.floor(draw() * textureNames.length), draw);
  const from = vividColour(draw);
  return { texture, from, to: mix(from, vividColour(draw), 0.3 * draw()) };
}

function plainPaint(draw: Draw): Paint {
  const colour = dullColour(draw(), draw);
  return { texture: () => 0, from: colour, to: colour };
}

/** One channel strong, one weak, the third in between. */
function vividColour(draw: Draw): Colour {
  const strong = between(draw, 0.8, 1);
  const weak = between(draw, 0.25, 0.55);
  const third = between(draw, weak, strong);
  const first = Math.floor(3 * draw());
  const colour: [number, number, number] = [third, third, third];
  colour[first] = strong;
  colour[(first + (draw() < 0.5 ? 1 : 2)) % 3] = weak;
  return colour;
}

/** Nearly grey. */
function dullColour(light: number, draw: Draw): Colour {
  const channel = () => light + between(draw, -0.05, 0.05);
  return [channel(), channel(), channel()];
}

/** The colour a share t of the way from a to b. */
function mix(a: Colour, b: Colour, t: number): Colour {
  const channel = (c: number) => a[c] + (b[c] - a[c]) * t;
  return [channel(0), channel(1), channel(2)];
}

/** A figure at a random size (14 to 26 pixels across), place, rotation and proportion. */
function figureCoverage(bitmap: Uint8Array, draw: Draw): Coverage {
  const radius = between(draw, 7, 13);
  const [cx, cy] = [between(draw, radius, size - radius), between(draw, radius, size - radius)];
  const tan = between(draw, -0.3, 0.3);
  const cos = 1 / Math.sqrt(1 + tan * tan);
  const sin = tan * cos;
  const narrow = between(draw, 0.8, 1);
  // From a point of the image to one of the bitmap: an affine map, row by row.
  const half = bitmapSize / 2;
  const [ux, uy] = [half * cos / radius, half * sin / radius];
  const [vx, vy] = [-half * sin / (radius * narrow), half * cos / (radius * narrow)];
  const [u0, v0] = [half - ux * cx - uy * cy, half - vx * cx - vy * cy];
  return cover((x, y) => {
    const u = (ux * x + uy * y + u0) | 0;
    const v = (vx * x + vy * y + v0) | 0;
    return u >= 0 && v >= 0 && u < bitmapSize && v < bitmapSize && bitmap[v * bitmapSize + u] === 1;
  }, [cx - radius, cy - radius, cx + radius, cy + radius]);
}

/** A straight bar of 1 to 3 pixels' width through a random point. */
function barCoverage(draw: Draw): Coverage {
  const [cx, cy] = [between(draw, 3, size - 3), between(draw, 3, size - 3)];
  const [dx, dy] = direction(draw);
  const [length, width] = [between(draw, 4, 10), between(draw, 0.5, 1.5)];
  const reachX = Math.abs(dx) * length + Math.abs(dy) * width;
  const reachY = Math.abs(dy) * length + Math.abs(dx) * width;
  return cover((x, y) => {
    const along = (x - cx) * dx + (y - cy) * dy;
    const across = (y - cy) * dx - (x - cx) * dy;
    return Math.abs(along) <= length && Math.abs(across) <= width;
  }, [cx - reachX, cy - reachY, cx + reachX, cy + reachY]);
}

/** The share of every pixel's sample points that lie inside; none does outside the box. */
function cover(inside: (x: number, y: number) => boolean, box: readonly number[]): Coverage {
  const coverage = new Float64Array(pixels);
  const [left, top, right, bottom] = box.map((edge) => Math.max(0, Math.min(size, edge)));
  for (let y = Math.floor(top); y < bottom; y++) {
    for (let x = Math.floor(left); x < right; x++) {
      let count = 0;
      for (let i = 0.5; i < samples; i++) {
        for (let j = 0.5; j < samples; j++) if (inside(x + i / samples, y + j / samples)) count++;
      }
      coverage[y * size + x] = count / (samples * samples);
    }
  }
  return coverage;
}

/** From colours to bytes: contrast, a fall of light across the image, and noise. */
function develop(canvas: Float64Array, draw: Draw, image: Uint8Array): void {
  const contrast = between(draw, 0.7, 1);
  const brightness = between(draw, -0.08, 0.08);
  const [dx, dy] = direction(draw);
  const fall = between(draw, 0, 0.012);
  const noise = between(draw, 0.01, 0.04);
  const word = ownDraws(draw);
  for (let p = 0; p < pixels; p++) {
    const light = 1 + fall * ((p % size - 15.5) * dx + (Math.floor(p / size) - 15.5) * dy);
    for (let c = 0; c < 3; c++) {
      const value = ((canvas[3 * p + c] - 0.5) * contrast + 0.5 + brightness) * light;
      const grain = bell(word(3 * p + c)) * noise;
      image[3 * p + c] = Math.floor(clamp(value + grain) * 255 + 0.5);
    }
  }
}

/** A word as a nearly normal number, mean 0 and variance 1: the sum of its three ten-bit parts. */
function bell(word: number): number {
  const sum = (word & 1023) + ((word >>> 10) & 1023) + ((word >>> 20) & 1023);
  return (sum / 1023 - 1.5) * 2;
}
