/** Batches that are trained on in parts: the same as at once, but for what looks at several images. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { constraintPenalty } from "../engine/doctor/penalty.ts";
import { firstValues } from "../engine/doctor/first_values.ts";
import { ExitCode } from "../engine/errors.ts";
import { Conv2d, Dropout, Linear, MaxPool2d, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import { initialize } from "../engine/nn/state.ts";
import { checkpointFile } from "../engine/run/checkpoint_file.ts";
import { flatten } from "../engine/tensor/movement.ts";
import { type Tensor, Variable } from "../engine/tensor/tensor.ts";
import { stepSize } from "../engine/train/parts.ts";
import { type StepOptions, TrainingStep } from "../engine/train/step.ts";
import { constraintOf } from "./support/constraint.ts";
import { relativeError } from "./support/gpu.ts";
import { inFolder, userError } from "./support/io.ts";
import {
  abortAtLook,
  CHANNELS,
  CLASSES,
  freshRuntime,
  plainSet,
  sameState,
  SIZE,
  tinyNet,
  tinyOptions,
  tinySet,
  tinyTraining,
} from "./support/train.ts";

/** A network in which no image knows of another. */
class ImageByImage extends Module {
  readonly features = new Sequential(
    new Conv2d(CHANNELS, 4, 3, { padding: 1 }),
    new ReLU(),
    new MaxPool2d(2),
    new Conv2d(4, 5, 3, { padding: 1 }),
  );
  readonly relu = new ReLU();
  readonly dropout = new Dropout(0.3);
  readonly fc = new Linear(5 * SIZE * SIZE / 4, CLASSES);

  protected forward(x: Tensor, pass: Pass): Tensor {
    const features = this.relu.apply(this.features.apply(x, pass), pass);
    return this.fc.apply(this.dropout.apply(flatten(features), pass), pass);
  }
}

const BATCH = 12;
const constraint = constraintOf({ layers: ["features"], alpha: 0.5, beta: 0.1 });
const mask = new Variable(
  "mask",
  [CLASSES, 5],
  Float32Array.from({ length: 5 * CLASSES }, (_, i) => i % 2),
);

function network(): ImageByImage {
  const made = new ImageByImage();
  initialize(made, 3);
  return made;
}

/** Parameters and sums after some steps of `BATCH` images. */
async function trained(options: Partial<StepOptions>, penalty = false) {
  const runtime = await freshRuntime();
  const net = network();
  const step = await TrainingStep.make(runtime, net, tinySet, tinySet.train, {
    ...{ batch: BATCH, seed: 4, momentum: 0.9, weightDecay: 1e-3 },
    ...penalty &&
      { penalty: constraintPenalty(net, constraint, new Map([["features", { mask }]])) },
    ...options,
  });
  for (let s = 0; s < 3; s++) {
    await step.run(Uint32Array.from({ length: BATCH }, (_, i) => (BATCH * s + i) % 60), s, 0.05);
  }
  const named = [...net.namedParameters()];
  const values = await runtime.read(named.map(([, parameter]) => parameter));
  const metrics = await step.readMetrics();
  step.destroy();
  runtime.destroy();
  return { named, values, metrics };
}

const CASES: readonly [string, number[], Partial<StepOptions>, boolean][] = [
  ["SGD", [6, 1], {}, false],
  ["Adam", [4], { optimizer: "adam" }, false],
  ["the constraint", [4], {}, true],
  ["SAM, two passes over the batch", [4], { sam: { rho: 0.05 } }, false],
];

for (const [what, sizes, options, penalty] of CASES) {
  Deno.test(`a batch in parts is the batch at once, with dropout and crops: ${what}`, async () => {
    const whole = await trained(options, penalty);
    for (const microBatch of sizes) {
      const { values, metrics } = await trained({ ...options, microBatch }, penalty);
      // Adam divides each gradient by its size, however near to its own rounding that is.
      const bound = options.optimizer === "adam" ? 1e-5 : 1e-6;
      whole.named.forEach(([name, { initial }], i) => {
        const error = relativeError(values[i], whole.values[i]);
        assert.ok(error < bound, `${name} in parts of ${microBatch} is off by ${error}`);
        assert.ok(relativeError(initial, whole.values[i]) > 1e-3, `${name} has moved`);
      });
      assert.deepEqual(Object.keys(metrics), Object.keys(whole.metrics));
      for (const [name, value] of Object.entries(whole.metrics)) {
        const error = Math.abs(metrics[name] / value - 1);
        assert.ok(error < 1e-5, `${name} in parts of ${microBatch} is off by ${error}`);
      }
    }
  });
}

