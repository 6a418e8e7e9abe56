/** Convolution, pooling and batches of images, with their derivatives. */

import { deepEqual } from "node:assert/strict";
import * as t from "../engine/tensor/mod.ts";
import { batchCases, convolutionCases, poolCases } from "./reference/cases_image.ts";
import { evaluate, random, testCases, values } from "./support/check.ts";

testCases(convolutionCases);
testCases(poolCases);
testCases(batchCases);

Deno.test("a tie in max pooling goes to the first pixel in row-major order", async () => {
  const x = values([1, 2, 4, 1], 1, 7, 0, 0, 7, 7, 0, 0);
  const [gradient] = await evaluate(t.grad(t.sum(t.maxPool2d(x, 2)), [x]));
  deepEqual(Array.from(gradient), [0, 1, 1, 0, 0, 0, 0, 0]);
});

Deno.test("overlapping windows add their gradients up", async () => {
  const x = values([1, 1, 4, 1], 1, 9, 2, 3);
  const [gradient] = await evaluate(t.grad(t.sum(t.maxPool2d(x, [1, 2], { stride: 1 })), [x]));
  deepEqual(Array.from(gradient), [0, 2, 0, 1]);
});

Deno.test("a NaN comes out of max pooling, and only in its windows", async () => {
  const x = values([1, 2, 4, 1], 1, NaN, 5, 4, 3, 2, 6, 0);
  const [pooled] = await evaluate([t.maxPool2d(x, 2)]);
  deepEqual(Array.from(pooled), [NaN, 6]);
});

Deno.test("padding never wins a max pooling", async () => {
  const x = values([1, 1, 2, 1], -3, -2);
  const [pooled] = await evaluate([t.maxPool2d(x, [2, 2], { stride: 1, padding: 1 })]);
  deepEqual(Array.from(pooled), [-3, -2, -2, -3, -2, -2]);
});

Deno.test("pooled extents are PyTorch's", () => {
  const side = (size: number, kernel: number, options: t.PoolOptions) =>
    t.maxPool2d(random([1, size, size, 1]), kernel, options).shape[1];
  deepEqual(side(5, 2, {}), 2);
  deepEqual(side(5, 2, { ceilMode: true }), 3);
  deepEqual(side(7, 3, { stride: 2 }), 3);
  deepEqual(side(6, 3, { stride: 2 }), 2);
  deepEqual(side(6, 3, { stride: 2, ceilMode: true }), 3);
  // The last window would start in the padding behind the image, so it is left out.
  deepEqual(side(3, 2, { stride: 3, padding: 1, ceilMode: true }), 2);
  deepEqual(side(4, 2, { stride: 4, padding: 1, ceilMode: true }), 2);
});
