/** Counter-based randomness: the documented words, and no pattern that a simple count would find. */
import assert from "node:assert/strict";
import {
  below,
  draws,
  hash,
  mix,
  normal,
  permutation,
  streamId,
  uniform,
} from "../engine/random.ts";

/** `mix` in arbitrary precision, as the formula is written. */
function exactMix(x: bigint): bigint {
  const word = (value: bigint) => value & 0xffffffffn;
  x = word((x ^ (x >> 16n)) * 0x7feb352dn);
  x = word((x ^ (x >> 15n)) * 0x846ca68bn);
  return x ^ (x >> 16n);
}

Deno.test("random: hash is the documented function of seed, stream and counter", () => {
  const word = (value: bigint) => value & 0xffffffffn;
  for (const [seed, stream, counter] of [[0, 0, 0], [1, 2, 3], [0xffffffff, 7, 0xffffffff]]) {
    const k1 = exactMix(word(BigInt(seed) + 0x9e3779b9n));
    const k2 = exactMix(word(BigInt(stream) + exactMix(word(k1 + 0x9e3779b9n))));
    const expected = exactMix(exactMix(word(BigInt(counter) + k1)) ^ k2);
    assert.equal(hash(seed, stream, counter), Number(expected));
    assert.equal(draws(seed, stream)(counter), Number(expected));
  }
});

Deno.test("random: mix flips half the bits when one input bit flips", () => {
  let flipped = 0;
  const rounds = 500;
  for (let x = 0; x < rounds; x++) {
    for (let bit = 0; bit < 32; bit++) {
      for (let d = mix(x) ^ mix(x ^ (1 << bit)); d !== 0; d &= d - 1) flipped++;
    }
  }
  assert(Math.abs(flipped / (rounds * 32 * 32) - 0.5) < 0.005);
});

Deno.test("random: neighbouring seeds, streams and counters are uncorrelated", () => {
  const n = 20000;
  const correlation = (a: (i: number) => number, b: (i: number) => number) => {
    let sum = 0;
    for (let i = 0; i < n; i++) sum += (uniform(a(i)) - 0.5) * (uniform(b(i)) - 0.5);
    return 12 * sum / n;
  };
  const base = draws(1, 1);
  const limit = 5 / Math.sqrt(n);
  assert(Math.abs(correlation(base, draws(2, 1))) < limit);
  assert(Math.abs(correlation(base, draws(1, 2))) < limit);
  assert(Math.abs(correlation(base, (i) => base(i + 1))) < limit);
  assert(Math.abs(correlation((i) => hash(i, 5, 5), (i) => hash(i + 1, 5, 5))) < limit);
  assert(Math.abs(correlation((i) => hash(7, i, i), (i) => hash(7, i + 1, i + 1))) < limit);
  assert(Math.abs(correlation((i) => hash(i, 0, 0), (i) => hash(i + 1, 0, 0))) < limit);
  assert(Math.abs(correlation((i) => hash(0, i, 0), (i) => hash(0, i + 1, 0))) < limit);
});

Deno.test("random: normal numbers have the moments and the tails of the normal distribution", () => {
  const draw = draws(4, streamId("normal"));
  const n = 40000;
  const values = Array.from({ length: n }, (_, i) => normal(draw(2 * i), draw(2 * i + 1)));
  const moment = (power: number) => values.reduce((sum, z) => sum + z ** power, 0) / n;
  for (const [power, wanted] of [[1, 0], [2, 1], [3, 0], [4, 3]]) {
    assert(Math.abs(moment(power) - wanted) < 0.1, `moment ${power}: ${moment(power)}`);
  }
  for (const [z, share] of [[-1, 0.1587], [0, 0.5], [1.96, 0.975], [3, 0.99865]]) {
    const below = values.filter((value) => value < z).length / n;
    assert(Math.abs(below - share) < 0.01, `${below} are below ${z}`);
  }
  assert(Number.isFinite(normal(0, 0)) && Number.isFinite(normal(2 ** 32 - 1, 0)));
});

Deno.test("random: uniform numbers fill [0, 1) evenly and are exact in float32", () => {
  const draw = draws(3, streamId("test"));
  const counts = new Array(10).fill(0);
  for (let i = 0; i < 50000; i++) {
    const u = uniform(draw(i));
    assert.equal(Math.fround(u), u);
    counts[Math.floor(10 * u)]++;
  }
  for (const count of counts) assert(Math.abs(count - 5000) < 350, String(counts));
  assert.equal(uniform(0xffffffff), 1 - 2 ** -24);
  assert.equal(below(0xffffffff, 7), 6);
  assert.equal(below(0, 7), 0);
});

Deno.test("random: permutations hold every index once, evenly, and depend on seed and stream", () => {
  const n = 1000;
  const order = permutation(n, 5, 6);
  assert.deepEqual([...order].sort((a, b) => a - b), Array.from({ length: n }, (_, i) => i));
  assert.deepEqual(permutation(n, 5, 6), order);
  assert.notDeepEqual(permutation(n, 6, 6), order);
  assert.notDeepEqual(permutation(n, 5, 7), order);
  assert.deepEqual([...permutation(1, 0, 0)], [0]);
  assert.deepEqual([...permutation(0, 0, 0)], []);
  const counts = new Array(6).fill(0);
  for (let seed = 0; seed < 6000; seed++) {
    const [a, b] = permutation(3, seed, 0);
    counts[2 * a + Number(b > 3 - a - b)]++;
  }
  for (const count of counts) assert(Math.abs(count - 1000) < 150, String(counts));
});

Deno.test("random: stream names have numbers of their own", () => {
  assert.equal(streamId(""), 0x811c9dc5);
  assert.equal(streamId("a"), 0xe40c292c);
  const names = ["shuffle", "limit/0", "limit/1", "dropout", "validation/0"];
  assert.equal(new Set(names.map(streamId)).size, names.length);
});
