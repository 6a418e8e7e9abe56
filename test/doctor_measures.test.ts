/** Measures: those of predictions by hand, those on the device against float64. */

import assert from "node:assert/strict";
import { pairingsOf } from "../engine/data/groups.ts";
import { agreement, NoiseMeasure } from "../engine/doctor/probes/noise.ts";
import { attack, fgsmAttack, pgdAttack } from "../engine/doctor/probes/attack.ts";
import { fgsmMeasure } from "../engine/doctor/probes/fgsm.ts";
import {
  byClass,
  byGroup,
  calibration,
  confusionMatrix,
  worst,
} from "../engine/doctor/class_measures.ts";
import { InsertionMeasure, ranksOf } from "../engine/doctor/probes/insertion.ts";
import {
  probeCurves,
  probeOptions,
  PROBES,
  probeScalars,
  probesInWords,
  probesOf,
} from "../engine/doctor/probes/probes.ts";
import { ForegroundMeasure, foregroundOf } from "../engine/doctor/probes/foreground.ts";
import type { Subject } from "../engine/doctor/probes/probe.ts";
import {
  pairedSample,
  sample,
  studentReach,
  studentWithin,
  wilson,
} from "../engine/doctor/significance.ts";
import { ExitCode } from "../engine/errors.ts";
import { observe } from "../engine/nn/observe.ts";
import {
  crossEntropyPerSample,
  grad,
  Input,
  mul,
  softmax,
  sum,
  type Tensor,
  Variable,
} from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { userError } from "./support/io.ts";
import { CHANNELS, CLASSES, freshRuntime, SIZE, tinyNet, tinySet } from "./support/train.ts";

// Of predictions.

/** Predictions from "label predicted" and a confidence. */
const of = (...pairs: [number, number, number?][]) =>
  pairs.map(([label, predicted, confidence = 0.5]) => ({ label, predicted, confidence, loss: 0 }));

Deno.test("by class, by group, the worst, and the confusion matrix", () => {
  const predicted = of([0, 0], [0, 1], [0, 0], [1, 1], [3, 1]);
  const shares = byClass(predicted, 4);
  assert.deepEqual(shares.map(({ images, correct }) => [images, correct]), [
    ...[[3, 2], [1, 1], [0, 0], [1, 0]],
  ]);
  assert.deepEqual(shares[0].interval, wilson(2, 3));
  assert.deepEqual([shares[2].accuracy, shares[2].interval], [null, null]);
  assert.equal(worst(shares), 3);
  assert.equal(worst(shares.slice(0, 3)), 0, "a class without images is not the worst");
  assert.equal(worst([]), -1);
  assert.deepEqual(byGroup(predicted, [0, 1, 1, 1, 0], 2).map((s) => s.accuracy), [1 / 2, 2 / 3]);
  assert.deepEqual(confusionMatrix(predicted, 4), [
    ...[[2, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0], [0, 1, 0, 0]],
  ]);
  const { images, labels } = tinySet.test;
  assert.equal(pairingsOf({ images, labels }), undefined);
  const backgrounds = Uint8Array.from(labels, (k, i) => i === 4 ? (k + 1) % CLASSES : k);
  const groups = pairingsOf({ images, labels, backgrounds })!;
  assert.deepEqual(Array.from(groups.of), Array.from(labels, (_, i) => i === 4 ? 1 : 0));
});

Deno.test("calibration: bins take their upper end, and weigh by their images", () => {
  const { ece, bins } = calibration(of([0, 0, 1], [0, 1, 0.9], [0, 0, 0.2], [0, 0, 0.05]), 10);
  assert.deepEqual(bins.map(({ images }) => images), [1, 1, 0, 0, 0, 0, 0, 0, 1, 1]);
  assert.deepEqual([bins[8].accuracy, bins[8].confidence], [0, 0.9]);
  assert.deepEqual([bins[4].accuracy, bins[4].confidence], [null, null]);
  assert.ok(Math.abs(ece - (0 + 0.9 + 0.8 + 0.95) / 4) < 1e-12);
  assert.equal(calibration(of([0, 0])).bins.length, 15);
});

