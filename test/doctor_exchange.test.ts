/** Images on other images' backgrounds: each value, what has no mask, and the gradient. */

import { deepEqual, equal, notDeepEqual, ok } from "node:assert/strict";
import { subset } from "../engine/data/dataset.ts";
import { onOtherBackgrounds } from "../engine/doctor/exchange.ts";
import {
  ExchangeMeasure,
  exchangeOf,
  exchangesOf,
  inEveryWay,
} from "../engine/doctor/probes/exchange.ts";
import { predictSplit } from "../engine/train/predict.ts";
import { accuracy, predictions } from "../engine/train/predictions.ts";
import { check, evaluate, operation, random, values, within } from "./support/check.ts";
import { freshRuntime, tinyNet, tinySet } from "./support/train.ts";

/** Rows of two pixels with one channel: a, b, c have masks, d has none. */
const images = values([4, 1, 3, 1], 1, 2, 3, 10, 20, 30, 100, 200, 300, 7, 8, 9);
const background = values([4, 1, 3, 1], 0, 1, 1, 1, 0, 0.5, 1, 1, 0, 0, 0, 0);

const exchanged = async (offset?: number) => {
  const [found] = await evaluate([onOtherBackgrounds(images, background, offset)]);
  return [0, 3, 6, 9].map((at) => Array.from(found.subarray(at, at + 3)));
};

Deno.test("figures stay, backgrounds are the next image's, its own figure filled in", async () => {
  // The background of b is 10 and half of 30, in the mean 25 / 1.5.
  const mean = Math.fround(25 / 1.5);
  const [a, b, c, d] = await exchanged();
  deepEqual(a, [1, mean, Math.fround(0.5 * 30 + 0.5 * mean)]);
  deepEqual(b, [100, 20, 0.5 * 30 + 0.5 * 150]);
  // d lends no background, and takes none.
  deepEqual([c, d], [[100, 200, 300], [7, 8, 9]]);
});

Deno.test("the offset says whose background it is, and goes round the batch", async () => {
  const [a, b, c, d] = await exchanged(2);
  deepEqual([a, b], [[1, 200, 150], [10, 20, 30]]);
  deepEqual([c, d], [[2.5, 2, 300], [7, 8, 9]]);
  deepEqual(await exchanged(-2), [a, b, c, d]);
  deepEqual(await exchanged(6), [a, b, c, d]);
});

Deno.test("on its own background an image is itself where it has one", async () => {
  const [a] = await exchanged(4);
  deepEqual(a, [1, 2, 3]);
});

Deno.test("the exchange and its gradients follow float64 and differences", async () => {
  await check(operation(
    "onOtherBackgrounds",
    [random([3, 4, 5, 2]), within(0.1, 0.9, [3, 4, 5, 1])],
    (images, background) => onOtherBackgrounds(images, background, 2),
  ));
});

// The measure.

Deno.test("backgrounds are lent within the class and across classes, where there are masks", () => {
  const exchanges = exchangesOf(tinySet.test, 3);
  const { labels } = tinySet.test;
  deepEqual(exchanges.map(([image]) => image).sort((a, b) => a - b), [...labels.keys()]);
  for (const [image, same, other] of exchanges) {
    ok(same !== image && labels[same] === labels[image] && labels[other] !== labels[image]);
  }
  const lenders = new Set(exchanges.map(([, same]) => same));
  equal(lenders.size, labels.length, "each lends its background once in its class");
  deepEqual(exchangesOf(tinySet.test, 3), exchanges);
  notDeepEqual(exchangesOf(tinySet.test, 4), exchanges);

  const only = (...indices: number[]) =>
    exchangesOf(subset(tinySet.test, Uint32Array.from(indices)), 0);
  deepEqual(only(0, 3, 6), [], "one class");
  deepEqual(only(0, 1, 2), [], "one image of each");
  deepEqual(only(0, 1, 3).map(([image]) => image).sort(), [0, 2], "the second class has but one");
  const { masks: _, ...without } = tinySet.test;
  deepEqual(exchangesOf(without, 0), []);
});

Deno.test("both backgrounds are filled in where the figure of either was, and around it", async () => {
  const row = (scale: number) => [1, 2, 3, 4, 5, 6, 7, 8].map((x) => scale * x);
  const images = values([4, 1, 8, 1], ...row(1), ...row(1), ...row(10), ...row(100));
  const background = values(
    [4, 1, 8, 1],
    ...[0, 1, 1, 1, 1, 1, 1, 1],
    ...[0, 1, 1, 1, 1, 1, 1, 1],
    ...[1, 0, 1, 1, 1, 1, 1, 1],
    ...[1, 1, 1, 1, 0, 1, 1, 1],
  );
  const [found] = await evaluate([inEveryWay(images, background)]);
  const rows = [0, 8, 16, 24].map((at) => Array.from(found.subarray(at, at + 8)));
  // Of either only the last two pixels are shown: the figures are the second and the fifth.
  deepEqual(rows, [row(1), [1, 7.5, 7.5, 7.5, 7.5, 7.5, 7, 8], [1, 75, 75, 75, 75, 75, 70, 80], [
    1,
    ...[5, 5, 5, 5, 5].fill(750),
    700,
    800,
  ]]);
});

Deno.test("the gap of two backgrounds is that of the network's predictions", async () => {
  const runtime = await freshRuntime();
  const [network, split] = [tinyNet(3), tinySet.test];
  const subject = { runtime, network, featureLayer: "features", set: tinySet, split, seed: 5 };
  const measure = await ExchangeMeasure.make({ ...subject, batch: 8 });
  const found = await measure.measure();
  measure.destroy();
  equal(found.images, split.labels.length);
  const clean = await predictSplit(runtime, network, tinySet, split, { batch: 8 });
  equal(found.original.correct, accuracy(predictions(clean)).correct);
  const { same, other, gap, mcnemar: { b, c } } = found;
  equal(same.correct - other.correct, c - b);
  equal(gap, (c - b) / split.labels.length);
  const whole = await ExchangeMeasure.make({ ...subject, batch: 100 });
  deepEqual(await whole.measure(), found, "whatever the batch");
  whole.destroy();
  runtime.destroy();

  const { gap: all, interval, mcnemar } = exchangeOf([0, 0, 0, 1, 1, 1, 1, 0, 2, 2, 2, 2], [
    0,
    1,
    2,
  ]);
  equal(all, 2 / 3);
  deepEqual([mcnemar.b, mcnemar.c], [0, 2]);
  ok(interval![0] < 2 / 3 && interval![1] > 2 / 3);
  deepEqual(exchangeOf([], []).gap, null);
});
