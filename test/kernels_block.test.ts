/** The GPU family of convolutions: every face against float64, every variant against the others. */
import assert from "node:assert/strict";
import { convForward, convInputGrad, convWeightGrad } from "../engine/gpu/kernels/conv.ts";
import { block } from "../engine/gpu/kernels/conv_block.ts";
import { convSizes } from "../engine/gpu/kernels/conv_shape.ts";
import { BLOCKS } from "../engine/gpu/kernels/target.ts";
import { checkFaces, checkVariants, conv, facesOf, SHAPES } from "./support/conv.ts";

for (const [name, s] of Object.entries(SHAPES)) {
  if (!block.takes(s, BLOCKS)) continue;
  Deno.test(`blocks: ${name}`, () => checkFaces(s, [facesOf(block, s, BLOCKS)]));
}

const DEEP = conv([3, 3, 128], [3, 3, 8], { batch: 1, padding: [1, 1] });
const MANY = conv([8, 9, 4], [3, 3, 8], { batch: 16, padding: [1, 1] });
const GROUPED = conv([5, 7, 16], [3, 3, 24], { groups: 2, stride: [2, 1], padding: [1, 1] });

Deno.test("blocks: long sums are split, forward and backward", async () => {
  assert.ok(convForward(DEEP, BLOCKS).splits > 1);
  assert.ok(convWeightGrad(MANY, BLOCKS).splits > 1);
  const wide = conv([3, 3, 8], [3, 3, 128], { batch: 1, padding: [1, 1] });
  assert.ok(convInputGrad(wide, BLOCKS).splits > 1);
  await checkFaces(DEEP, [facesOf(block, DEEP, BLOCKS)]);
  await checkFaces(wide, [facesOf(block, wide, BLOCKS)]);
  await checkFaces(MANY, [facesOf(block, MANY, BLOCKS)]);
});

Deno.test("blocks: groups, by stride and alone in a narrow block", async () => {
  const narrow = conv([5, 6, 32], [3, 3, 32], { groups: 8, padding: [1, 1] });
  await checkFaces(GROUPED, [facesOf(block, GROUPED, BLOCKS)]);
  await checkFaces(narrow, [facesOf(block, narrow, BLOCKS)]);
});

/** Every third variant, for the faces share their sizes of blocks. */
const third = (first: number) => (variant: number) => variant % 3 === first;

const LARGE = { ...BLOCKS, workgroupMemory: 1 << 15 };

Deno.test("blocks: variants of forward give the same bits", async () => {
  const { x, w, y } = convSizes(DEEP);
  await checkVariants(convForward(DEEP, LARGE), [x, w], y, third(0));
});

Deno.test("blocks: variants of the input gradient give the same bits", async () => {
  const { x, w, y } = convSizes(GROUPED);
  await checkVariants(convInputGrad(GROUPED, LARGE), [y, w], x, third(1));
});

Deno.test("blocks: variants of the weight gradient give the same bits", async () => {
  const { x, w, y } = convSizes(MANY);
  await checkVariants(convWeightGrad(MANY, LARGE), [x, y], w, third(2));
});
