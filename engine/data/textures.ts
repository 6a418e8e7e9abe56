/**
 * Ten kinds of texture: functions of the pixel with values in [0, 1], between which two colours
 * are blended. Each has a random period, phase and slight tilt.
 *
 * Only + - * /, floor and square roots, whose results IEEE 754 fixes: the bits are the same
 * everywhere, which the platform's sines would not promise.
 */
import { draws } from "../random.ts";

/** The next uniform number in [0, 1) of some sequence. */
export type Draw = () => number;

export type Texture = (x: number, y: number) => number;

/** A smooth wave of period 1 between 0 and 1, close to (1 - cos(2 pi t)) / 2. */
function wave(t: number): number {
  const rise = Math.abs(2 * (t - Math.floor(t)) - 1);
  return 1 - rise * rise * (3 - 2 * rise);
}

/** Stripes across the direction (dx, dy), tilted a little. */
function stripes(draw: Draw, dx: number, dy: number): Texture {
  const tilt = 0.3 * (draw() - 0.5);
  const frequency = 1 /
    (between(draw, 3.5, 8) * Math.sqrt((1 + tilt * tilt) * (dx * dx + dy * dy)));
  const [a, b] = [(dx - tilt * dy) * frequency, (dy + tilt * dx) * frequency];
  const phase = draw();
  return (x, y) => wave(a * x + b * y + phase);
}

/** Random values on a lattice, smoothly interpolated. */
function latticeNoise(draw: Draw, period: number): Texture {
  const values = ownDraws(draw);
  const at = (i: number, j: number) => values((i << 16) + j) / 0x100000000;
  return (x, y) => {
    const [u, v] = [x / period, y / period];
    const [i, j] = [Math.floor(u), Math.floor(v)];
    const [s, t] = [ease(u - i), ease(v - j)];
    const top = at(i, j) * (1 - s) + at(i + 1, j) * s;
    const bottom = at(i, j + 1) * (1 - s) + at(i + 1, j + 1) * s;
    return top * (1 - t) + bottom * t;
  };
}

const kinds: Record<string, (draw: Draw) => Texture> = {
  "horizontal stripes": (draw) => stripes(draw, 0, 1),
  "vertical stripes": (draw) => stripes(draw, 1, 0),
  "diagonal stripes": (draw) => stripes(draw, 1, draw() < 0.5 ? 1 : -1),
  checks: (draw) => {
    const [across, down] = [stripes(draw, 1, 0), stripes(draw, 0, 1)];
    return (x, y) => contrast((2 * across(x, y) - 1) * (2 * down(x, y) - 1) / 2 + 0.5);
  },
  dots: (draw) => {
    const period = between(draw, 5, 8);
    const [px, py] = [draw(), draw()];
    return (x, y) => {
      const [u, v] = [x / period + px, y / period + py];
      const [dx, dy] = [u - Math.floor(u) - 0.5, v - Math.floor(v) - 0.5];
      return clamp((0.34 - Math.sqrt(dx * dx + dy * dy)) * period + 0.5);
    };
  },
  gradient: (draw) => {
    const [dx, dy] = direction(draw);
    const length = between(draw, 26, 36);
    return (x, y) => clamp(((x - 15.5) * dx + (y - 15.5) * dy) / length + 0.5);
  },
  blobs: (draw) => {
    const noise = latticeNoise(draw, between(draw, 5, 8));
    return (x, y) => contrast(noise(x, y));
  },
  grain: (draw) => latticeNoise(draw, between(draw, 1, 1.6)),
  rings: (draw) => {
    const [cx, cy] = [between(draw, 4, 28), between(draw, 4, 28)];
    const [period, phase] = [between(draw, 4, 8), draw()];
    return (x, y) => wave(Math.sqrt((x - cx) * (x - cx) + (y - cy) * (y - cy)) / period + phase);
  },
  waves: (draw) => {
    const [period, length] = [between(draw, 5, 8), between(draw, 9, 14)];
    const [phase, shift, height] = [draw(), draw(), between(draw, 0.5, 0.9)];
    return (x, y) => wave(y / period + phase + height * wave(x / length + shift));
  },
};

export const textureNames: readonly string[] = Object.keys(kinds);
const makers = Object.values(kinds);

/** A random texture of the kind given, an index into `textureNames`. */
export function makeTexture(kind: number, draw: Draw): Texture {
  return makers[kind](draw);
}

/** Words of an own stream, which the sequence's next number seeds. */
export function ownDraws(draw: Draw): (counter: number) => number {
  return draws(Math.floor(draw() * 0x1000000), 0);
}

/** A uniform number between two others. */
export function between(draw: Draw, low: number, high: number): number {
  return low + (high - low) * draw();
}

/** A uniform direction, as the unit vector of a uniform point of the disc. */
export function direction(draw: Draw): [number, number] {
  for (;;) {
    const [x, y] = [2 * draw() - 1, 2 * draw() - 1];
    const square = x * x + y * y;
    if (square > 0.01 && square <= 1) return [x / Math.sqrt(square), y / Math.sqrt(square)];
  }
}

/** Limits to [0, 1]. */
export function clamp(value: number): number {
  return value < 0 ? 0 : value > 1 ? 1 : value;
}

/** From 0 to 1 with level ends. */
function ease(t: number): number {
  return t * t * (3 - 2 * t);
}

/** Spreads values away from 1/2. */
function contrast(value: number): number {
  return clamp(2.2 * (value - 0.5) + 0.5);
}
