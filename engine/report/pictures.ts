/** Pixels as pictures that stand in the page itself: PNG in a data URI. */

import type { HostTensor } from "../io/host_tensor.ts";
import { encodePng, shownPixels } from "../io/image.ts";
import { heatColour, type Scheme, shareColour } from "./colours.ts";

/** An image of bytes (H, W, C). */
export interface Pixels {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
  readonly data: Uint8Array;
}

/** Pixels along a side at most: a page of pictures stays small. */
const MOST_SIDE = 72;

/** Saliency is shown up to this share of its pixels; single peaks would leave the rest dark. */
const PEAK = 0.99;

export function dataUri(pixels: Pixels): string {
  const { data, ...size } = pixels;
  return `data:image/png;base64,${base64(encodePng({ ...size, data: Uint8Array.from(data) }))}`;
}

function base64(bytes: Uint8Array): string {
  let text = "";
  for (let at = 0; at < bytes.length; at += 0x8000) {
    text += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  }
  return btoa(text);
}

/** One image of a stack [n, H, W, C], or of maps [n, H, W]. */
export function imageAt({ shape, data }: HostTensor, i: number) {
  const [, height, width, channels = 1] = shape;
  const size = height * width * channels;
  return {
    ...{ height, width, channels },
    data: data.subarray(i * size, (i + 1) * size) as Uint8Array | Float32Array,
  };
}

export const thumbnail = (stack: HostTensor, i: number): string =>
  dataUri(shrink(shownPixels(imageAt(stack, i) as Pixels)));

/** The image in grey with a gradient's size over it, in colours that `heatColour` explains. */
export function overlay(stack: HostTensor, gradients: HostTensor, i: number): string {
  const image = shrink(shownPixels(imageAt(stack, i) as Pixels));
  const map = shrink({ ...imageAt(gradients, i), channels: 1 });
  const peak = quantile(map.data, PEAK) || 1;
  const data = new Uint8Array(3 * map.data.length);
  map.data.forEach((value, p) => {
    const share = Math.min(1, value / peak);
    const grey = luminance(image, p);
    heatColour(share).forEach((c, j) => data[3 * p + j] = grey + (c - grey) * share);
  });
  return dataUri({ ...image, channels: 3, data });
}

/** A strip of what `overlay` paints, from nothing to the peak. */
export function overlayScale(): string {
  const width = 96;
  const data = new Uint8Array(3 * width);
  for (let x = 0; x < width; x++) {
    const share = x / (width - 1);
    heatColour(share).forEach((c, j) => data[3 * x + j] = 96 + (c - 96) * share);
  }
  return dataUri({ height: 1, width, channels: 3, data });
}

/** A matrix of shares, a pixel for each: grey up to the threshold, blue above. */
export function matrix(
  rows: readonly ArrayLike<number>[],
  threshold: number,
  scheme: Scheme,
): string {
  const [height, width] = [rows.length, rows[0].length];
  const data = new Uint8Array(3 * height * width);
  rows.forEach((row, i) => {
    for (let j = 0; j < width; j++) {
      data.set(shareColour(row[j], threshold, scheme), 3 * (i * width + j));
    }
  });
  return dataUri({ height, width, channels: 3, data });
}

/** Half the grey of a pixel: what is over it shows. */
function luminance({ channels, data }: Pixels, pixel: number): number {
  const of = (c: number) => data[pixel * channels + Math.min(c, channels - 1)];
  return (0.299 * of(0) + 0.587 * of(1) + 0.114 * of(2)) * 0.75;
}

/** Averages blocks of pixels until no side is too long. */
function shrink<P extends { height: number; width: number; channels: number; data: Samples }>(
  image: P,
): P {
  const { height, width, channels, data } = image;
  const block = Math.ceil(Math.max(height, width) / MOST_SIDE);
  if (block === 1) return image;
  const [rows, columns] = [Math.floor(height / block), Math.floor(width / block)];
  const small = data.slice(0, rows * columns * channels);
  for (let y = 0; y < rows; y++) {
    for (let x = 0; x < columns; x++) {
      for (let c = 0; c < channels; c++) {
        let sum = 0;
        for (let k = 0; k < block * block; k++) {
          const [row, column] = [y * block + Math.floor(k / block), x * block + k % block];
          sum += data[(row * width + column) * channels + c];
        }
        small[(y * columns + x) * channels + c] = sum / block ** 2;
      }
    }
  }
  return { ...image, height: rows, width: columns, data: small };
}

type Samples = Uint8Array | Float32Array;

export function quantile(values: ArrayLike<number>, share: number): number {
  const sorted = Float64Array.from(values).sort();
  return sorted[Math.floor(share * (sorted.length - 1))];
}
