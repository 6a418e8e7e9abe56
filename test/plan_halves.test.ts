/** Activations kept as halves for the gradients: what it saves, what it costs, what it leaves alone. */

import { deepEqual, equal, ok } from "node:assert/strict";
import { packKernel, unpackKernel } from "../engine/gpu/kernels/half.ts";
import { halved, PLAIN } from "../engine/gpu/kernels/target.ts";
import { layOut } from "../engine/plan/allocate.ts";
import { trace } from "../engine/plan/plan.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import * as t from "../engine/tensor/mod.ts";
import { random, relativeError } from "./support/check.ts";
import { runKernel, testGpu } from "./support/gpu.ts";

Deno.test("numbers come back from halves as the nearest ones, held within what halves reach", async () => {
  const given = Float32Array.of(
    0,
    -0,
    1,
    -1 / 3,
    1e-3,
    65504,
    7e4,
    -1e30,
    6e-5,
    1e-9,
    3.14159,
    2049,
  );
  const x = new Float32Array(1024);
  x.set(given);
  const [packed] = await runKernel(packKernel(x.length), [x], x.length / 2);
  const [found] = await runKernel(
    unpackKernel(x.length),
    [packed as Float32Array<ArrayBuffer>],
    x.length,
  );
  for (const [i, value] of given.entries()) {
    const held = Math.max(-65504, Math.min(65504, value));
    // Between two halves a device may take either; the smallest ones are 2^-24 apart.
    const off = Math.abs(found[i] - held);
    ok(
      off <= Math.max(2 ** -24, Math.abs(held) * 2 ** -10),
      `${found[i]} in the place of ${value}`,
    );
  }
  deepEqual([...found.subarray(given.length)], [...new Float32Array(1024 - given.length)]);
});

const H = { padding: 1 };

/** A few layers of convolution, normalisation and ReLU over images of their own, and their loss. */
function network(layers = 6) {
  const x = random([4, 16, 16, 16]);
  const weights = Array.from({ length: layers }, () => random([3, 3, 16, 16]));
  const [scale, shift] = [random([16]), random([16])];
  const outputs: t.Tensor[] = [];
  let y: t.Tensor = x;
  for (const w of weights) {
    y = t.conv2d(y, w, H);
    y = t.relu(t.normalize(y, t.batchStatistics(y), scale, shift, 1e-5));
    outputs.push(y);
  }
  return { x, weights, outputs, loss: t.mean(t.square(y)) };
}

Deno.test("halves: an activation waits in half of its memory, at a thousandth of a gradient", async () => {
  const { weights, loss } = network();
  const outputs = [loss, ...t.grad(loss, weights)];
  const deep = network(16);
  const gradients = t.grad(deep.loss, deep.weights);
  const named = { outputs: Object.fromEntries(gradients.map((output, i) => [`${i}`, output])) };
  const [full, half] = [PLAIN, halved(PLAIN)].map((target) => {
    const { dispatches, kept } = trace(named, target);
    return { dispatches, bytes: layOut(dispatches, kept).use.values.bytes };
  });
  ok(half.bytes < 0.75 * full.bytes, `${half.bytes} bytes in the place of ${full.bytes}`);
  const packs = (of: typeof half) =>
    of.dispatches.filter(({ kernel }) => kernel.label.startsWith("pack")).length;
  equal(packs(full), 0);
  ok(packs(half) >= 16);

  const gpu = await testGpu();
  const exact = await new Runtime(gpu, PLAIN).evaluate(outputs);
  const runtime = new Runtime(gpu, halved(PLAIN));
  const found = await runtime.evaluate(outputs);
  deepEqual(found, await runtime.evaluate(outputs), "the same bits");
  equal(found[0][0], exact[0][0], "the forward pass is what it was");
  for (const [i, gradient] of exact.entries()) {
    const error = relativeError(found[i], gradient);
    ok(error < 4e-3, `output ${i} is off by ${error}`);
    ok(i === 0 || i === weights.length || error > 0, `gradient ${i} was made of halves`);
  }
});

Deno.test("halves: gradients of gradients too", async () => {
  const { weights, outputs, loss } = network(4);
  const [inner] = t.grad(loss, [outputs[1]]);
  const constraint = t.sum(t.square(inner));
  const second = t.grad(constraint, weights);
  const gpu = await testGpu();
  const [exact, found] = [
    await new Runtime(gpu, PLAIN).evaluate(second),
    await new Runtime(gpu, halved(PLAIN)).evaluate(second),
  ];
  for (const [i, gradient] of exact.entries()) {
    const error = relativeError(found[i], gradient);
    ok(error > 0 && error < 1e-2, `gradient ${i} is off by ${error}`);
  }
});

Deno.test("halves: a draw decides alike forward and backward, and a maximum by its own bits", async () => {
  const x = random([4, 32, 32, 16]);
  const key = new t.Variable("key", [2], Uint32Array.of(1, 2));
  const dropped = t.dropout(x, 0.5, key, "a");
  // So many kernels between that what is kept is kept as halves.
  let y: t.Tensor = t.mul(dropped, t.max(dropped, [1, 2], { keepDims: true }));
  for (let i = 0; i < 12; i++) y = t.conv2d(y, random([1, 1, 16, 16]));
  const [gradient] = t.grad(t.mean(y), [x]);
  const gpu = await testGpu();
  const [exact, found] = [
    await new Runtime(gpu, PLAIN).evaluate([gradient]),
    await new Runtime(gpu, halved(PLAIN)).evaluate([gradient]),
  ];
  const shut = (values: ArrayLike<number>) => Array.from(values, (value) => value === 0);
  deepEqual(shut(found[0]), shut(exact[0]));
  ok(relativeError(found[0], exact[0]) < 2e-3);
});
