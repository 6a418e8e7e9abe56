/** Images on other images' backgrounds: each value, what has no mask, and the gradient. */

import { deepEqual } from "node:assert/strict";
import { onOtherBackgrounds } from "../engine/doctor/exchange.ts";
import { check, evaluate, operation, random, values, within } from "./support/check.ts";

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
