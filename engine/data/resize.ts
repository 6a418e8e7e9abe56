/**
 * Bilinear resizing with half-pixel centres, as Pillow's `Image.resize(size, BILINEAR)` does it
 * (which torchvision's `Resize` calls): a triangle filter, widened where the image shrinks; first
 * along the rows, then along the columns, each pass rounded to bytes.
 *
 * Source: the filter's definition in Pillow's documentation; the rounding was compared with its
 * output (test/data_idx.test.ts).
 */

/** One output position: the first input that counts and the weights from there on. */
interface Taps {
  readonly first: number;
  readonly weights: readonly number[];
}

/** Resizes images (N, H, W) of one channel to (N, height, width). */
export function resizeBilinear(
  images: Uint8Array,
  from: { height: number; width: number },
  to: { height: number; width: number },
): Uint8Array<ArrayBuffer> {
  const along = taps(from.width, to.width);
  const down = taps(from.height, to.height);
  const n = images.length / (from.height * from.width);
  const row = new Uint8Array(from.height * to.width);
  const out = new Uint8Array(n * to.height * to.width);
  for (let i = 0; i < n; i++) {
    const image = images.subarray(i * from.height * from.width, (i + 1) * from.height * from.width);
    for (let y = 0; y < from.height; y++) {
      for (let x = 0; x < to.width; x++) {
        row[y * to.width + x] = weigh(image, y * from.width, 1, along[x]);
      }
    }
    const start = i * to.height * to.width;
    for (let y = 0; y < to.height; y++) {
      for (let x = 0; x < to.width; x++) {
        out[start + y * to.width + x] = weigh(row, x, to.width, down[y]);
      }
    }
  }
  return out;
}

function weigh(line: Uint8Array, start: number, stride: number, { first, weights }: Taps): number {
  let sum = 0.5;
  for (let k = 0; k < weights.length; k++) sum += weights[k] * line[start + (first + k) * stride];
  return Math.floor(sum);
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
    const total = weights.reduce((sum, weight) => sum + weight);
    return { first, weights: weights.map((weight) => weight / total) };
  });
}
