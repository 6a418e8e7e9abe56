/**
 * Resizing images. Along each axis it is a product with a fixed matrix, one row for each new pixel
 * with the shares of the old ones in it; so its gradients are products too.
 */

import { matmul } from "./matmul.ts";
import { permute, reshape } from "./movement.ts";
import { shapeError } from "./shape.ts";
import { requireTensors, type Tensor, Variable } from "./tensor.ts";

/** Old pixels, by their places, and the share of each in a new one. */
export type Shares = readonly (readonly [place: number, share: number])[];

/** The old pixel that lies at a place. */
export const nearest = (place: number): Shares => [[Math.floor(place), 1]];

/** Between two old pixels. */
export function linear(place: number): Shares {
  const low = Math.floor(place);
  return [[low, low + 1 - place], [low + 1, place - low]];
}

/** Among four old pixels. Source: Keys 1981, with the a of PyTorch. */
export const cubic = (a = -0.75) => (place: number): Shares => {
  const low = Math.floor(place);
  return [-1, 0, 1, 2].map((k) => {
    const d = Math.abs(place - low - k);
    const share = d <= 1
      ? ((a + 2) * d - (a + 3)) * d * d + 1
      : ((a * d - 5 * a) * d + 8 * a) * d - 4 * a;
    return [low + k, share] as const;
  });
};

/** Shares in a matrix: as many as 4,096 pixels have of 4,096. */
const MOST_SHARES = 2 ** 24;

/**
 * Resizes an axis, of which every new element is a sum of old ones; places beyond the image are
 * those of its border.
 */
export function resizeAxis(
  x: Tensor,
  axis: number,
  count: number,
  sharesOf: (i: number) => Shares,
): Tensor {
  const old = x.shape[axis];
  if (!(Number.isInteger(count) && count > 0 && count * old <= MOST_SHARES)) {
    throw shapeError("resizeAxis", `can't make ${count} elements of ${old}`, x.shape);
  }
  const values = new Float32Array(count * old);
  for (let i = 0; i < count; i++) {
    for (const [place, share] of sharesOf(i)) {
      values[i * old + Math.min(Math.max(place, 0), old - 1)] += share;
    }
  }
  const matrix = new Variable("resizing", [count, old], values);
  // The axis comes last for the product, and back after it.
  const last = [...x.shape.keys()].filter((d) => d !== axis).concat(axis);
  const moved = permute(x, last);
  const rows = reshape(moved, [x.size / old, old]);
  const product = reshape(matmul(rows, matrix, { transB: true }), moved.shape.with(-1, count));
  return permute(product, last.map((_, d) => last.indexOf(d)));
}

export interface InterpolateOptions {
  /** Height and width of the result, or both as one number. */
  size?: number | readonly [number, number];
  /** How many times as large, where no size is given. */
  scaleFactor?: number | readonly [number, number];
  mode?: "nearest" | "bilinear" | "bicubic";
  /** Whether the corners' pixels stay where they are, and not the corners themselves. */
  alignCorners?: boolean;
}

/** Images [N, H, W, C] in another size, as PyTorch's function of this name makes them. */
export function interpolate(x: Tensor, options: InterpolateOptions): Tensor {
  requireTensors("interpolate", x);
  if (x.rank !== 4) throw shapeError("interpolate", "needs [N, H, W, C]", x.shape);
  const { size, scaleFactor, mode = "nearest", alignCorners = false } = options;
  const given = size ?? scaleFactor;
  if (given === undefined) throw shapeError("interpolate", "needs a size or a scaleFactor");
  const both = typeof given === "number" ? [given, given] : given;
  const taps = { nearest, bilinear: linear, bicubic: cubic() }[mode];
  return [1, 2].reduce((image, axis) => {
    const old = image.shape[axis];
    const count = size === undefined ? Math.floor(old * both[axis - 1]) : both[axis - 1];
    const scale = size === undefined ? both[axis - 1] : count / old;
    const place = (i: number) => {
      if (mode === "nearest") return i / scale;
      if (alignCorners) return count > 1 ? i * (old - 1) / (count - 1) : 0;
      return (i + 0.5) / scale - 0.5;
    };
    return count === old && scale === 1
      ? image
      : resizeAxis(image, axis, count, (i) => taps(place(i)));
  }, x);
}

/** Blocks of channels become blocks of pixels: [N, H, W, C r r] to [N, H r, W r, C]. */
export function pixelShuffle(x: Tensor, factor: number): Tensor {
  const [n, h, w, c] = channelsOf("pixelShuffle", x, factor);
  const less = c / (factor * factor);
  if (!Number.isInteger(less)) {
    throw shapeError("pixelShuffle", `can't make blocks of ${factor} x ${factor}`, x.shape);
  }
  const split = reshape(x, [n, h, w, less, factor, factor]);
  return reshape(permute(split, [0, 1, 4, 2, 5, 3]), [n, h * factor, w * factor, less]);
}

/** What undoes `pixelShuffle`. */
export function pixelUnshuffle(x: Tensor, factor: number): Tensor {
  const [n, h, w, c] = channelsOf("pixelUnshuffle", x, factor);
  if (h % factor > 0 || w % factor > 0) {
    throw shapeError("pixelUnshuffle", `has no blocks of ${factor} x ${factor}`, x.shape);
  }
  const split = reshape(x, [n, h / factor, factor, w / factor, factor, c]);
  const all = [n, h / factor, w / factor, c * factor * factor];
  return reshape(permute(split, [0, 1, 3, 5, 2, 4]), all);
}

function channelsOf(name: string, x: Tensor, factor: number): readonly number[] {
  requireTensors(name, x);
  if (x.rank !== 4) throw shapeError(name, "needs [N, H, W, C]", x.shape);
  if (!Number.isInteger(factor) || factor < 1) throw shapeError(name, `can't go by ${factor}`);
  return x.shape;
}
