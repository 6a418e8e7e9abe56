/** The same values where an adapter allows fewer workgroups in a dimension, and smaller textures. */

import assert from "node:assert/strict";
import { glob } from "node:fs/promises";
import { spread, TEXTURE_WIDTH, textureInputs } from "../engine/gpu/kernel.ts";
import { BLOCKS, PLAIN, type Target } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { schedule } from "../engine/plan/schedule.ts";
import * as t from "../engine/tensor/mod.ts";
import { batchCases } from "./reference/cases_image.ts";
import { random, testRuntime } from "./support/check.ts";
import { testTargets } from "./support/gpu.ts";

Deno.test("spread: enough workgroups, within the limit, few past the end", () => {
  assert.deepEqual(spread(0), [1, 1, 1]);
  assert.deepEqual(spread(65535), [65535, 1, 1]);
  assert.deepEqual(spread(65536), [32768, 2, 1]);
  for (let count = 1; count <= 16; count++) {
    const [x, y] = spread(count, 4);
    assert.ok(x <= 4 && y <= 4 && x * y >= count && x * y < count + y, `${count}: ${x} x ${y}`);
  }
  assert.throws(() => spread(17, 4), /17 workgroups/);
});

/** Convolutions and their gradients on random operands. */
function convolution(x: t.Shape, w: t.Shape, options: t.ConvOptions): t.Tensor[] {
  const [image, filter] = [random(x), random(w)];
  const y = t.conv2d(image, filter, options);
  return [y, ...t.grad(y, [image, filter], random(y.shape))];
}

const labels = (length: number, classes: number) =>
  new t.Variable("labels", [length], Uint32Array.from({ length }, (_, i) => (7 * i) % classes));

/** Graphs of which each shader computes one at least, and the targets for which they are planned. */
function graphs(lanes: Target): (readonly [readonly t.Tensor[], ...Target[]])[] {
  const padding = 1;
  const pooled = (channels: number) => {
    const x = random([1, 12, 12, channels]);
    const y = t.maxPool2d(x, 3, { stride: 1, padding });
    return [y, ...t.grad(y, [x], random(y.shape))];
  };
  const key = new t.Variable("key", [2], Uint32Array.of(3, 5));
  const [batch] = batchCases;
  return [
    [[t.relu(t.add(random([40, 41]), random([41])))], PLAIN],
    [[t.sum(random([2, 330]), [0])], PLAIN],
    [[t.sum(random([7, 64]), [1])], BLOCKS],
    [[t.transpose(random([17, 20])), t.concat([random([17, 20]), random([3, 20])], 0)], PLAIN],
    [[t.oneHot(labels(40, 9), 9), t.argmax(random([330, 3]))], PLAIN],
    [[t.takeRows(random([9, 34]), labels(10, 9)), t.uniform(key, [330], "limits")], PLAIN],
    [[batch.f(...batch.inputs)], PLAIN],
    [[...pooled(8), ...pooled(3)], PLAIN],
    [[t.matmul(random([70, 5]), random([5, 70]))], PLAIN],
    ...[
      ...convolution([5, 8, 8, 4], [3, 3, 4, 64], { padding }),
      ...convolution([3, 9, 9, 16], [3, 3, 16, 16], { padding, stride: 2 }),
    ].map((y) => [[y], PLAIN, BLOCKS, lanes] as const),
    ...[
      ...convolution([5, 8, 8, 32], [3, 3, 1, 32], { padding, groups: 32 }),
      ...convolution([1, 8, 8, 6], [3, 3, 6, 5], { padding }),
    ].map((y) => [[y], PLAIN] as const),
  ];
}

Deno.test("every shader goes on in the second dimension, and leaves out what is past the end", async () => {
  const { gpu } = await testRuntime();
  const evaluate = async (outputs: readonly t.Tensor[], target: Target) => {
    const runtime = new Runtime(gpu, target);
    try {
      return await runtime.evaluate(outputs);
    } finally {
      runtime.destroy();
    }
  };
  const reached = new Set<string>();
  for (const [outputs, ...targets] of graphs((await testTargets()).at(-1)!)) {
    for (const target of targets) {
      const kernels = schedule(outputs, [], target).dispatches.map(({ kernel }) => kernel);
      const most = Math.max(...kernels.map(({ workgroups }) => workgroups));
      const limit = Math.max(2, Math.ceil(Math.sqrt(most)));
      assert.deepEqual(
        await evaluate(outputs, { ...target, workgroupsPerDimension: limit }),
        await evaluate(outputs, target),
        `${kernels[0].label}, at most ${limit} workgroups`,
      );
      for (const { shader, workgroups } of kernels) if (workgroups > limit) reached.add(shader);
    }
  }
  const folder = new URL("../shaders/", import.meta.url).pathname;
  const rooms = "{conv,data,gemm,loss,pointwise,pool,random,reduce}";
  for await (const file of glob(`${folder}${rooms}/*.wgsl`)) {
    // Files of slots are dispatched as parts of others.
    if (/_(scalars|packed|alone)\.wgsl$/.test(file)) continue;
    assert.ok(reached.has(await Deno.readTextFile(file)), `${file.slice(folder.length)}`);
  }
});

Deno.test("a device has its adapter's limits of workgroups and textures, and its target knows them", async () => {
  const { gpu, target } = await testRuntime();
  const adapter = await navigator.gpu.requestAdapter({ powerPreference: "high-performance" });
  const { maxTextureDimension2D, maxComputeWorkgroupsPerDimension } = adapter!.limits;
  assert.equal(gpu.limits.maxTextureDimension2D, maxTextureDimension2D);
  assert.equal(target.textureRows, maxTextureDimension2D);
  assert.equal(target.workgroupsPerDimension, maxComputeWorkgroupsPerDimension);
});

Deno.test("a value too large for a texture stays a buffer, and gives the same bits", async () => {
  const { gpu } = await testRuntime();
  const [image, filter] = [random([3, 24, 24, 32]), random([3, 3, 32, 8])];
  const y = t.conv2d(image, filter, { padding: 1 });
  const outputs = [t.maxPool2d(t.mul(image, 2), 2), y];
  const rows = Math.ceil(image.size / 4 / TEXTURE_WIDTH);
  assert.ok(rows > 1);
  const target: Target = { ...PLAIN, textures: true, chainTextures: true };
  const values = [];
  for (const textureRows of [rows, rows - 1]) {
    const limited = { ...target, textureRows };
    const { dispatches } = schedule(outputs, [], limited);
    const textures = dispatches.flatMap(({ kernel, buffers }) =>
      textureInputs(kernel).map(({ binding }) => buffers[binding])
    );
    assert.equal(textures.includes(image), textureRows === rows);
    assert.ok(textures.includes(filter));
    const runtime = new Runtime(gpu, limited);
    values.push(await runtime.evaluate(outputs));
    runtime.destroy();
  }
  assert.deepEqual(values[1], values[0]);
});
