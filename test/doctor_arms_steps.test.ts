/** The standard of care: steps of each arm against the same steps by hand, in float64. */

import assert from "node:assert/strict";
import type { ArmSite, Recipe } from "../engine/doctor/arms/arm.ts";
import { type ArmOptions, ARMS, recipeOf, usualArmOptions } from "../engine/doctor/arms/arms.ts";
import { trainingGroups } from "../engine/doctor/arms/groups.ts";
import { symmetricBeta } from "../engine/doctor/arms/mixup.ts";
import { headParameters } from "../engine/doctor/head.ts";
import { bestScale } from "../engine/doctor/temperature.ts";
import type { Module } from "../engine/nn/module.ts";
import { observe } from "../engine/nn/observe.ts";
import { resetState } from "../engine/nn/state.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import {
  add,
  gradOrZeros,
  Input,
  logSoftmax,
  mean,
  mul,
  neg,
  square,
  sum,
  type Tensor,
} from "../engine/tensor/mod.ts";
import { upweighted } from "../engine/train/order.ts";
import { predictSplit } from "../engine/train/predict.ts";
import { accuracy, predictions } from "../engine/train/predictions.ts";
import { TrainingStep } from "../engine/train/step.ts";
import { train } from "../engine/train/train.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { relativeError } from "./support/check.ts";
import {
  CHANNELS,
  CLASSES,
  never,
  pixels,
  plainSet,
  sharedRuntime,
  SIZE,
  tinyNet,
  tinyOptions,
  tinyValidation,
} from "./support/train.ts";

const BATCH = 6;
const STEPS = 3;
const SEED = 5;
const LR = 0.1;
const PIXELS = SIZE * SIZE;

/** Backgrounds that go with the class but in every fifth image. */
const set = {
  ...plainSet,
  train: {
    ...plainSet.train,
    backgrounds: Uint8Array.from(
      plainSet.train.labels,
      (label, i) => i % 5 === 0 ? (label + 1 + i % 2) % CLASSES : label,
    ),
  },
};
const indicesOf = (step: number) =>
  Uint32Array.from({ length: BATCH }, (_, i) => (7 * (step * BATCH + i)) % 60);

const siteOf = (runtime: Runtime, network: Module) =>
  ({
    ...{ runtime, network, set, signal: never },
    split: { train: set.train, validation: tinyValidation },
    settings: { batch: 16, seed: SEED, lr: LR, momentum: 0.9, weightDecay: 5e-4 },
  }) as unknown as ArmSite;

/** What a step is about, in float64: the network is shown images, with targets and weights. */
interface Shown {
  readonly images: Float64Array;
  /** [B, K] */
  readonly targets: Float64Array;
}

interface Hand {
  readonly name: typeof ARMS[number]["name"];
  readonly options?: Partial<ArmOptions>;
  /** What an arm shows in the place of the batch. */
  shown?(batch: Shown, indices: Uint32Array, step: number): Shown;
  /** How much each sample's cross entropy counts; each the same if absent. */
  weights?(): (losses: Float64Array, indices: Uint32Array) => number[];
  /** Weight of the mean squared logits. */
  readonly decoupling?: number;
  /** The parameters that are trained, in evaluation mode. */
  readonly alone?: readonly string[];
}

const oneHots = (indices: Uint32Array) =>
  Float64Array.from(
    { length: indices.length * CLASSES },
    (_, at) => Number(set.train.labels[indices[Math.floor(at / CLASSES)]] === at % CLASSES),
  );
const next = (i: number) => (i + 1) % BATCH;

/** The background of the images, 1 or 0 in each pixel. */
const ground = (image: number, pixel: number) =>
  1 - set.train.masks!.coverage[image * PIXELS + pixel] / 255;

