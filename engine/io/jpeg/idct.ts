/**
 * The inverse discrete cosine transform of a block of 8 x 8 coefficients, in whole numbers:
 *
 *     f(x, y) = 1/4 sum over u, v of C(u) C(v) F(u, v) cos((2x + 1) u pi / 16) cos((2y + 1) v pi / 16)
 *
 * with C(0) = 1 / sqrt 2 and C = 1 otherwise, along the columns and then along the rows, twelve
 * multiplications each. It rounds where libjpeg's does, so pixels are those of the usual decoders.
 *
 * Source: Loeffler, Ligtenberg and Moschytz, "Practical fast 1-D DCT algorithms with 11
 * multiplications" (ICASSP 1989).
 */

/** Bits behind the point of the constants, and of what lies between columns and rows. */
const BITS = 13;
const BETWEEN = 2;

const fixed = (value: number) => Math.round(value * (1 << BITS));
const [c0298, c0390, c0541] = [0.298631336, 0.390180644, 0.541196100].map(fixed);
const [c0765, c0899, c1175] = [0.765366865, 0.899976223, 1.175875602].map(fixed);
const [c1501, c1847, c1961] = [1.501321110, 1.847759065, 1.961570560].map(fixed);
const [c2053, c2562, c3072] = [2.053119869, 2.562915447, 3.072711026].map(fixed);

const between = new Int32Array(64);

/**
 * @param block the coefficients; they are multiplied by `quant`
 * @param out where the samples go: eight rows from `at` on, `stride` apart
 */
export function inverseTransform(
  block: Int16Array,
  quant: Int32Array,
  out: Uint8Array,
  at: number,
  stride: number,
): void {
  for (let i = 0; i < 64; i++) between[i] = block[i] * quant[i];
  for (let x = 0; x < 8; x++) line(between, x, 8, BITS - BETWEEN);
  for (let y = 0; y < 8; y++) {
    line(between, 8 * y, 1, BITS + BETWEEN + 3);
    for (let x = 0; x < 8; x++) {
      const value = between[8 * y + x] + 128;
      out[at + y * stride + x] = value < 0 ? 0 : value > 255 ? 255 : value;
    }
  }
}

/** Transforms eight values, `step` apart, in place; they lose `shift` bits. */
function line(values: Int32Array, at: number, step: number, shift: number): void {
  const half = 1 << (shift - 1);
  const [i1, i2, i3] = [at + step, at + 2 * step, at + 3 * step];
  const [i4, i5, i6, i7] = [at + 4 * step, at + 5 * step, at + 6 * step, at + 7 * step];
  // Even frequencies.
  const z1 = (values[i2] + values[i6]) * c0541;
  const [e2, e3] = [z1 - values[i6] * c1847, z1 + values[i2] * c0765];
  const e0 = (values[at] + values[i4]) * (1 << BITS);
  const e1 = (values[at] - values[i4]) * (1 << BITS);
  const [t0, t3, t1, t2] = [e0 + e3, e0 - e3, e1 + e2, e1 - e2];
  // Odd frequencies.
  const [o0, o1, o2, o3] = [values[i7], values[i5], values[i3], values[i1]];
  const z5 = (o0 + o2 + o1 + o3) * c1175;
  const [a, b] = [-(o0 + o3) * c0899, -(o1 + o2) * c2562];
  const [c, d] = [-(o0 + o2) * c1961 + z5, -(o1 + o3) * c0390 + z5];
  const [s0, s1] = [o0 * c0298 + a + c, o1 * c2053 + b + d];
  const [s2, s3] = [o2 * c3072 + b + c, o3 * c1501 + a + d];
  values[at] = (t0 + s3 + half) >> shift;
  values[i7] = (t0 - s3 + half) >> shift;
  values[i1] = (t1 + s2 + half) >> shift;
  values[i6] = (t1 - s2 + half) >> shift;
  values[i2] = (t2 + s1 + half) >> shift;
  values[i5] = (t2 - s1 + half) >> shift;
  values[i3] = (t3 + s0 + half) >> shift;
  values[i4] = (t3 - s0 + half) >> shift;
}