Deno.test("Student's t: tables, and a paired sample", () => {
  const table = [[1, 12.7062047], [2, 4.3026527], [4, 2.7764451], [5, 2.5705818], [30, 2.0422725]];
  for (const [freedom, reach] of table) {
    assert.ok(Math.abs(studentReach(0.95, freedom) - reach) < 1e-6, `${freedom}`);
  }
  assert.ok(Math.abs(studentReach(0.99, 9) - 3.2498355) < 1e-6);
  assert.ok(Math.abs(studentWithin(1, 1) - 0.5) < 1e-12);
  // scipy.stats.ttest_1samp([0.1, 0.3, -0.1, 0.2, 0.4], 0)
  const { mean, deviation, interval, p } = pairedSample([0.1, 0.3, -0.1, 0.2, 0.4]);
  assert.ok(Math.abs(mean - 0.18) < 1e-12 && Math.abs(deviation! - 0.1923538406) < 1e-9);
  assert.ok(Math.abs(p! - 0.1045399998) < 1e-8);
  assert.ok(Math.abs(interval![0] + 0.0588388384) < 1e-8);
  assert.deepEqual(sample([2]), { mean: 2, deviation: null, values: [2] });
  for (const values of [[0.5], [0.1 + 0.2, 0.3], [0, 0, 0]]) {
    const { interval, p } = pairedSample(values);
    assert.deepEqual([interval, p], [null, null]);
  }
});

Deno.test("probes: names and options are unique, and what was done is said in words", () => {
  const unique = (names: readonly string[]) => assert.equal(new Set(names).size, names.length);
  unique(PROBES.map(({ name }) => name));
  const options = PROBES.flatMap(({ options }) => Object.keys(options));
  unique(options);
  assert.deepEqual(Object.keys(probeOptions).sort(), options.sort());
  const point = [{ strength: 2, accuracy: 0.5 }];
  const results = { fgsm: point, noise: { layer: "a", unit: 1, points: point } };
  assert.equal(probesInWords({}), "");
  assert.equal(probesInWords({ fgsm: point }), "FGSM");
  assert.equal(probesInWords(results), "FGSM and noise");
  assert.deepEqual(probeScalars(results), { "FGSM 2/255": 0.5, "noise 2": 0.5 });
  assert.deepEqual(probeCurves(results).map(({ points }) => points), [[[2, 50]], [[2, 50]]]);
});

Deno.test("measures are known by their names", async () => {
  assert.deepEqual(probesOf(["noise", "fgsm"]), ["noise", "fgsm"]);
  assert.deepEqual(probesOf(["none"]), []);
  await userError(
    (async () => await probesOf(["nois"]))(),
    ExitCode.usage,
    /no measure nois; did you mean noise\?/,
  );
});

// On the device.

const split = tinySet.test;
const N = split.labels.length;
const PIXELS = SIZE * SIZE;

async function subject(): Promise<Subject> {
  const runtime = await freshRuntime();
  return {
    ...{ runtime, network: tinyNet(3), featureLayer: "features" },
    ...{ set: tinySet, split, batch: 8, seed: 5 },
  };
}

/** All images of the split, normalised. */
const images = new Variable(
  "images",
  [N, SIZE, SIZE, CHANNELS],
  Float32Array.from(split.images, (byte, at) => {
    const c = at % CHANNELS;
    return (byte / 255 - tinySet.mean[c]) / tinySet.std[c];
  }),
);
const labels = new Variable("labels", [N], Uint32Array.from(split.labels));

/** By the oracle: |d logit_label / d x| summed over channels, one row for each image. */
function saliencyByHand({ network }: Subject): Float64Array[] {
  const x = new Input("x", images.shape);
  const { logits } = observe(network, x, { training: false });
  const pick = new Variable(
    "pick",
    [N, CLASSES],
    Float32Array.from(
      { length: N * CLASSES },
      (_, i) => split.labels[Math.floor(i / CLASSES)] === i % CLASSES ? 1 : 0,
    ),
  );
  const [gradient] = interpret(grad(sum(mul(logits, pick)), [x]), new Map([[x, images.initial]]));
  return Array.from({ length: N }, (_, i) =>
    Float64Array.from({ length: PIXELS }, (_, p) => {
      let total = 0;
      for (let c = 0; c < CHANNELS; c++) {
        total += Math.abs(gradient[(i * PIXELS + p) * CHANNELS + c]);
      }
      return total;
    }));
}

