/** Rows of a whole split, collected and read back within the device's limits. */

import assert from "node:assert/strict";
import { flatten } from "../engine/tensor/movement.ts";
import { Variable } from "../engine/tensor/tensor.ts";
import { RowCollector } from "../engine/train/collect.ts";
import { countBuffers, freshRuntime, tinySet } from "./support/train.ts";

const images = tinySet.test.labels.length;
/** Bytes of a row: an image of 8 x 8 x 2. */
const ROW = 4 * 128;
const BATCH = 7;

/** The images of the tiny set as rows, collected under lowered limits; and the readbacks it took. */
async function collected(limits: Parameters<typeof freshRuntime>[0]) {
  const runtime = await freshRuntime(limits);
  const rows = await RowCollector.make(
    runtime,
    tinySet,
    tinySet.test,
    BATCH,
    ({ images }) => flatten(images),
  );
  const { counts, restore } = await countBuffers();
  try {
    const values = await rows.collect();
    return { values, ...counts };
  } finally {
    restore();
    rows.destroy();
    runtime.destroy();
  }
}

Deno.test("rows that are collected are never bound: only a buffer's own limit counts", async () => {
  const wanted = await collected({});
  assert.equal(wanted.values.length, images * ROW / 4);
  assert.deepEqual([wanted.made, wanted.readbacks], [2, 1]);
  // A binding that sees one batch's images at most, where the rows of all are five batches.
  const bound = await collected({ maxStorageBufferBindingSize: BATCH * ROW });
  assert.deepEqual(bound, wanted);
  // Two batches a buffer, and the last one alone.
  const pieces = await collected({ maxBufferSize: 2 * BATCH * ROW + 100 });
  assert.deepEqual(pieces.values, wanted.values);
  assert.equal(pieces.made - pieces.readbacks, 3);
  assert.equal(pieces.freed, pieces.made);
});

Deno.test("a readback is cut into pieces that the device can make", async () => {
  const runtime = await freshRuntime({ maxBufferSize: 403 });
  // Borders within a variable, at its end, and a variable of several pieces.
  const sizes = [50, 51, 49, 1, 333, 3];
  const variables = sizes.map((size, k) =>
    new Variable(
      `v${k}`,
      [size],
      k % 2 ? Uint32Array.from({ length: size }, (_, i) => i + k) : new Float32Array(size).fill(k),
    )
  );
  const { counts, restore } = await countBuffers();
  try {
    const found = await runtime.read(variables);
    assert.deepEqual(found, variables.map(({ initial }) => initial));
    assert.equal(counts.readbacks, Math.ceil(4 * sizes.reduce((a, b) => a + b) / 400));
  } finally {
    restore();
    runtime.destroy();
  }
});
