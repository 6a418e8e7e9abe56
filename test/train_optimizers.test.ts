/** Training steps on the GPU against the optimizers in float64, with batch statistics and their averages. */

import assert from "node:assert/strict";
import type { Parameter } from "../engine/nn/module.ts";
import { observe } from "../engine/nn/observe.ts";
import {
  cosineRate,
  type Schedule,
  scheduleInWords,
  strengthAt,
} from "../engine/train/schedule.ts";
import { learningRate } from "../engine/train/rate.ts";
import { type StepOptions, TrainingStep } from "../engine/train/step.ts";
import { crossEntropy, gradOrZeros, Input, type Tensor } from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { relativeError } from "./support/check.ts";
import {
  CHANNELS,
  moments,
  pixels,
  plainSet,
  sharedRuntime,
  SIZE,
  tinyNet,
} from "./support/train.ts";

const BATCH = 6;
const STEPS = 5;
const LR = 0.1;
const MOMENTUM = 0.9;
const WEIGHT_DECAY = 0.01;

const indicesOf = (step: number) =>
  Uint32Array.from({ length: BATCH }, (_, i) => (7 * (step * BATCH + i)) % 60);

/** Values of parameters, or gradients, in the order of the network's parameters. */
type Values = readonly Float64Array[];

/** An optimizer in float64: changes the weights, given the gradients at any. */
interface Rule {
  readonly name: string;
  readonly options: Partial<StepOptions>;
  make(sizes: readonly number[]): (weights: Values, gradientsAt: (w: Values) => Values) => void;
}

const zeros = (sizes: readonly number[]) => sizes.map((size) => new Float64Array(size));
const decayed = (weights: Values, gradients: Values) =>
  gradients.map((g, i) => g.map((value, j) => value + WEIGHT_DECAY * weights[i][j]));

function sgd(sizes: readonly number[]) {
  const velocities = zeros(sizes);
  return (weights: Values, gradients: Values) =>
    decayed(weights, gradients).forEach((found, i) =>
      found.forEach((g, j) => {
        velocities[i][j] = MOMENTUM * velocities[i][j] + g;
        weights[i][j] -= LR * velocities[i][j];
      })
    );
}

const RULES: readonly Rule[] = [
  {
    name: "SGD",
    options: {},
    make: (sizes) => {
      const step = sgd(sizes);
      return (weights, gradientsAt) => step(weights, gradientsAt(weights));
    },
  },
  {
    name: "Adam",
    options: { optimizer: "adam" },
    make: (sizes) => {
      const [first, second] = [zeros(sizes), zeros(sizes)];
      let t = 0;
      return (weights, gradientsAt) => {
        t++;
        decayed(weights, gradientsAt(weights)).forEach((found, i) =>
          found.forEach((g, j) => {
            const m = first[i][j] = 0.9 * first[i][j] + 0.1 * g;
            const v = second[i][j] = 0.999 * second[i][j] + 0.001 * g * g;
            const spread = Math.sqrt(v / (1 - 0.999 ** t));
            weights[i][j] -= LR * (m / (1 - 0.9 ** t)) / (spread + 1e-8);
          })
        );
      };
    },
  },
  {
    name: "SAM around SGD",
    options: { sam: { rho: 0.5 } },
    make: (sizes) => {
      const step = sgd(sizes);
      return (weights, gradientsAt) => {
        const here = gradientsAt(weights);
        const norm = Math.sqrt(here.flatMap((g) => [...g]).reduce((sum, g) => sum + g * g, 0));
        const climbed = weights.map((w, i) => w.map((x, j) => x + 0.5 / norm * here[i][j]));
        step(weights, gradientsAt(climbed));
      };
    },
  },
];

/** The same training in float64: losses, and every tensor of the state after the last step. */
function reference(network: ReturnType<typeof tinyNet>, rule: Rule) {
  const images = new Input("images", [BATCH, SIZE, SIZE, CHANNELS]);
  const labels = new Input("labels", [BATCH], "u32");
  const { logits, layer } = observe(network, images, { training: true });
  const loss = crossEntropy(logits, labels);
  const parameters = [...network.namedParameters()].map(([, p]) => p);
  const outputs = [loss, layer("features.0"), ...gradOrZeros(loss, parameters)];
  const state = new Map<Tensor, Float64Array>(
    [...network.namedState()].map(([, p]) => [p, Float64Array.from(p.initial)]),
  );
  const weights = parameters.map((parameter) => state.get(parameter)!);
  const step = rule.make(parameters.map(({ size }) => size));
  const running = network.features[1] as unknown as Record<string, Parameter>;
  const losses: number[] = [];
  for (let s = 0; s < STEPS; s++) {
    const indices = indicesOf(s);
    const batchLabels = Array.from(indices, (i) => plainSet.train.labels[i]);
    const at = (values: Values) => {
      const given = new Map<Tensor, ArrayLike<number>>(state);
      given.set(images, pixels(indices)).set(labels, batchLabels);
      parameters.forEach((parameter, i) => given.set(parameter, values[i]));
      const [[value], convolved, ...gradients] = interpret(outputs, given);
      return { value, convolved, gradients };
    };
    const { value, convolved } = at(weights);
    losses.push(value);
    step(weights, (values) => at(values).gradients);
    moments(convolved, 4).forEach(({ mean, variance }, c) => {
      const [means, variances] = [running.running_mean, running.running_var].map((p) =>
        state.get(p)!
      );
      means[c] = 0.9 * means[c] + 0.1 * mean;
      variances[c] = 0.9 * variances[c] + 0.1 * variance;
    });
    state.get(running.num_batches_tracked)![0]++;
  }
  return { losses, state };
}