const argmax = (row: ArrayLike<number>) => Array.from(row).indexOf(Math.max(...Array.from(row)));

/** The oracle's predictions for images. */
function predict({ network }: Subject, values: ArrayLike<number>): number[] {
  const x = new Input("x", images.shape);
  const { logits } = observe(network, x, { training: false });
  const [found] = interpret([logits], new Map<Tensor, ArrayLike<number>>([[x, values]]));
  return Array.from(
    { length: N },
    (_, i) => argmax(found.subarray(i * CLASSES, (i + 1) * CLASSES)),
  );
}

const share = (predicted: readonly number[]) =>
  predicted.filter((k, i) => k === split.labels[i]).length / N;

Deno.test("saliency in the foreground and the pointing game follow float64", async () => {
  const given = await subject();
  const measure = await ForegroundMeasure.make(given);
  const found = await measure.measure();
  const { coverage } = split.masks!;
  let [inside, hits] = [0, 0];
  saliencyByHand(given).forEach((map, i) => {
    const mask = coverage.subarray(i * PIXELS, (i + 1) * PIXELS).map((share) => share / 255);
    const figure = map.reduce((sum, value, p) => sum + value * mask[p], 0);
    inside += figure / map.reduce((a, b) => a + b) / N;
    hits += mask[argmax(map)];
  });
  assert.equal(found.images, N);
  assert.ok(Math.abs(found.saliency! - inside) < 1e-5, `${found.saliency} is not ${inside}`);
  const area = coverage.reduce((a, b) => a + b) / 255 / coverage.length;
  assert.ok(Math.abs(found.area! - area) < 1e-6);
  assert.equal(found.pointing.correct, hits);
  measure.destroy();

  // Images without gradient, without figure or without background don't count.
  const rows = [2, 1, 0.5, 1, 0, 0, 0.5, 1, 1, 0, 0, 0, 1, 1, 1, 1];
  const { images: counted, saliency, pointing } = foregroundOf(rows);
  assert.deepEqual([counted, saliency, pointing.correct], [1, 0.5, 1]);
  assert.equal(foregroundOf([]).saliency, null);
  given.runtime.destroy();
});

Deno.test("FGSM and PGD stay within epsilon and black and white, and raise the loss", async () => {
  const given = await subject();
  const epsilon = 12;
  const measure = await fgsmMeasure(given, [0, epsilon]);
  const points = await measure.measure();
  measure.destroy();
  const found = {
    fgsm: await attack(given, fgsmAttack(epsilon)),
    pgd: await attack(given, pgdAttack(epsilon, 5)),
  };
  assert.deepEqual(await attack(given, pgdAttack(epsilon, 5)), found.pgd, "the same seed");

  // FGSM by the oracle's gradient.
  const x = new Input("x", images.shape);
  const losses = crossEntropyPerSample(
    observe(given.network, x, { training: false }).logits,
    labels,
  );
  const lossOf = (values: ArrayLike<number>) =>
    interpret([sum(losses)], new Map<Tensor, ArrayLike<number>>([[x, values]]))[0][0];
  const [gradient] = interpret(grad(sum(losses), [x]), new Map([[x, images.initial]]));
  const limits = (at: number) => {
    const c = at % CHANNELS;
    const place = (value: number) => (value - tinySet.mean[c]) / tinySet.std[c];
    const value = split.images[at] / 255;
    const low = place(Math.max(0, value - epsilon / 255));
    return [low, place(Math.min(1, value + epsilon / 255))];
  };
  const byHand = Float64Array.from(gradient, (g, at) => {
    const [low, high] = limits(at);
    return g > 0 ? high : g < 0 ? low : images.initial[at];
  });
  const off = byHand.filter((value, at) => Math.abs(value - found.fgsm[at]) > 1e-5).length;
  assert.ok(off <= 0.002 * byHand.length, `${off} pixels have moved elsewhere`);
  assert.equal(points[0].accuracy, share(predict(given, images.initial)));
  assert.equal(points[1].accuracy, share(predict(given, found.fgsm)));

  for (const values of Object.values(found)) {
    values.forEach((value, at) => {
      const [low, high] = limits(at);
      assert.ok(value >= low - 1e-5 && value <= high + 1e-5, `pixel ${at}`);
    });
  }
  const [clean, once, often] = [images.initial, found.fgsm, found.pgd].map(lossOf);
  assert.ok(clean < once && once <= often * 1.05, `losses ${clean}, ${once}, ${often}`);
  given.runtime.destroy();
});

