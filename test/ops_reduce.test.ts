/** Reductions, batch normalisation and matrix products, with their derivatives. */

import { deepEqual, ok } from "node:assert/strict";
import { BLOCKS, PLAIN, type Target } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import * as t from "../engine/tensor/mod.ts";
import { productCases, reductionCases } from "./reference/cases_reduce.ts";
import { evaluate, random, testCases, testRuntime, values } from "./support/check.ts";

testCases(reductionCases);
testCases(productCases);

Deno.test("the largest elements share max's gradient evenly", async () => {
  const x = values([2, 4], 5, 1, 5, 2, 3, 3, 3, 3);
  const [rows, all] = await evaluate([
    t.grad(t.sum(t.max(x, [1])), [x])[0],
    t.grad(t.max(x), [x])[0],
  ]);
  deepEqual(Array.from(rows), [0.5, 0, 0.5, 0, 0.25, 0.25, 0.25, 0.25]);
  deepEqual(Array.from(all), [0.5, 0, 0.5, 0, 0, 0, 0, 0]);
});

Deno.test("max of negative numbers, split and not", async () => {
  const x = new t.Variable("x", [4000], Float32Array.from({ length: 4000 }, (_, i) => -1e30 - i));
  deepEqual(Array.from((await evaluate([t.max(t.mul(x, 1e3))]))[0]), [Math.fround(-1e33)]);
});

Deno.test("a long float32 sum keeps its digits", async () => {
  const x = new t.Variable("x", [1 << 20], new Float32Array(1 << 20).fill(0.1));
  const [[sum]] = await evaluate([t.sum(x)]);
  // A thread adds 1024 numbers in a row, each addition rounded by up to 6e-8; with equal numbers
  // the roundings don't cancel. One running total would be off by some percent.
  ok(Math.abs(sum / (0.1 * 2 ** 20) - 1) < 3e-5, `${sum}`);
});

Deno.test("no axes reduce nothing, kept axes have extent 1", () => {
  const x = random([2, 3, 4]);
  deepEqual(t.sum(x, []).shape, [2, 3, 4]);
  deepEqual(t.sum(x).shape, []);
  deepEqual(t.mean(x, [0, -1]).shape, [3]);
  deepEqual(t.max(x, [1], { keepDims: true }).shape, [2, 1, 4]);
});

/** Mean and variance by the GPU, how far off in units of a standard deviation and of the variance. */
async function momentsOff(x: t.Variable): Promise<{ mean: number; variance: number }> {
  const { mean, variance } = t.moments(x);
  const [[m], [v]] = await evaluate([mean, variance]);
  const [[trueMean], [trueVariance]] = interpret([mean, variance]);
  return {
    mean: Math.abs(m - trueMean) / Math.sqrt(trueVariance),
    variance: Math.abs(v / trueVariance - 1),
  };
}

Deno.test("mean and variance in one pass keep their digits at a mean of a thousand deviations", async () => {
  const spread = random([64, 32, 32, 4]).initial;
  for (const center of [0, 1e3, -3e4]) {
    // 0.577 is the deviation of what is drawn evenly from -1 to 1.
    const x = Float32Array.from(spread, (value) => center + value / 0.577);
    const { mean, variance } = await momentsOff(new t.Variable("x", [64, 32, 32, 4], x));
    ok(variance < 4e-6, `at ${center} the variance is off by ${variance}`);
    // A mean can be no nearer than float32's numbers are.
    ok(mean < 2e-6 + Math.abs(center) * 2 ** -24, `at ${center} the mean is off by ${mean}`);
  }
  // The worst first row: the only value that differs, sqrt(M - 1) deviations from the mean.
  const alone = new Float32Array(4096);
  alone[0] = 1;
  const { variance } = await momentsOff(new t.Variable("x", [4096, 1], alone));
  ok(variance < 4096 * 2 ** -23, `off by ${variance}`);
});

Deno.test("the variance of equal values is 0, however large, and of NaN is NaN", async () => {
  const of = async (fill: number) => {
    const x = new t.Variable("x", [100, 8], new Float32Array(800).fill(fill));
    return (await evaluate([t.moments(x).variance]))[0];
  };
  deepEqual(new Set(await of(12345.678)), new Set([0]));
  deepEqual(new Set(await of(NaN)), new Set([NaN]));
});

