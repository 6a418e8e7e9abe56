/** Element-by-element operations, broadcasting and movement, with their derivatives. */

import { deepEqual, equal } from "node:assert/strict";
import * as t from "../engine/tensor/mod.ts";
import { movementCases, pointwiseCases } from "./reference/cases_pointwise.ts";
import { evaluate, random, testCases, values } from "./support/check.ts";

testCases(pointwiseCases);
testCases(movementCases);

/** The gradients of f's sum at numbers. */
async function slopes(
  f: (...operands: t.Tensor[]) => t.Tensor,
  ...operands: number[][]
): Promise<number[][]> {
  const inputs = operands.map((elements) => values([elements.length], ...elements));
  const found = await evaluate(t.gradOrZeros(t.sum(f(...inputs)), inputs));
  return found.map((gradient) => Array.from(gradient));
}

Deno.test("conventions at kinks are PyTorch's", async () => {
  deepEqual(await slopes(t.relu, [-1, 0, 2]), [[0, 0, 1]]);
  deepEqual(await slopes(t.relu6, [-1, 0, 2, 6, 7]), [[0, 0, 1, 0, 0]]);
  deepEqual(await slopes(t.abs, [-3, 0, 2]), [[-1, 0, 1]]);
  deepEqual(await slopes(t.maximum, [1, 2, 3], [2, 2, 2]), [[0, 0.5, 1], [1, 0.5, 0]]);
  deepEqual(await slopes(t.gate, [5, 6, 7], [-1, 0, 1]), [[0, 0, 1], [0, 0, 0]]);
  deepEqual(await slopes(t.silu, [0]), [[0.5]]);
});

Deno.test("sign, comparisons and choices at exact values", async () => {
  const [a, b] = [values([4], -2, 0, 3, 3), values([4], -1, 0, 3, 2)];
  const found = await evaluate([
    t.sign(a),
    t.greater(a, b),
    t.equal(a, b),
    t.where(a, b, 9),
    t.where(t.greater(a, 2.5), -1, a),
    t.maximum(a, b),
  ]);
  deepEqual(found.map((value) => Array.from(value)), [
    [-1, 0, 1, 1],
    [0, 0, 0, 1],
    [0, 1, 1, 0],
    [-1, 9, 3, 2],
    [-2, 0, -1, -1],
    [-1, 0, 3, 3],
  ]);
});

Deno.test("a NaN comes out of what could lose it, and of its gradients, as in PyTorch", async () => {
  for (const extent of [1, 4, 7]) {
    const x = values([extent], ...Array.from({ length: extent }, (_, i) => i === 0 ? NaN : i - 3));
    for (const f of [t.relu, t.relu6, t.abs, t.sigmoid, t.silu]) {
      const [y, [g]] = [(await evaluate([f(x)]))[0], await slopes((x) => t.mul(f(x), x), [NaN])];
      equal(y.findIndex(Number.isNaN), 0, f.name);
      equal(y.findLastIndex(Number.isNaN), 0, f.name);
      deepEqual(g, [NaN], f.name);
    }
    const one = values([extent], ...Array(extent).fill(1));
    for (const y of await evaluate([t.maximum(x, one), t.maximum(one, x), t.maximum(x, 1)])) {
      deepEqual(
        Array.from(y),
        Array.from({ length: extent }, (_, i) => i ? Math.max(i - 3, 1) : NaN),
      );
    }
    const [gradient] = await evaluate(t.grad(t.sum(t.relu(x)), [x]));
    deepEqual(
      Array.from(gradient),
      Array.from({ length: extent }, (_, i) => i === 0 || i > 3 ? 1 : 0),
    );
  }
});

Deno.test("smooth functions far from zero saturate and stay finite", async () => {
  const x = values([4], -1e4, -90, 90, 1e4);
  const [sigmoid, silu] = await evaluate([t.sigmoid(x), t.silu(x)]);
  deepEqual(Array.from(sigmoid, (v) => Math.round(v)), [0, 0, 1, 1]);
  deepEqual(Array.from(silu, (v) => Math.round(v)), [-0, -0, 90, 10000]);
  for (const gradient of (await slopes(t.silu, [-1e4, -90, 90, 1e4]))[0]) {
    equal(Number.isFinite(gradient), true);
  }
});

Deno.test("identities cost nothing", () => {
  const x = random([2, 3]);
  for (const y of [t.add(x, 0), t.add(0, x), t.sub(x, 0), t.mul(x, 1), t.mul(1, x), t.div(x, 1)]) {
    equal(y, x);
  }
  equal(t.reshape(x, [2, 3]), x);
  equal(t.broadcastTo(x, [2, 3]), x);
  equal(t.permute(x, [0, 1]), x);
  const apart = t.reshape(x, [2, 1, 3, 1]);
  equal(t.permute(apart, [1, 0, 3, 2]).operation.kind, "alias");
  equal(t.permute(apart, [1, 2, 3, 0]).operation.name, "permute");
  equal(t.concat([x], 1), x);
  equal(t.window(x, [0, 0], [2, 3]), x);
  // Where the other operand widens the shape, it is no identity.
  const zeros = t.broadcastTo(t.constant(0), [4, 2, 3]);
  deepEqual(t.add(x, zeros).shape, [4, 2, 3]);
});

Deno.test("unsigned integers move and count like floats", async () => {
  const x = new t.Variable("n", [2, 2], Uint32Array.of(1, 2, 3, 4294967295));
  const found = await evaluate([
    t.transpose(x),
    t.add(x, t.constant(1, "u32")),
    t.slice(x, 1, 1),
    t.concat([x, x], 0),
    t.broadcastTo(x, [2, 2, 2]),
    t.equal(x, t.constant(3, "u32")),
    t.pad2d(t.reshape(x, [1, 2, 2, 1]), 0, 1, 0, 0),
  ]);
  deepEqual(found.map((value) => Array.from(value)), [
    [1, 3, 2, 4294967295],
    [2, 3, 4, 0],
    [2, 4294967295],
    [1, 2, 3, 4294967295, 1, 2, 3, 4294967295],
    [1, 2, 3, 4294967295, 1, 2, 3, 4294967295],
    [0, 0, 1, 0],
    [1, 2, 3, 4294967295, 0, 0],
  ]);
});