Deno.test("feature noise: none changes nothing, a lot does, draws are of the seed", async () => {
  const given = await subject();
  const options = { layer: "features.2", levels: [0, 0.5, 20], draws: 3 };
  const run = async (seed: number, changes = {}) => {
    const measure = await NoiseMeasure.make({ ...given, seed }, { ...options, ...changes });
    const found = await measure.measure();
    measure.destroy();
    return found;
  };
  const { unit, predicted } = await run(5);
  const x = new Input("x", images.shape);
  const { layer } = observe(given.network, x, { training: false });
  const [output] = interpret([layer("features.2")], new Map([[x, images.initial]]));
  const average = output.reduce((a, b) => a + b) / output.length;
  const variance = output.reduce((sum, v) => sum + (v - average) ** 2, 0) / output.length;
  assert.ok(Math.abs(unit - Math.sqrt(variance)) < 1e-4 * unit);

  const clean = predict(given, images.initial);
  assert.equal(predicted[0].length, 3 * N);
  assert.equal(agreement(predicted[0], clean), 1);
  assert.ok(agreement(predicted[2], clean) < agreement(predicted[1], clean));
  assert.ok(agreement(predicted[2], clean) < 0.9);
  assert.deepEqual((await run(5)).predicted, predicted);
  assert.notDeepEqual((await run(6)).predicted[2], predicted[2]);
  const fixed = await run(5, { unit: 40 * unit, levels: [0.5] });
  assert.deepEqual(fixed.predicted[0], predicted[2], "20 of a unit are half of 40 times as much");
  given.runtime.destroy();
});

Deno.test("insertion and deletion: the ends, the order and the area", async () => {
  assert.deepEqual([...ranksOf(Float32Array.of(1, 3, 2, 3, 5, 5, 0, 5), 4)], [
    ...[3, 0, 2, 1, 0, 1, 3, 2],
  ]);
  const given = await subject();
  const measure = await InsertionMeasure.make(given, 4);
  const { insertion, deletion } = await measure.measure();
  measure.destroy();
  const x = new Input("x", images.shape);
  const probabilities = softmax(observe(given.network, x, { training: false }).logits);
  const ranks = saliencyByHand(given).map((map) => ranksOf(Float32Array.from(map), PIXELS));
  const mean = (kept: (rank: number) => boolean) => {
    const values = images.initial.map((value, at) => {
      const pixel = Math.floor(at / CHANNELS);
      return kept(ranks[Math.floor(pixel / PIXELS)][pixel % PIXELS]) ? value : 0;
    });
    const [found] = interpret([probabilities], new Map([[x, values]]));
    return split.labels.reduce((sum, label, i) => sum + found[i * CLASSES + label] / N, 0);
  };
  for (const [step, { share, probability }] of insertion.points.entries()) {
    assert.equal(share, step / 4);
    const count = share * PIXELS;
    assert.ok(Math.abs(probability - mean((rank) => rank < count)) < 1e-4, `insertion ${step}`);
    const deleted = deletion.points[step].probability;
    assert.ok(Math.abs(deleted - mean((rank) => rank >= count)) < 1e-4, `deletion ${step}`);
  }
  const [a, b, c, d, e] = insertion.points.map(({ probability }) => probability);
  assert.ok(Math.abs(insertion.auc - (a / 2 + b + c + d + e / 2) / 4) < 1e-9);
  given.runtime.destroy();
});