for (const rule of RULES) {
  Deno.test(`five steps of ${rule.name} follow a float64 implementation`, async () => {
    const runtime = await sharedRuntime();
    const network = tinyNet(0, 0);
    const { losses, state } = reference(network, rule);
    const step = await TrainingStep.make(runtime, network, plainSet, plainSet.train, {
      batch: BATCH,
      seed: 0,
      momentum: MOMENTUM,
      weightDecay: WEIGHT_DECAY,
      ...rule.options,
    });
    let before = 0;
    for (let s = 0; s < STEPS; s++) {
      await step.run(indicesOf(s), s, LR);
      const { loss } = await step.readMetrics();
      assert.ok(
        Math.abs(loss - before - losses[s]) < 1e-5 * Math.max(1, losses[s]),
        `loss ${loss - before}, not ${losses[s]}`,
      );
      before = loss;
    }
    const named = [...network.namedState()];
    const values = await runtime.read(named.map(([, p]) => p));
    named.forEach(([name, parameter], i) => {
      const wanted = state.get(parameter)!;
      const error = relativeError(values[i], wanted);
      assert.ok(error < 1e-5, `${name} is off by ${error}`);
      const moved = parameter.initial.some((w, j) => Math.abs(w - wanted[j]) > 1e-3);
      assert.ok(moved, `${name} has moved`);
    });
    step.destroy();
    runtime.destroy();
  });
}

Deno.test("the accuracy counts the images whose largest logit is the label's", async () => {
  const runtime = await sharedRuntime();
  const network = tinyNet(0, 0);
  const options = { batch: 30, seed: 0, momentum: 0, weightDecay: 0 };
  const step = await TrainingStep.make(runtime, network, plainSet, plainSet.train, options);
  const indices = Uint32Array.from({ length: 30 }, (_, i) => 2 * i);
  await step.run(indices, 0, 0);
  const images = new Input("images", [30, SIZE, SIZE, CHANNELS]);
  const { logits } = observe(network, images, { training: true });
  const [rows] = interpret([logits], new Map([[images, pixels(indices)]]));
  const right = indices.filter((index, i) => {
    const row = Array.from(rows.subarray(3 * i, 3 * i + 3));
    return row.indexOf(Math.max(...row)) === plainSet.train.labels[index];
  });
  assert.equal((await step.readMetrics()).correct, right.length);
  step.clearMetrics();
  assert.deepEqual(await step.readMetrics(), { loss: 0, correct: 0 });
  runtime.destroy();
});

Deno.test("the cosine schedule begins at the base rate and falls to zero", () => {
  assert.equal(cosineRate(0.1, 0, 10), 0.1);
  assert.ok(Math.abs(cosineRate(0.1, 5, 10) - 0.05) < 1e-15);
  assert.ok(Math.abs(cosineRate(0.1, 9, 10) - 0.05 * (1 + Math.cos(0.9 * Math.PI))) < 1e-15);
  assert.ok(Math.abs(cosineRate(0.1, 10, 10)) < 1e-15);
  assert.equal(learningRate("cosine", 0.1, 5, 10), cosineRate(0.1, 5, 10));
  assert.equal(learningRate("constant", 0.1, 9, 10), 0.1);
});

Deno.test("a penalty grows over the warm-up, then stays or falls along a cosine", () => {
  const at = (course: "constant" | "cosine", warmup: number) =>
    [0, 0.5, 1, 2, 3, 4].map((epoch) => strengthAt({ warmup, course }, epoch, 4));
  assert.deepEqual(at("constant", 0), [1, 1, 1, 1, 1, 1]);
  assert.deepEqual(at("constant", 2), [0, 0.25, 0.5, 1, 1, 1]);
  const near = (found: number[], wanted: number[]) =>
    found.forEach((value, i) => assert.ok(Math.abs(value - wanted[i]) < 1e-12, `${found}`));
  near(at("cosine", 2), [0, 0.25, 0.5, 1, 0.5, 0]);
  near(at("cosine", 0).slice(3), [0.5, (1 - Math.SQRT1_2) / 2, 0]);
});

Deno.test("a penalty's warm-up may be a share of the epochs, and off it is from another on", () => {
  const along = (schedule: Schedule, epochs: number) =>
    [0, 0.25, 0.5, 0.75, 0.875, 1].map((share) => strengthAt(schedule, share * epochs, epochs));
  const warmup = { share: 0.5 };
  for (const epochs of [2, 8]) {
    const constant = along({ warmup, course: "constant", until: 0.875 }, epochs);
    assert.deepEqual(constant, [0, 0.5, 1, 1, 0, 0]);
    const cosine = along({ warmup, course: "cosine", until: 0.75 }, epochs);
    assert.deepEqual(cosine, [0, 0.5, 1, 0, 0, 0]);
  }
  assert.equal(
    scheduleInWords({ warmup: { share: 0.2 }, course: "constant", until: 0.9 }),
    "growing over the first 20 %, off for the last 10 %",
  );
  assert.equal(scheduleInWords({ warmup: 0, course: "constant", until: 1 }), "");
});