const HANDS: readonly Hand[] = [
  {
    name: "swap",
    shown: ({ images, targets }, indices) => {
      const value = (i: number, y: number, x: number, c: number) =>
        images[(i * PIXELS + y * SIZE + x) * CHANNELS + c];
      const around = (at: number) => [at - 1, at, at + 1].filter((k) => k >= 0 && k < SIZE);
      const isClear = (i: number, y: number, x: number) =>
        around(y).every((v) => around(x).every((u) => ground(indices[i], v * SIZE + u) === 1));
      const colour = (i: number, c: number) => {
        const clear = [...Array(PIXELS).keys()]
          .map((p) => [Math.floor(p / SIZE), p % SIZE]).filter(([y, x]) => isClear(i, y, x));
        return clear.reduce((total, [y, x]) => total + value(i, y, x, c), 0) / clear.length;
      };
      const half = SIZE / 2;
      const filled = (i: number, y: number, x: number, c: number) => {
        const from = [[0, 0], [0, half], [half, 0], [half, half]]
          .map(([down, right]) => [(y + down) % SIZE, (x + right) % SIZE])
          .find(([v, u]) => isClear(i, v, u));
        return from ? value(i, from[0], from[1], c) : colour(i, c);
      };
      return {
        targets,
        images: images.map((own, at) => {
          const [c, pixel] = [at % CHANNELS, Math.floor(at / CHANNELS) % PIXELS];
          const i = Math.floor(at / CHANNELS / PIXELS);
          if (ground(indices[i], pixel) === 0) return own;
          return filled(next(i), Math.floor(pixel / SIZE), pixel % SIZE, c);
        }),
      };
    },
  },
  {
    name: "smooth",
    options: { smoothing: 0.3 },
    shown: ({ images, targets }) => ({
      images,
      targets: targets.map((t) => t === 1 ? 0.7 + 0.1 : 0.1),
    }),
  },
  {
    name: "mixup",
    options: { mixupAlpha: 0.4 },
    shown: ({ images, targets }, _, step) => {
      const key = new Input("key", [2], "u32");
      const [[share]] = interpret([symmetricBeta(0.4, key)], new Map([[key, [SEED, step]]]));
      const mixed = (rows: Float64Array) => {
        const size = rows.length / BATCH;
        return rows.map((own, at) =>
          share * own + (1 - share) * rows[next(Math.floor(at / size)) * size + at % size]
        );
      };
      return { images: mixed(images), targets: mixed(targets) };
    },
  },
  { name: "decouple", options: { decoupling: 0.2 }, decoupling: 0.2 },
  { name: "dfr", alone: ["fc.weight", "fc.bias"] },
  {
    name: "gdro",
    options: { gdroStep: 0.5 },
    weights: () => {
      const group = (i: number) => `${set.train.labels[i]} ${set.train.backgrounds[i]}`;
      const all = [...new Set(Array.from(set.train.labels, (_, i) => group(i)))];
      assert.ok(all.length > CLASSES, "some groups are rare");
      let q = all.map(() => 1 / all.length);
      return (losses, indices) => {
        const members = all.map((name) =>
          [...indices.keys()].filter((i) => group(indices[i]) === name)
        );
        const means = members.map((of) =>
          of.reduce((total, i) => total + losses[i], 0) / Math.max(1, of.length)
        );
        q = q.map((weight, g) => weight * Math.exp(0.5 * means[g]));
        const total = q.reduce((a, b) => a + b);
        q = q.map((weight) => weight / total);
        return Array.from(indices, (index) => {
          const g = all.indexOf(group(index));
          return q[g] / members[g].length;
        });
      };
    },
  },
];

/** The steps by hand: SGD on the weighted cross entropies of what is shown. */
function byHand(network: ReturnType<typeof tinyNet>, hand: Hand) {
  const images = new Input("images", [BATCH, SIZE, SIZE, CHANNELS]);
  const targets = new Input("targets", [BATCH, CLASSES]);
  const counts = new Input("counts", [BATCH]);
  const { logits } = observe(network, images, { training: hand.alone === undefined });
  const losses = neg(sum(mul(logSoftmax(logits), targets), [1]));
  const loss = add(
    sum(mul(losses, counts)),
    mul(mean(square(logits)), hand.decoupling ?? 0),
  );
  const parameters = [...network.namedParameters()]
    .filter(([name]) => hand.alone?.includes(name) ?? true).map(([, p]) => p);
  const gradients = gradOrZeros(loss, parameters);
  const weights = hand.weights?.() ?? (() => new Array<number>(BATCH).fill(1 / BATCH));
  const state = new Map<Tensor, ArrayLike<number>>(
    [...network.namedParameters()].map(([, p]) => [p, Float64Array.from(p.initial)]),
  );
  for (let step = 0; step < STEPS; step++) {
    const indices = indicesOf(step);
    const batch = { images: pixels(indices), targets: oneHots(indices) };
    const shown = hand.shown?.(batch, indices, step) ?? batch;
    const given = new Map(state).set(images, shown.images).set(targets, shown.targets);
    const [each] = interpret([losses], given);
    given.set(counts, weights(Float64Array.from(each), indices));
    const found = interpret(gradients, given);
    parameters.forEach((parameter, i) =>
      state.set(parameter, Array.from(state.get(parameter)!, (w, j) => w - LR * found[i][j]))
    );
  }
  return state;
}

for (const hand of HANDS) {
  Deno.test(`steps of ${hand.name} are those by hand`, async () => {
    const runtime = await sharedRuntime();
    const network = tinyNet(0, 0);
    const wanted = byHand(network, hand);
    const options = { ...usualArmOptions, ...hand.options };
    const recipe: Recipe = await recipeOf(hand.name, siteOf(runtime, network), options);
    const step = await TrainingStep.make(runtime, network, set, set.train, {
      ...{ batch: BATCH, seed: SEED, momentum: 0, weightDecay: 0 },
      ...recipe,
    });
    for (let s = 0; s < STEPS; s++) await step.run(indicesOf(s), s, LR);
    const named = [...network.namedParameters()];
    const values = await runtime.read(named.map(([, p]) => p));
    named.forEach(([name, parameter], i) => {
      const error = relativeError(values[i], wanted.get(parameter)!);
      assert.ok(error < 1e-5, `${name} is off by ${error}`);
      const moved = relativeError(parameter.initial, wanted.get(parameter)!) > 1e-4;
      assert.equal(moved, hand.alone?.includes(name) ?? true, name);
    });
    step.destroy();
    runtime.destroy();
  });
}

