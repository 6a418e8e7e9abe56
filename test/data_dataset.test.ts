/** Subsets and validation splits: balanced, seeded, and every image in its place. */
import assert from "node:assert/strict";
import { ExitCode, UserError } from "../engine/errors.ts";
import {
  limit,
  masksOfAll,
  type MemorySplit,
  type Split,
  splitValidation,
  subset,
} from "../engine/data/dataset.ts";

/** Images of 2 x 2 x 3 bytes that all hold their index. */
function makeSplit(labels: number[]): MemorySplit {
  const fill = (size: number) =>
    Uint8Array.from({ length: labels.length * size }, (_, i) => Math.floor(i / size));
  return {
    images: fill(12),
    labels: Uint16Array.from(labels),
    masks: masksOfAll(fill(4), labels.length),
    backgrounds: fill(1),
  };
}

const ids = (split: MemorySplit) => [...split.backgrounds!];
const counts = (split: MemorySplit) =>
  split.labels.reduce((all: number[], label) => all.with(label, all[label] + 1), [0, 0, 0]);
const labels = Array.from({ length: 90 }, (_, i) => i % 3);
const split = makeSplit(labels);

/** Every array of the split still speaks of the same images. */
function checkAligned(part: MemorySplit): void {
  for (const [i, id] of ids(part).entries()) {
    assert.deepEqual([...part.images.subarray(12 * i, 12 * i + 12)], Array(12).fill(id));
    const { coverage, rows } = part.masks!;
    assert.deepEqual([...coverage.subarray(4 * rows[i], 4 * rows[i] + 4)], Array(4).fill(id));
    assert.equal(part.labels[i], labels[id]);
  }
}

Deno.test("data set: a subset keeps images, labels, masks and backgrounds together", () => {
  const part = subset(split, Uint32Array.of(7, 2, 7));
  assert.deepEqual(ids(part), [7, 2, 7]);
  checkAligned(part);
  const { images, labels } = split;
  assert.equal(subset<Split>({ images, labels }, Uint32Array.of(1)).masks, undefined);
});

Deno.test("data set: limit takes a balanced, seeded subset in the original order", () => {
  const part = limit(split, 32, 1);
  assert.deepEqual(counts(part).toSorted(), [10, 11, 11]);
  assert.deepEqual(ids(part), ids(part).toSorted((a, b) => a - b));
  assert.equal(new Set(ids(part)).size, 32);
  checkAligned(part);
  assert.deepEqual(ids(limit(split, 32, 1)), ids(part));
  assert.notDeepEqual(ids(limit(split, 32, 2)), ids(part));
  assert.equal(limit(split, 1000, 1), split);
});

Deno.test("data set: a smaller limit takes a part of what a larger one takes", () => {
  const larger = new Set(ids(limit(split, 40, 1)));
  assert(ids(limit(split, 20, 1)).every((id) => larger.has(id)));
});

Deno.test("data set: where a class runs out, the others fill the limit", () => {
  const part = limit(makeSplit([0, 1, 1, 1, 1, 2, 2, 2]), 7, 0);
  assert.deepEqual(counts(part), [1, 3, 3]);
});

Deno.test("data set: limits that are no positive whole number are refused", () => {
  for (const n of [0, -1, 1.5, NaN]) {
    assert.throws(
      () => limit(split, n, 0),
      (error) => error instanceof UserError && error.exitCode === ExitCode.usage,
    );
  }
});

Deno.test("data set: the validation split is stratified, seeded, disjoint and complete", () => {
  const { train, validation } = splitValidation(split, 0.1, 4);
  assert.deepEqual(counts(validation), [3, 3, 3]);
  assert.deepEqual(counts(train), [27, 27, 27]);
  assert.deepEqual(
    [...ids(train), ...ids(validation)].sort((a, b) => a - b),
    ids(split),
  );
  checkAligned(train);
  checkAligned(validation);
  assert.deepEqual(ids(splitValidation(split, 0.1, 4).validation), ids(validation));
  assert.notDeepEqual(ids(splitValidation(split, 0.1, 5).validation), ids(validation));
});

Deno.test("data set: small classes give one image, and neither part may be empty", () => {
  const { validation } = splitValidation(makeSplit([0, 0, 0, 1, 1, 2]), 0.01, 0);
  assert.deepEqual(counts(validation), [1, 1, 0]);
  assert.deepEqual(counts(splitValidation(makeSplit([0, 0, 0]), 0.99, 0).train), [1, 0, 0]);
  const code = (expected: ExitCode) => (error: unknown) =>
    error instanceof UserError && error.exitCode === expected;
  assert.throws(() => splitValidation(makeSplit([0, 1, 2]), 0.5, 0), code(ExitCode.data));
  for (const share of [0, 1, NaN]) {
    assert.throws(() => splitValidation(split, share, 0), code(ExitCode.usage));
  }
});
