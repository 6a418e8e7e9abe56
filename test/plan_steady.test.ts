/** A long run: nothing is made after the first step, and no step is slower than those before. */

import assert from "node:assert/strict";
import { TrainingStep } from "../engine/train/step.ts";
import { freshRuntime, tinyNet, tinySet } from "./support/train.ts";

/** Counts the calls of an object's methods until `restore`. */
function countCalls<T extends object>(object: T, names: readonly (keyof T & string)[]) {
  const counts: Record<string, number> = {};
  const originals = names.map((name) => object[name] as (...args: unknown[]) => unknown);
  names.forEach((name, k) => {
    counts[name] = 0;
    Object.assign(object, {
      [name]: (...args: unknown[]) => {
        counts[name]++;
        return originals[k].apply(object, args);
      },
    });
  });
  const restore = () => names.forEach((name, k) => Object.assign(object, { [name]: originals[k] }));
  return { counts, restore };
}

/** Whether one of the last hundreds is nearly as quick as most of the first five: one may be lucky. */
const isSteady = (hundreds: readonly number[]) =>
  Math.min(...hundreds.slice(-3)) < 1.5 * hundreds.slice(0, 5).sort((a, b) => a - b)[2];

Deno.test("1,000 steps: one submission each, nothing made, no slowing down", async () => {
  const runtime = await freshRuntime();
  const { device } = runtime.gpu;
  const step = await TrainingStep.make(runtime, tinyNet(), tinySet, tinySet.train, {
    batch: 16,
    seed: 0,
    momentum: 0.9,
    weightDecay: 5e-4,
  });
  const indices = Uint32Array.from({ length: 16 }, (_, i) => i);
  await step.run(indices, 0, 0);
  await device.queue.onSubmittedWorkDone();

  const making = countCalls(device, [
    ...["createBuffer", "createTexture", "createBindGroup", "createComputePipeline"] as const,
    "createCommandEncoder",
  ]);
  const queue = countCalls(device.queue, ["submit"]);
  const hundreds: number[] = [];
  try {
    // Other work on the machine makes single hundreds slow; what slows down stays slow.
    while (hundreds.length < 10 || (!isSteady(hundreds) && hundreds.length < 40)) {
      const begun = performance.now();
      for (let k = 0; k < 100; k++) await step.run(indices, 100 * hundreds.length + k, 0);
      const done = device.queue.onSubmittedWorkDone();
      hundreds.push(performance.now() - begun);
      await done;
    }
  } finally {
    making.restore();
    queue.restore();
  }
  runtime.gpu.check();
  assert.deepEqual(making.counts, {
    createBuffer: 0,
    createTexture: 0,
    createBindGroup: 0,
    createComputePipeline: 0,
    createCommandEncoder: 100 * hundreds.length,
  });
  assert.deepEqual(queue.counts, { submit: 100 * hundreds.length });
  assert.ok(isSteady(hundreds), `milliseconds of each hundred steps: ${hundreds.map(Math.round)}`);
  step.destroy();
  runtime.destroy();
});