Deno.test("batch normalisation goes by each part, as steps on the parts would", async () => {
  const running = async (size: number, options: Partial<StepOptions>) => {
    const runtime = await freshRuntime();
    const net = tinyNet(0, 0);
    const step = await TrainingStep.make(runtime, net, plainSet, plainSet.train, {
      ...{ batch: size, seed: 0, momentum: 0, weightDecay: 0 },
      ...options,
    });
    const indices = Uint32Array.from({ length: BATCH }, (_, i) => i);
    // At a learning rate of 0 nothing but statistics moves.
    for (let s = 0; s < BATCH / size; s++) {
      await step.run(indices.slice(s * size, (s + 1) * size), s, 0);
    }
    const named = [...net.namedState()].filter(([name]) => /running|tracked/.test(name));
    return await runtime.read(named.map(([, variable]) => variable));
  };
  const parts = await running(4, {});
  assert.deepEqual(await running(BATCH, { microBatch: 4 }), parts);
  assert.notDeepEqual(await running(BATCH, {}), parts);
});

Deno.test("in parts too, a run that was stopped arrives at the bits of one that was not", () =>
  inFolder(async (folder) => {
    const options = { ...tinyOptions(folder), microBatch: 8 };
    const checkpoint = checkpointFile(join(folder, "whole"));
    const whole = await tinyTraining({ ...options, checkpoint });
    await assert.rejects(tinyTraining({ ...options, signal: abortAtLook(2) }));
    await userError(
      tinyTraining({ ...options, microBatch: 4 }),
      ExitCode.weights,
      /microBatch was 8 and is 4/,
    );
    sameState(whole.state, (await tinyTraining(options, tinyNet(99))).state);
  }));

Deno.test("in parts too, where a loss is no number it is told where that began", () =>
  inFolder(async (folder) => {
    const options = { ...tinyOptions(folder), microBatch: 8, lr: 1e30 };
    await userError(tinyTraining(options), ExitCode.diverged, /it began with \S+ in .*, at step/);
  }));

Deno.test("a term's value at the start is the batch's, in parts or not", async () => {
  const of = async (microBatch?: number) => {
    const runtime = await freshRuntime();
    const net = network();
    const penalty = constraintPenalty(net, constraint, new Map([["features", { mask }]]))!;
    const settings = { batch: BATCH, microBatch, seed: 2 };
    const split = { train: tinySet.train };
    const site = { runtime, network: net, set: tinySet, split, settings };
    // Dropout draws by the number of the batch that is looked at.
    net.dropout.apply = (x: Tensor) => x;
    return await firstValues(site, penalty);
  };
  const [whole, parts] = [await of(), await of(4)];
  for (const [name, value] of Object.entries(whole)) {
    assert.ok(Math.abs(parts[name] / value - 1) < 1e-5, `${name}: ${parts[name]}, not ${value}`);
  }
});

Deno.test("steps on few images are whole parts; a batch that has none is refused", () => {
  assert.deepEqual(stepSize({ batch: 64 }, 1000), { batch: 64, microBatch: 64 });
  assert.deepEqual(stepSize({ batch: 64 }, 50), { batch: 50, microBatch: 50 });
  assert.deepEqual(stepSize({ batch: 64, microBatch: 16 }, 50), { batch: 48, microBatch: 16 });
  assert.deepEqual(stepSize({ batch: 64, microBatch: 16 }, 10), { batch: 10, microBatch: 10 });
  assert.throws(
    () => stepSize({ batch: 64, microBatch: 48 }, 1000),
    /parts of 48 images do not divide a batch of 64; parts of 32 do/,
  );
});
