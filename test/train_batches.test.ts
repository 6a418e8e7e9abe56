/** Batches on the GPU against a plain computation from the bytes. */

import assert from "node:assert/strict";
import { Batches } from "../engine/data/batch.ts";
import { type DataSet, masksOfAll, type Split, subset } from "../engine/data/dataset.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { Input, type Tensor } from "../engine/tensor/mod.ts";
import { CHANNELS, freshRuntime, SIZE, tinySet } from "./support/train.ts";

const indices = Uint32Array.of(5, 0, 59, 5, 17, 30, 31, 2);
const batch = indices.length;

interface Crop {
  down: number;
  right: number;
  flip: boolean;
}
const still: Crop = { down: 0, right: 0, flip: false };

async function load(runtime: Runtime, set: DataSet, split: Split, augment: boolean, step = 0) {
  const key = new Input("key", [2], "u32");
  const augmentation = augment ? set.augmentation : undefined;
  const batches = new Batches(runtime, set, split, { batch, key, augmentation });
  const outputs: Tensor[] = [batches.images, batches.labels];
  if (batches.background) outputs.push(batches.background);
  const feeds = await batches.feeds(indices);
  const [images, labels, background] = await runtime.evaluate(outputs, [
    ...feeds,
    [key, Uint32Array.of(3, step)],
  ]);
  batches.release(runtime);
  return { images, labels, background, fed: feeds.length };
}

/** Pixel (h, w) of the cropped and flipped image; -1 in the padding. */
function source(h: number, w: number, { down, right, flip }: Crop): number {
  const [y, x] = [h + down, (flip ? SIZE - 1 - w : w) + right];
  return y < 0 || x < 0 || y >= SIZE || x >= SIZE ? -1 : y * SIZE + x;
}

function wantedImage(index: number, crop: Crop): number[] {
  const { images } = tinySet.train;
  return Array.from({ length: SIZE * SIZE * CHANNELS }, (_, at) => {
    const c = at % CHANNELS;
    const pixel = Math.floor(at / CHANNELS);
    const from = source(Math.floor(pixel / SIZE), pixel % SIZE, crop);
    const byte = from < 0 ? 0 : images[(index * SIZE * SIZE + from) * CHANNELS + c];
    return (byte / 255 - tinySet.mean[c]) / tinySet.std[c];
  });
}

function wantedBackground(index: number, crop: Crop): number[] {
  return Array.from({ length: SIZE * SIZE }, (_, pixel) => {
    const from = source(Math.floor(pixel / SIZE), pixel % SIZE, crop);
    return from < 0 ? 1 : 1 - tinySet.train.masks!.coverage[index * SIZE * SIZE + from] / 255;
  });
}

const part = (values: ArrayLike<number>, i: number): number[] => {
  const size = values.length / batch;
  return Array.from({ length: size }, (_, j) => values[i * size + j]);
};
const near = (a: readonly number[], b: readonly number[]) =>
  a.every((value, i) => Math.abs(value - b[i]) < 1e-5);

Deno.test("images are (byte / 255 - mean) / std, labels and background their own", async () => {
  const runtime = await freshRuntime();
  const { images, labels, background } = await load(runtime, tinySet, tinySet.train, false);
  indices.forEach((index, i) => {
    assert.ok(near(part(images, i), wantedImage(index, still)), `image ${index}`);
    assert.deepEqual(part(background, i), wantedBackground(index, still), `mask ${index}`);
    assert.equal(labels[i], tinySet.train.labels[index]);
  });
});

Deno.test("crop and flip stay in range, use all of it, and are the same for the mask", async () => {
  const runtime = await freshRuntime();
  const crops: Crop[] = [-1, 0, 1].flatMap((down) =>
    [-1, 0, 1].flatMap((right) => [false, true].map((flip) => ({ down, right, flip })))
  );
  const seen = new Map<string, number>();
  for (let step = 0; step < 30; step++) {
    const { images, background } = await load(runtime, tinySet, tinySet.train, true, step);
    indices.forEach((index, i) => {
      const crop = crops.find((crop) => near(part(images, i), wantedImage(index, crop)));
      assert.ok(crop, `image ${index} in step ${step} is a crop of itself`);
      assert.ok(near(part(background, i), wantedBackground(index, crop)), "the mask goes with it");
      seen.set(JSON.stringify(crop), (seen.get(JSON.stringify(crop)) ?? 0) + 1);
    });
  }
  assert.equal(seen.size, crops.length, "every crop occurs");
  // 240 draws of 18: 13 on average; less than 3 or more than 32 has a probability below 1e-4.
  for (const [crop, count] of seen) assert.ok(count >= 3 && count <= 32, `${crop}: ${count} times`);
});

Deno.test("a split larger than a binding is streamed, with the same bits", async () => {
  const four = Uint32Array.from({ length: 240 }, (_, i) => i % 60);
  const { coverage } = tinySet.train.masks!;
  const repeated = Uint8Array.from({ length: 4 * coverage.length }, (_, i) => coverage[i % 3840]);
  const split = { ...subset(tinySet.train, four), masks: masksOfAll(repeated, 240) };
  const resident = await load(await freshRuntime(), tinySet, split, true, 4);
  for (const [bytes, streams] of [[split.images.length, 1], [repeated.length, 2]]) {
    const runtime = await freshRuntime({ maxStorageBufferBindingSize: bytes - 4 });
    const streamed = await load(runtime, tinySet, split, true, 4);
    assert.equal(streamed.fed, resident.fed + streams);
    assert.deepEqual(streamed.images, resident.images);
    assert.deepEqual(streamed.background, resident.background);
    assert.deepEqual(streamed.labels, resident.labels);
  }
});

Deno.test("a split without masks has no background, and an odd number of bytes is no matter", async () => {
  const runtime = await freshRuntime();
  const masks = undefined;
  const odd = { ...tinySet, height: 3, width: 3, channels: 1, mean: [0], std: [1] };
  const split = {
    images: Uint8Array.from({ length: 27 }, (_, i) => i),
    labels: new Uint16Array(3),
  };
  const key = new Input("key", [2], "u32");
  const batches = new Batches(runtime, odd, { ...split, masks }, { batch: 1, key });
  assert.equal(batches.background, undefined);
  const feeds = [...await batches.feeds(Uint32Array.of(2)), [key, Uint32Array.of(0, 0)] as const];
  const [images] = await runtime.evaluate([batches.images], feeds);
  assert.deepEqual(Array.from(images, (x) => Math.round(x * 255)), [...split.images.slice(18)]);
});
