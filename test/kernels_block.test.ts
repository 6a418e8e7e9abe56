/** The GPU family of convolutions: every face against float64, every variant against the others. */
import assert from "node:assert/strict";
import { convForward, convInputGrad, convWeightGrad } from "../engine/gpu/kernels/conv.ts";
import { block } from "../engine/gpu/kernels/conv_block.ts";
import { convSizes } from "../engine/gpu/kernels/conv_shape.ts";
import { BLOCKS } from "../engine/gpu/kernels/target.ts";
import type { SplitKernel } from "../engine/gpu/kernel.ts";
import { checkFaces, chosenFaces, conv, SHAPES } from "./support/conv.ts";
import { noise, runKernel } from "./support/gpu.ts";

for (const [name, s] of Object.entries(SHAPES)) {
  if (!block.takes(s, BLOCKS)) continue;
  Deno.test(`blocks: ${name}`, () => checkFaces(s, [chosenFaces(s, BLOCKS)]));
}

const DEEP = conv([3, 3, 128], [3, 3, 8], { batch: 1, padding: [1, 1] });
const MANY = conv([8, 9, 4], [3, 3, 8], { batch: 16, padding: [1, 1] });
const GROUPED = conv([5, 7, 16], [3, 3, 24], { groups: 2, stride: [2, 1], padding: [1, 1] });

Deno.test("blocks: long sums are split, forward and backward", async () => {
  assert.ok(convForward(DEEP, BLOCKS).splits > 1);
  assert.ok(convWeightGrad(MANY, BLOCKS).splits > 1);
  const wide = conv([3, 3, 8], [3, 3, 128], { batch: 1, padding: [1, 1] });
  assert.ok(convInputGrad(wide, BLOCKS).splits > 1);
  await checkFaces(DEEP, [chosenFaces(DEEP, BLOCKS)]);
  await checkFaces(wide, [chosenFaces(wide, BLOCKS)]);
  await checkFaces(MANY, [chosenFaces(MANY, BLOCKS)]);
});

Deno.test("blocks: groups, by stride and alone in a narrow block", async () => {
  const narrow = conv([5, 6, 32], [3, 3, 32], { groups: 8, padding: [1, 1] });
  await checkFaces(GROUPED, [chosenFaces(GROUPED, BLOCKS)]);
  await checkFaces(narrow, [chosenFaces(narrow, BLOCKS)]);
});

/**
 * Compares a face's variants of one parity, also those that need more memory than every device has:
 * compiling takes most of the time, and the faces share their sizes of blocks.
 */
async function checkBits(
  { kernel: { tunable, label }, splits }: SplitKernel,
  operands: readonly [number, number],
  result: number,
  parity: number,
): Promise<void> {
  const inputs = operands.map((length, i) => noise(length, i + 1));
  const results = [];
  const variants = tunable!.variants.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, make } of variants.filter((_, i) => i % 3 === parity)) {
    const [values] = await runKernel(make(), inputs, splits * result);
    results.push({ name, bits: new Uint32Array(values.slice().buffer) });
  }
  assert.ok(results.length > 10);
  for (const { name, bits } of results) {
    assert.deepEqual(bits, results[0].bits, `${label}: ${name} differs from ${results[0].name}`);
  }
}

const LARGE = { ...BLOCKS, workgroupMemory: 1 << 15 };

Deno.test("blocks: variants of forward give the same bits", async () => {
  const { x, w, y } = convSizes(DEEP);
  await checkBits(convForward(DEEP, LARGE), [x, w], y, 0);
});

Deno.test("blocks: variants of the input gradient give the same bits", async () => {
  const { x, w, y } = convSizes(GROUPED);
  await checkBits(convInputGrad(GROUPED, LARGE), [y, w], x, 1);
});

Deno.test("blocks: variants of the weight gradient give the same bits", async () => {
  const { x, w, y } = convSizes(MANY);
  await checkBits(convWeightGrad(MANY, LARGE), [x, y], w, 2);
});
