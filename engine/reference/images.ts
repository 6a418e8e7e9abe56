/** The oracle's operations on NHWC images: convolution, max pooling. */

import { build, type Evaluate, inside, offsetOf, positionOf, type Value } from "./value.ts";

type Pair = readonly [number, number];

/** What a node of a convolution is given beside tensors, as far as its products go. */
export interface Convolution {
  groups: number;
  stride: Pair;
  padding: Pair;
  dilation: Pair;
}

/**
 * Calls `visit` with the places of x, w and y for every product x[..] w[..] y[..] in the form
 * <y, x * w>. The three operations of convolution each sum such products at one of the places.
 */
export function forEachProduct(
  { groups, stride, padding, dilation }: Convolution,
  [x, w, y]: readonly (readonly number[])[],
  visit: (x: number, w: number, y: number) => void,
): void {
  const size = (shape: readonly number[]) => shape.reduce((a, b) => a * b, 1);
  for (let to = 0; to < size(y); to++) {
    const [n, p, q, k] = positionOf(to, y);
    const group = Math.floor(k / (y[3] / groups));
    for (let tap = 0; tap < w[0] * w[1] * w[2]; tap++) {
      const [r, t, c] = positionOf(tap, w.slice(0, 3));
      const from = [
        n,
        p * stride[0] - padding[0] + r * dilation[0],
        q * stride[1] - padding[1] + t * dilation[1],
        group * w[2] + c,
      ];
      if (inside(from, x)) visit(offsetOf(from, x), tap * w[3] + k, to);
    }
  }
}

/** One of the three: the places of its two inputs and of its result among x, w and y. */
const convolution = (first: number, second: number, result: number): Evaluate => (node, inputs) => {
  const shapes: (readonly number[])[] = [];
  shapes[first] = node.inputs[0].shape;
  shapes[second] = node.inputs[1].shape;
  shapes[result] = node.shape;
  const value = new Float64Array(node.size);
  forEachProduct(node.attributes as unknown as Convolution, shapes, (...places) => {
    value[places[result]] += inputs[0][places[first]] * inputs[1][places[second]];
  });
  return value;
};

interface Pool {
  kernel: Pair;
  stride: Pair;
  padding: Pair;
  dilation?: Pair;
}

/** For each window of a max pooling the pixel of its largest element; a NaN counts as the largest. */
const maxPoolIndices: Evaluate = (node, [x]) => {
  const { kernel, stride, padding, dilation = [1, 1] } = node.attributes as unknown as Pool;
  const { shape } = node.inputs[0];
  return build(node.shape, ([n, p, q, c]) => {
    let best: { pixel: number; value: number } | undefined;
    for (let r = 0; r < kernel[0]; r++) {
      for (let t = 0; t < kernel[1]; t++) {
        const h = p * stride[0] - padding[0] + r * dilation[0];
        const w = q * stride[1] - padding[1] + t * dilation[1];
        if (!inside([n, h, w, c], shape)) continue;
        const value = x[offsetOf([n, h, w, c], shape)];
        if (!best || value > best.value || Number.isNaN(value)) {
          best = { pixel: h * shape[2] + w, value };
        }
      }
    }
    return best!.pixel;
  });
};

/** Calls `visit` with the element of the image and the element of the pooled image for each window. */
function forEachWindow(
  indices: Value,
  image: readonly number[],
  pooled: readonly number[],
  visit: (from: number, to: number) => void,
): void {
  indices.forEach((pixel, to) => {
    const [n, , , c] = positionOf(to, pooled);
    const position = [n, Math.floor(pixel / image[2]), pixel % image[2], c];
    visit(offsetOf(position, image), to);
  });
}

interface Batch {
  fromHeight: number;
  fromWidth: number;
  cropPadding: number;
  flip: boolean;
  flipVertical?: boolean;
  reversed?: boolean;
}

/** Images from bytes, four to a word, resized, cropped at a random place and mirrored. */
const imageBatch: Evaluate = (node, [words, indices, draws, downTaps, rightTaps]) => {
  const { fromHeight, fromWidth, cropPadding, flip, flipVertical, reversed } = node
    .attributes as unknown as Batch;
  const [, height, width, channels] = node.shape;
  const stored = [fromHeight, fromWidth, channels];
  const byte = (i: number) => Math.floor(words[Math.floor(i / 4)] / 256 ** (i % 4)) % 256;
  const start = (draw: number) => Math.floor(draw * (2 * cropPadding + 1)) - cropPadding;
  /** The weighted mean of what `at` says of the stored positions, rounded. */
  const weigh = (taps: Value, size: number, position: number, at: (from: number) => number) => {
    const row = taps.length / size;
    const [first, ...weights] = taps.subarray(position * row, (position + 1) * row);
    const sum = weights.reduce((sum, w, k) => w === 0 ? sum : sum + w * at(first + k), 0);
    return Math.round(sum / 2 ** 22);
  };
  return build(node.shape, ([b, h, w, c]) => {
    if (indices[b] === 0xffffffff) return 1;
    const [downBy, rightBy, flips] = draws.subarray(3 * b, 3 * b + 3);
    const row = (flipVertical && (2 * flips) % 1 < 0.5 ? height - 1 - h : h) + start(downBy);
    const column = (flip && flips < 0.5 ? width - 1 - w : w) + start(rightBy);
    if (!inside([row, column], [height, width])) return 0;
    const image = indices[b] * fromHeight * fromWidth * channels;
    const channel = reversed ? channels - 1 - c : c;
    const value = weigh(
      downTaps,
      height,
      row,
      (r) =>
        weigh(rightTaps, width, column, (t) => byte(image + offsetOf([r, t, channel], stored))),
    );
    return value / 255;
  });
};

export const images: Record<string, Evaluate> = {
  imageBatch,
  conv2d: convolution(0, 1, 2),
  conv2dInputGrad: convolution(2, 1, 0),
  conv2dWeightGrad: convolution(0, 2, 1),

  maxPoolIndices,
  poolGather: (node, [x, indices]) => {
    const value = new Float64Array(node.size);
    forEachWindow(indices, node.inputs[0].shape, node.shape, (from, to) => value[to] = x[from]);
    return value;
  },
  poolScatter: (node, [y, indices]) => {
    const value = new Float64Array(node.size);
    forEachWindow(indices, node.shape, node.inputs[0].shape, (from, to) => value[from] += y[to]);
    return value;
  },
};
