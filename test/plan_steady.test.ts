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

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1];

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
  step.run(indices, 0, 0);
  await device.queue.onSubmittedWorkDone();

  const making = countCalls(device, [
    ...["createBuffer", "createTexture", "createBindGroup", "createComputePipeline"] as const,
    "createCommandEncoder",
  ]);
  const queue = countCalls(device.queue, ["submit"]);
  const hundreds: number[] = [];
  try {
    for (let hundred = 0; hundred < 10; hundred++) {
      const begun = performance.now();
      for (let k = 0; k < 100; k++) step.run(indices, 100 * hundred + k, 0);
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
    createCommandEncoder: 1000,
  });
  assert.deepEqual(queue.counts, { submit: 1000 });
  const [first, last] = [hundreds.slice(0, 3), hundreds.slice(-3)].map(median);
  assert.ok(last < 2 * first, `milliseconds of each hundred: ${hundreds.map(Math.round)}`);
  step.destroy();
  runtime.destroy();
});
