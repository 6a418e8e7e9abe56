/** The made data set: the same bits for a seed, exact masks, and the correlation it promises. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { ExitCode, UserError } from "../engine/errors.ts";
import type { DataSet, MemorySplit, Split } from "../engine/data/dataset.ts";
import { loadDataSet } from "../engine/data/registry.ts";
import { makeShapes } from "../engine/data/shapes.ts";

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const small = makeShapes({ train: 1000, test: 500 });

/** The share of images whose background is that of their class. */
function matching({ labels, backgrounds }: Split): number {
  return labels.reduce((sum, label, i) => sum + Number(backgrounds![i] === label), 0) /
    labels.length;
}

Deno.test("shapes: a seed always makes the same bits, another seed others", () => {
  const again = makeShapes({ train: 1000, test: 500 });
  assert.deepEqual(again, small);
  const digest = (set: DataSet<MemorySplit>) => sha256(set.train.images) + sha256(set.test.images);
  assert.notEqual(digest(makeShapes({ train: 1000, test: 500, seed: 1 })), digest(small));
});

Deno.test("shapes: the bits are those of every platform and version", () => {
  assert.equal(
    sha256(small.train.images),
    "097a231395d7e87009e04d3c58f9b20d2e7a325254893ff8662dcc9f2a582131",
  );
  assert.equal(
    sha256(small.test.masks!.coverage.map((share) => share / 255)),
    "8d7c0ed03a28b35f535b37c8d19bf4e5c372154e6bf7315088f0560724ffed0e",
  );
});

Deno.test("shapes: an image doesn't depend on how many are made", () => {
  const { train } = makeShapes({ train: 20, test: 1 });
  assert.deepEqual(train.images, small.train.images.slice(0, 20 * 3072));
  assert.deepEqual(train.masks!.coverage, small.train.masks!.coverage.slice(0, 20 * 1024));
});

Deno.test("shapes: training and test images differ, and no image occurs twice", () => {
  const seen = new Set<string>();
  for (const { images, labels } of [small.train, small.test]) {
    for (let i = 0; i < labels.length; i++) {
      seen.add(sha256(images.subarray(i * 3072, (i + 1) * 3072)));
    }
  }
  assert.equal(seen.size, 1500);
});

Deno.test("shapes: classes are balanced and every array has its size", () => {
  assert.equal(small.classes.length, 10);
  for (const [split, n] of [[small.train, 1000], [small.test, 500]] as const) {
    assert.equal(split.images.length, n * 3072);
    assert.equal(split.masks!.coverage.length, n * 1024);
    const counts = split.labels.reduce((all, k) => all.with(k, all[k] + 1), Array(10).fill(0));
    assert.deepEqual(counts, Array(10).fill(n / 10));
  }
});

Deno.test("shapes: in training the background goes with the class, in the test it does not", () => {
  for (const correlation of [0, 0.5, 1]) {
    const { train, test } = makeShapes({ train: 2000, test: 1000, correlation, seed: 3 });
    // A random background may be the class's own: one in ten.
    assert(Math.abs(matching(train) - (correlation + (1 - correlation) / 10)) < 0.04);
    assert(Math.abs(matching(test) - 0.1) < 0.04);
    const kinds = new Array(10).fill(0);
    test.backgrounds!.forEach((kind) => kinds[kind]++);
    assert(Math.min(...kinds) > 60 && Math.max(...kinds) < 140, String(kinds));
  }
});

Deno.test("shapes: masks hold the figure, of plausible size and all in one place", () => {
  const { masks, labels } = small.train;
  let [covered, least] = [0, Infinity];
  for (let i = 0; i < labels.length; i++) {
    const mask = masks!.coverage.subarray(i * 1024, (i + 1) * 1024);
    assert(mask.every((share) => share === 0 || share === 255));
    const inside = [...mask.keys()].filter((p) => mask[p] === 255);
    covered += inside.length;
    least = Math.min(least, inside.length);
    const span = (values: number[]) => Math.max(...values) - Math.min(...values) + 1;
    assert(span(inside.map((p) => p % 32)) <= 28 && span(inside.map((p) => p >> 5)) <= 28);
  }
  const share = covered / masks!.coverage.length;
  assert(share > 0.08 && share < 0.2, `${share}`);
  assert(least >= 15, `${least} pixels`);
});

Deno.test("shapes: masks say where the vivid pixels are", () => {
  const { images } = small.train;
  const { coverage } = small.train.masks!;
  // Figures are vivid, all else is nearly grey: a pixel's spread over its channels tells them apart.
  let agreeing = 0;
  for (let p = 0; p < coverage.length; p++) {
    const [r, g, b] = images.subarray(3 * p, 3 * p + 3);
    const vivid = Math.max(r, g, b) - Math.min(r, g, b) > 45;
    agreeing += Number(vivid === (coverage[p] === 255));
  }
  const share = agreeing / coverage.length;
  assert(share > 0.96, `${share}`);
});

Deno.test("shapes: mean and standard deviation are those of the default training images", () => {
  const { train: { images }, mean, std } = makeShapes({ test: 1 });
  for (let c = 0; c < 3; c++) {
    let [sum, squares] = [0, 0];
    for (let i = c; i < images.length; i += 3) {
      sum += images[i] / 255;
      squares += (images[i] / 255) ** 2;
    }
    const n = images.length / 3;
    assert(Math.abs(sum / n - mean[c]) < 0.01);
    assert(Math.abs(Math.sqrt(squares / n - (sum / n) ** 2) - std[c]) < 0.01);
  }
});

Deno.test("shapes: the registry makes it with the options given", async () => {
  const set = await loadDataSet({ name: "shapes", shapes: { train: 20, test: 10, seed: 2 } });
  const made = makeShapes({ train: 20, test: 10, seed: 2 });
  assert.deepEqual(set.train, { ...made.train, names: set.train.names });
  assert.deepEqual(set.test, { ...made.test, names: set.test.names });
  assert.deepEqual([set.train.names!.at(7), set.test.names!.at(9)], ["train-00007", "test-00009"]);
  assert.match(set.source, /seed 2 .20 training and 10 test/);
});

Deno.test("shapes: sizes and correlations out of range are refused", () => {
  for (const options of [{ train: 0 }, { test: 1.5 }, { correlation: 1.1 }, { correlation: NaN }]) {
    assert.throws(
      () => makeShapes(options),
      (error) => error instanceof UserError && error.exitCode === ExitCode.usage,
    );
  }
});
