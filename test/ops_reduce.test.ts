/** Reductions, batch normalisation and matrix products, with their derivatives. */

import { deepEqual, ok } from "node:assert/strict";
import * as t from "../engine/tensor/mod.ts";
import { productCases, reductionCases } from "./reference/cases_reduce.ts";
import { evaluate, random, testCases, values } from "./support/check.ts";

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
