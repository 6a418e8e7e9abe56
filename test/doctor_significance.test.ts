/** Sifting, masks and statistics against values worked out by hand. */

import assert from "node:assert/strict";
import { correlationMask } from "../engine/doctor/diagnose.ts";
import { siftHigh, siftLow } from "../engine/doctor/sift.ts";
import { mcnemar, pairedDifference, wilson } from "../engine/doctor/significance.ts";
import { accuracy, type Prediction, predictions } from "../engine/train/predictions.ts";

const close = (a: number, b: number, within = 1e-9) =>
  assert.ok(Math.abs(a - b) <= within, `${a}, not ${b}`);
const near = (a: readonly number[], b: readonly number[], within?: number) => {
  assert.equal(a.length, b.length);
  a.forEach((value, i) => close(value, b[i], within));
};

/** b images only the first gets right, c only the second, and some that both do. */
function compared(b: number, c: number, both = 3, neither = 2) {
  const kinds = [[b, true, false], [c, false, true], [both, true, true], [neither, false, false]];
  const list = (k: 1 | 2) => kinds.flatMap((kind) => new Array(Number(kind[0])).fill(kind[k]));
  return mcnemar(list(1), list(2));
}

Deno.test("McNemar's exact test is the two-sided binomial test of b against c", () => {
  // 2 (1 + 12 + 66) / 2^12
  const { b, c, p } = compared(10, 2);
  assert.deepEqual([b, c], [10, 2]);
  close(p, 158 / 4096);
  close(compared(2, 10).p, 158 / 4096);
  close(compared(6, 0).p, 2 / 64);
  close(compared(1, 0).p, 1);
  // 2 (1 + 9 + 36) / 2^9
  close(compared(2, 7).p, 92 / 512);
  assert.deepEqual(compared(0, 0), { b: 0, c: 0, p: 1 });
  assert.equal(compared(5, 5).p, 1);
  assert.deepEqual(mcnemar([], []), { b: 0, c: 0, p: 1 });
});

Deno.test("McNemar's test holds for many images, where a term alone underflows", () => {
  // The normal approximation with continuity correction: z = (400 - 1) / sqrt(10000) = 3.99.
  const { p } = compared(5200, 4800);
  assert.ok(p > 6.2e-5 && p < 6.8e-5, `p = ${p}`);
});

Deno.test("Wilson's interval", () => {
  // z = 1.96: centre (p + z^2/2n) / (1 + z^2/n), as tables have it for 81 of 263.
  near(wilson(81, 263), [0.2553, 0.3662], 5e-5);
  near(wilson(5, 10), [0.2366, 0.7634], 5e-5);
  near(wilson(0, 10), [0, 0.2775], 5e-5);
  near(wilson(10, 10), [0.7225, 1], 5e-5);
  for (const n of [1, 3, 7, 1000]) {
    assert.ok(wilson(0, n)[0] >= 0 && wilson(n, n)[1] <= 1, "a share is within 0 to 1");
  }
});

Deno.test("the interval of a paired difference", () => {
  // (10 - 20) / 200, and 1.96 sqrt(30 - 100 / 200) / 200
  const reach = 1.959964 * Math.sqrt(29.5) / 200;
  near(pairedDifference({ b: 20, c: 10, p: 0 }, 200), [-0.05 - reach, -0.05 + reach], 1e-7);
  assert.deepEqual(pairedDifference({ b: 0, c: 0, p: 1 }, 50), [0, 0]);
  assert.deepEqual(pairedDifference({ b: 0, c: 7, p: 0 }, 7), [1, 1]);
});

Deno.test("predictions from logits: the largest, its confidence, the label's loss", () => {
  const values = Float32Array.of(1, 3, 2, 1000, 0, 0, 5, 5, 4);
  const of = predictions({ values, classes: 3, labels: Uint16Array.of(2, 0, 1) });
  const sum = Math.exp(1) + Math.exp(3) + Math.exp(2);
  assert.deepEqual(of.map((p) => [p.label, p.predicted]), [[2, 1], [0, 0], [1, 0]]);
  close(of[0].confidence, Math.exp(3) / sum);
  close(of[0].loss, Math.log(sum) - 2);
  near([of[1].confidence, of[1].loss], [1, 0]);
  const { loss, ...counts } = accuracy(of);
  assert.deepEqual(counts, { accuracy: 1 / 3, correct: 1, total: 3 });
  close(loss, (of[0].loss + of[1].loss + of[2].loss) / 3);
});

const predicted = (label: number, predicted: number, confidence: number): Prediction => ({
  ...{ label, predicted, confidence, loss: 0 },
});

Deno.test("sifting keeps the surest right images of each class, and the doubtful ones", () => {
  const of = [
    predicted(0, 0, 0.5), // 0
    predicted(0, 0, 0.9), // 1
    predicted(0, 0, 0.9), // 2: as sure as 1, and after it
    predicted(0, 1, 0.8), // 3: wrong
    predicted(1, 0, 0.6), // 4: wrong, surer below
    predicted(1, 2, 0.7), // 5: wrong
    predicted(2, 2, 0.4), // 6
  ];
  assert.deepEqual(siftHigh(of, 4, 2), [[1, 2], [], [6], []]);
  assert.deepEqual(siftHigh(of, 4, 1), [[1], [], [6], []]);
  assert.deepEqual(siftHigh(of, 4, 50)[0], [1, 2, 0]);
  const { right, wrong } = siftLow(of, 4, 2);
  assert.deepEqual(right, [[0, 1], [], [6], []]);
  assert.deepEqual(wrong, [[3], [5, 4], [], []]);
});

Deno.test("a kernel is a class's own where its share of the range exceeds theta", () => {
  const mask = (theta: number, ...rows: number[][]) => {
    const aggregate = Float32Array.from(rows.flat());
    const [classes, channels] = [rows.length, rows[0].length];
    const of = correlationMask({ layer: "", classes, channels, aggregate }, theta);
    return rows.map((_, k) => [...of.subarray(k * channels, (k + 1) * channels)]);
  };
  // (g - 1) / (4 + 1e-5) for each: 0, 0.25, 0.5, just below 1
  assert.deepEqual(mask(0.2, [1, 2, 3, 5]), [[0, 1, 1, 1]]);
  assert.deepEqual(mask(0.4, [1, 2, 3, 5], [0, 0, 0, 0]), [[0, 0, 1, 1], [0, 0, 0, 0]]);
  // 1e-5 beside the range keeps the largest below 1, and 0.25 below a quarter.
  assert.deepEqual(mask(0.25, [1, 2, 3, 5]), [[0, 0, 1, 1]]);
  assert.deepEqual(mask(1, [1, 2, 3, 5]), [[0, 0, 0, 0]]);
  // A range as small as 1e-5 reaches a half only.
  assert.deepEqual(mask(0.6, [0, 1e-5]), [[0, 0]]);
  assert.deepEqual(mask(0.4, [0, 1e-5]), [[0, 1]]);
  assert.deepEqual(mask(0, [3, 3, 3]), [[0, 0, 0]]);
});
