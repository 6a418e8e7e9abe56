/** Softmax and losses, operations by label and row, and random tensors. */

import { deepEqual, equal, ok } from "node:assert/strict";
import * as t from "../engine/tensor/mod.ts";
import { lossCases } from "./reference/cases_reduce.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { evaluate, indices, random, testCases, values } from "./support/check.ts";

testCases(lossCases);

Deno.test("a hopeless prediction has a large and finite loss", async () => {
  const logits = values([2, 3], 1e4, -1e4, 0, -1e4, -1e4, 1e4);
  const labels = indices(1, 2);
  const loss = t.crossEntropyPerSample(logits, labels);
  const [each, gradient] = await evaluate([loss, t.grad(t.sum(loss), [logits])[0]]);
  deepEqual(Array.from(each), [20000, 0]);
  deepEqual(Array.from(gradient), [1, -1, 0, 0, 0, 0]);
});

Deno.test("at a tie argmax names the first column", async () => {
  const x = values([3, 3], 2, 2, 1, 0, 0, 0, -5, -1, -1);
  const [first, second] = await evaluate([t.argmax(x), t.argmaxExcept(x, indices(0, 0, 1))]);
  deepEqual(Array.from(first), [0, 0, 1]);
  deepEqual(Array.from(second), [1, 1, 2]);
});

Deno.test("uniform draws are engine/random.ts's, bit for bit", async () => {
  const tensors = [0, 1, 4294967295].map((step) => t.uniform(indices(7, step), [999], "bits"));
  const found = await evaluate(tensors);
  interpret(tensors).forEach((wanted, k) => deepEqual(found[k], wanted));
});

Deno.test("streams, seeds and steps draw independently", async () => {
  const draws = await evaluate([
    t.uniform(indices(1, 1), [4096], "a"),
    t.uniform(indices(1, 1), [4096], "b"),
    t.uniform(indices(2, 1), [4096], "a"),
    t.uniform(indices(1, 2), [4096], "a"),
  ]);
  const mean = (x: Float64Array) => x.reduce((sum, v) => sum + v, 0) / x.length;
  for (const [i, a] of draws.entries()) {
    ok(a.every((v) => v >= 0 && v < 1));
    // The mean's standard error is 0.0045, the variance's 0.0012.
    ok(Math.abs(mean(a) - 0.5) < 0.02, `mean ${mean(a)}`);
    ok(Math.abs(mean(a.map((v) => (v - 0.5) ** 2)) - 1 / 12) < 0.005);
    for (const b of draws.slice(0, i)) {
      ok(Math.abs(mean(a.map((v, j) => (v - 0.5) * (b[j] - 0.5)))) < 0.006);
    }
  }
});

Deno.test("dropout keeps 1 - p of the elements, scaled by 1 / (1 - p)", async () => {
  const x = random([64, 64]);
  const [y] = await evaluate([t.dropout(x, 0.25, indices(5, 6), "layer")]);
  let kept = 0;
  for (const [i, v] of y.entries()) {
    if (v !== 0) kept++;
    ok(v === 0 || Math.abs(v - x.initial[i] / 0.75) < 1e-6);
  }
  ok(Math.abs(kept / 4096 - 0.75) < 0.03, `${kept} of 4096 kept`);
  equal(t.dropout(x, 0, indices(5, 6), "layer"), x);
});

Deno.test("noise lies within its half width, around zero", async () => {
  const [noise] = await evaluate([t.noise([2048], 0.125, indices(0, 0), "noise")]);
  ok(noise.every((v) => v >= -0.125 && v < 0.125));
  ok(Math.abs(noise.reduce((sum, v) => sum + v, 0) / 2048) < 0.01);
});