Deno.test("groups are those that there are images of; where none shows a class elsewhere, it is said", () => {
  const labels = Uint16Array.of(0, 0, 1, 1, 2, 2);
  const of = (by: "combinations" | "pairings", ...backgrounds: number[]) =>
    trainingGroups({ ...set.train, labels, backgrounds: Uint8Array.from(backgrounds) }, by);
  assert.deepEqual([...of("combinations", 0, 1, 1, 1, 2, 0).of], [0, 1, 2, 2, 3, 4]);
  assert.deepEqual([...of("pairings", 0, 1, 1, 1, 2, 0).of], [0, 1, 0, 0, 0, 1]);
  for (const by of ["combinations", "pairings"] as const) {
    assert.equal(of(by, 0, 1, 1, 1, 2, 0).note, undefined);
    assert.match(of(by, 0, 0, 1, 1, 2, 2).note!, /one kind of background in training/);
  }
});

Deno.test("mixup's shares follow Beta(alpha, alpha)", () => {
  for (const alpha of [0.2, 1]) {
    const key = new Input("key", [2], "u32");
    const share = symmetricBeta(alpha, key);
    const n = 500;
    const drawn = Array.from(
      { length: n },
      (_, step) => interpret([share], new Map([[key, [3, step]]]))[0][0],
    );
    assert.ok(drawn.every((value) => value >= 0 && value <= 1));
    const spread = drawn.reduce((total, value) => total + (value - 0.5) ** 2, 0) / n;
    const [average, wanted] = [drawn.reduce((a, b) => a + b) / n, 1 / (4 * (2 * alpha + 1))];
    assert.ok(Math.abs(average - 0.5) < 4 * Math.sqrt(wanted / n), `mean ${average}`);
    assert.ok(Math.abs(spread - wanted) < 4 * 0.25 / Math.sqrt(n), `variance ${spread}`);
  }
});

Deno.test("jtt: the images that an early model gets wrong are there several times", async () => {
  const runtime = await sharedRuntime();
  const network = tinyNet(1, 0);
  const site = siteOf(runtime, network);
  const options = { ...usualArmOptions, jttTimes: 4 };
  const { order } = await recipeOf("jtt", site, options);
  resetState(network, runtime);
  await train(runtime, network, {
    ...{ ...tinyOptions(""), checkpoint: undefined, set, train: set.train, epochs: 1 },
    ...{ seed: SEED, lr: LR, lrSchedule: "constant" },
  });
  const logits = await predictSplit(runtime, network, set, set.train, { batch: 60 });
  const wrong = predictions(logits).map(({ label, predicted }) => label !== predicted);
  assert.ok(wrong.some(Boolean) && !wrong.every(Boolean));
  const wanted = upweighted(wrong.map((is) => is ? 4 : 1));
  assert.deepEqual(order!(60, 1, 2), wanted(60, 1, 2));
  runtime.destroy();
});

Deno.test("temperature: the best factor of the logits, folded into the last layer", async () => {
  const runtime = await sharedRuntime();
  const network = tinyNet(2, 0);
  assert.deepEqual([...headParameters(network, set).keys()], ["fc.weight", "fc.bias"]);
  const predict = () => predictSplit(runtime, network, set, tinyValidation, { batch: 16 });
  const before = await predict();
  const scale = bestScale(before);
  const lossAt = (factor: number) =>
    accuracy(predictions({ ...before, values: before.values.map((z) => factor * z) })).loss;
  for (const other of [0.9, 0.99, 1.01, 1.1, 1 / scale]) {
    assert.ok(lossAt(scale) <= lossAt(scale * other), `${scale} or ${scale * other}`);
  }
  const { finish } = await recipeOf("temperature", siteOf(runtime, network), usualArmOptions);
  resetState(network, runtime);
  await finish!();
  const after = await predict();
  const error = relativeError(after.values, before.values.map((z) => scale * z));
  assert.ok(error < 1e-6, `off by ${error}`);
  assert.ok(Math.abs(accuracy(predictions(after)).loss - lossAt(scale)) < 1e-6);
  runtime.destroy();

  // All right: the surer the better, as far as that can be told. All wrong: the less sure.
  const logits = { values: Float32Array.of(1, 0, 0, 1), classes: 2 };
  assert.ok(bestScale({ ...logits, labels: Uint16Array.of(0, 1) }) > 30);
  assert.ok(bestScale({ ...logits, labels: Uint16Array.of(1, 0) }) < 0.011);
});
