/**
 * Counter-based randomness: a random word is a function of (seed, stream, counter), not the next
 * state of a generator. So any draw can be made again, in any order, on the CPU or in a shader,
 * and a resumed run draws what an uninterrupted one does.
 *
 * Everything is 32-bit wrapping arithmetic, word for word the same in WGSL (`u32`):
 *
 *     mix(x):  x ^= x >> 16;  x *= 0x7FEB352D;  x ^= x >> 15;  x *= 0x846CA68B;  x ^= x >> 16
 *     k1 = mix(seed + 0x9E3779B9)
 *     k2 = mix(stream + mix(k1 + 0x9E3779B9))
 *     hash(seed, stream, counter) = mix(mix(counter + k1) ^ k2)
 *
 * `mix` is a bijection with nearly no avalanche bias (Wellons' "lowbias32"). One round of it would
 * make each stream a window into one common sequence, and two windows can overlap; the second,
 * differently keyed round removes that. The inner mix of k2 keeps the two keys' inputs apart: were they alike, small
 * numbers of stream and counter would cancel. Within one (seed, stream), distinct counters give
 * distinct words.
 */

/** 2^32 divided by the golden ratio: keeps seed 0 away from mix(0) = 0. */
const weyl = 0x9e3779b9;

/** A bijective 32-bit mixer: every input bit flips every output bit with probability near 1/2. */
export function mix(x: number): number {
  x = Math.imul(x ^ (x >>> 16), 0x7feb352d);
  x = Math.imul(x ^ (x >>> 15), 0x846ca68b);
  return (x ^ (x >>> 16)) >>> 0;
}

/**
 * The draws of one stream, as a function from counter to word: `hash` with its keys made once.
 * @param seed an integer, of which the low 32 bits count
 * @param stream which purpose the draws serve; see `streamId`
 */
export function draws(seed: number, stream: number): (counter: number) => number {
  const k1 = mix(seed + weyl);
  const k2 = mix(stream + mix(k1 + weyl));
  return (counter) => mix(mix(counter + k1) ^ k2);
}

/** The random word (an integer in 0 .. 2^32 - 1) at `counter` of the stream of the seed. */
export function hash(seed: number, stream: number, counter: number): number {
  return draws(seed, stream)(counter);
}

/** A stream's number from its name (FNV-1a over UTF-16 units), so that purposes need no registry. */
export function streamId(name: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < name.length; i++) h = Math.imul(h ^ name.charCodeAt(i), 0x01000193);
  return h >>> 0;
}

/** A word as a number in [0, 1): its upper 24 bits, so the value is exact in float32 too. */
export function uniform(word: number): number {
  return (word >>> 8) / 0x1000000;
}

/** Two words as a standard normal number, by Box and Muller: sqrt(-2 ln u) cos(2 pi v). */
export function normal(first: number, second: number): number {
  const u = 1 - uniform(first); // never 0
  return Math.sqrt(-2 * Math.log(u)) * Math.cos(2 * Math.PI * uniform(second));
}

/** A word as an integer in 0 .. n - 1 (n up to 2^21 is exact; the bias is below n / 2^32). */
export function below(word: number, n: number): number {
  return Math.floor((word * n) / 0x100000000);
}

/** A random order of 0 .. n - 1: Fisher and Yates' shuffle, step i drawing at counter i. */
export function permutation(n: number, seed: number, stream: number): Uint32Array<ArrayBuffer> {
  const order = Uint32Array.from({ length: n }, (_, i) => i);
  const draw = draws(seed, stream);
  for (let i = n - 1; i > 0; i--) {
    const j = below(draw(i), i + 1);
    const swapped = order[i];
    order[i] = order[j];
    order[j] = swapped;
  }
  return order;
}
