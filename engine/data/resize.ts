/**
 * Bilinear resizing with half-pixel centres, as Pillow's `Image.resize(size, BILINEAR)` does it
 * (which torchvision's `Resize` calls): a triangle filter, widened where the image shrinks; first
 * along the rows, then along the columns, each pass rounded to bytes. Weights are whole numbers of
 * 2^-22, as Pillow's are, so the bytes are the same wherever they are computed. Images of one size
 * are resized in batches on the GPU (shaders/data/batch.wgsl), others here as they are read.
 *
 * Source: the filter's definition in Pillow's documentation; the rounding was compared with its
 * output (test/data_resize.test.ts).
 */
import type { Size } from "./dataset.ts";

/** Binary digits of a weight behind the point: 255 weights of 1 fit into 30 bits. */
const FRACTION = 22;
const HALF = 2 ** (FRACTION - 1);

/** One output position: the first input that counts and the weights from there on. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Resizes images (N, H, W, C) to (N, height, width, C). */
export function resizeBilinear(
  images: Uint8Array,
  from: Size,
  to: Size,
  channels = 1,
): Uint8Array<ArrayBuffer> {
  const along = taps(from.width, to.width);
  const down = taps(from.height, to.height);
  const [lineFrom, lineTo] = [from.width * channels, to.width * channels];
  const n = images.length / (from.height * lineFrom);
  const wide = new Uint8Array(from.height * lineTo);
  const out = new Uint8Array(n * to.height * lineTo);
  for (let i = 0; i < n; i++) {
    const image = images.subarray(i * from.height * lineFrom, (i + 1) * from.height * lineFrom);
    for (let y = 0; y < from.height; y++) {
      for (let x = 0; x < to.width; x++) {
        for (let c = 0; c < channels; c++) {
          wide[y * lineTo + x * channels + c] = weigh(image, y * lineFrom + c, channels, along[x]);
        }
      }
    }
    const start = i * to.height * lineTo;
    for (let y = 0; y < to.height; y++) {
      for (let x = 0; x < lineTo; x++) {
        out[start + y * lineTo + x] = weigh(wide, x, lineTo, down[y]);
      }
    }
  }
  return out;
}

function weigh(line: Uint8Array, start: number, stride: number, { first, weights }: Taps): number {
  let sum = HALF;
  for (let k = 0; k < weights.length; k++) sum += weights[k] * line[start + (first + k) * stride];
  return sum >> FRACTION;
}

/** The filter's taps for every output position of a line. */
function taps(from: number, to: number): Taps[] {
  const scale = from / to;
  const radius = Math.max(1, scale);
  return Array.from({ length: to }, (_, i) => {
    const centre = (i + 0.5) * scale;
    const first = Math.max(0, Math.floor(centre - radius + 0.5));
    const end = Math.min(from, Math.floor(centre + radius + 0.5));
    const weights = Array.from(
      { length: end - first },
      (_, k) => Math.max(0, 1 - Math.abs(first + k + 0.5 - centre) / radius),
    );
    // One tap is enough where the size stays.
    while (weights.at(-1) === 0) weights.pop();
    const total = weights.reduce((sum, weight) => sum + weight);
    return { first, weights: weights.map((w) => Math.round(w / total * 2 ** FRACTION)) };
  });
}

/** The taps of a line as a table for the GPU, [to, 1 + width]: the first input, then weights. */
export function tapTable(
  from: number,
  to: number,
): { width: number; values: Uint32Array<ArrayBuffer> } {
  const all = taps(from, to);
  const width = Math.max(...all.map(({ weights }) => weights.length));
  const values = new Uint32Array(to * (1 + width));
  all.forEach(({ first, weights }, i) => values.set([first, ...weights], i * (1 + width)));
  return { width, values };
}