const INFINITE = -Infinity;

Deno.test("max of rows that hold -Infinity, and its derivatives, are PyTorch's", async () => {
  const x = values([3, 4], ...Array(4).fill(INFINITE), INFINITE, 2, INFINITE, 2, 1, 0, 3, INFINITE);
  const w = values([3], 1, 2, 3);
  const largest = t.max(x, [1]);
  const [gradient] = t.grad(t.sum(t.mul(largest, w)), [x]);
  const second = t.grad(t.sum(t.mul(gradient, values([4], 1, 2, 3, 4))), [w])[0];
  const [rows, first, mixed, all] = await evaluate([largest, gradient, second, t.max(x, [0, 1])]);
  deepEqual(Array.from(rows), [INFINITE, 2, 3]);
  deepEqual(Array.from(first), [0.25, 0.25, 0.25, 0.25, 0, 1, 0, 1, 0, 0, 3, 0]);
  deepEqual(Array.from(mixed), [2.5, 3, 3]);
  deepEqual(Array.from(all), [3]);
});

Deno.test("max of what holds a NaN is NaN, wherever it stands", async () => {
  for (const length of [3, 8, 5000]) {
    for (const at of [0, 1, length - 1]) {
      const rows = Float32Array.from({ length: 2 * length }, (_, i) => i === at ? NaN : i % 7);
      const x = new t.Variable("x", [2, length], rows);
      const [rowwise, turned] = await evaluate([t.max(x, [1]), t.max(t.transpose(x), [0])]);
      const wanted = [NaN, Math.max(...rows.subarray(length))];
      deepEqual([Array.from(rowwise), Array.from(turned)], [wanted, wanted]);
    }
  }
});

/** Reductions by threads alone and by workgroups, in one pass and in two, along rows and columns. */
const LAYOUTS: readonly (readonly [Target, t.Shape, readonly number[]])[] = [
  [PLAIN, [4096], [0]],
  [PLAIN, [3, 8], [1]],
  [PLAIN, [9, 4], [0]],
  [PLAIN, [5, 7], [1]],
  [BLOCKS, [1 << 14], [0]],
  [BLOCKS, [4099, 3], [0]],
  [BLOCKS, [4, 64], [1]],
];

for (const [target, shape, axes] of LAYOUTS) {
  const name = `[${shape.join(", ")}] along ${axes} ${
    target === PLAIN ? "by threads" : "by trees"
  }`;
  Deno.test(`reductions of u32 and of -Infinity: ${name}`, async () => {
    const size = t.numel(shape);
    const numbers = Uint32Array.from({ length: size }, (_, i) => (i * 2654435761) >>> 8);
    const x = new t.Variable("x", shape, numbers);
    const low = new t.Variable("low", shape, new Float32Array(size).fill(INFINITE));
    const runtime = new Runtime((await testRuntime()).gpu, target);
    const [sums, maxima, lowest] = await runtime.evaluate([
      t.sum(x, axes),
      t.max(x, axes),
      t.max(low, axes),
    ]);
    runtime.destroy();
    const columns = axes[0] === 0 ? size / shape[0] : 1;
    const expected = Array.from(
      { length: sums.length },
      (_, k) =>
        Array.from(
          { length: size / sums.length },
          (_, i) => numbers[columns === 1 ? k * (size / sums.length) + i : i * columns + k],
        ),
    );
    deepEqual(Array.from(sums), expected.map((part) => part.reduce((a, b) => (a + b) >>> 0, 0)));
    deepEqual(Array.from(maxima), expected.map((part) => Math.max(...part)));
    ok(sums instanceof Uint32Array && maxima instanceof Uint32Array);
    ok(lowest.every((value) => value === INFINITE));
  });
}

Deno.test("a product with a constant leaves a sum of u32 as u32", async () => {
  const x = new t.Variable("x", [2, 3], Uint32Array.of(1, 2, 3, 4, 5, 6));
  const [tripled, counted] = await evaluate([
    t.sum(t.mul(x, 3), [1]),
    t.sum(t.broadcastTo(t.constant(7, "u32"), [5])),
  ]);
  deepEqual([...tripled, ...counted], [18, 45, 35]);
});
