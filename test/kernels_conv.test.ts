/** The convolution kernels against a plain float64 loop, over edge shapes and on every target. */
import assert from "node:assert/strict";
import type { Kernel, SplitKernel } from "../engine/gpu/kernel.ts";
import { convForward, convInputGrad, families, familyOf } from "../engine/gpu/kernels/conv.ts";
import { convSizes } from "../engine/gpu/kernels/conv_shape.ts";
import {
  checkFaces,
  checkVariants,
  chosenFaces,
  conv,
  generalFaces,
  SHAPES,
} from "./support/conv.ts";
import { testTargets } from "./support/gpu.ts";

// Compiling takes most of the time: each shape runs on one target, every third on the general
// kernels too, which also take all shapes that have no kernels of their own.
const targets = await testTargets();
for (const [i, [name, s]] of Object.entries(SHAPES).entries()) {
  const target = targets[i % targets.length];
  Deno.test(`convolution: ${name}`, async () => {
    const ways = [chosenFaces(s, target)];
    const general = generalFaces(s);
    if (i % 3 === 0 && ways[0].forward.kernel.shader !== general.forward.kernel.shader) {
      ways.push(general);
    }
    await checkFaces(s, ways);
  });
}

Deno.test("convolution: every family makes some of these shapes", () => {
  const made = Object.values(SHAPES).map((s, i) => familyOf(s, targets[i % targets.length]));
  const without = families.flatMap((family, k) => made.includes(family) ? [] : [k]);
  assert.deepEqual(without, [], "places in the table of families: add a shape for each");
});

Deno.test("convolution: variants of tiles give the same bits", async () => {
  const s = conv([5, 19, 8], [3, 3, 36], { batch: 9, padding: [1, 1] });
  const { x, w, y } = convSizes(s);
  await checkVariants(convForward(s, targets.at(-1)), [x, w], y);
  const wide = conv([5, 19, 36], [3, 3, 8], { batch: 9, padding: [1, 1] });
  const { x: dx, w: weights, y: dy } = convSizes(wide);
  await checkVariants(convInputGrad(wide, targets.at(-1)), [dy, weights], dx);
});

Deno.test("convolution: all phases of a stride in a thread, whatever dilation and padding", async () => {
  const kernels = [
    { of: [3, 3], stride: [2, 2], padding: [1, 1], dilation: [1, 1] },
    { of: [2, 4], stride: [3, 2], padding: [0, 3], dilation: [2, 1] },
    { of: [5, 3], stride: [4, 3], padding: [2, 1], dilation: [1, 2] },
  ] as const;
  const target = targets.at(-1)!;
  for (const { of: [r, s], ...how } of kernels) {
    for (const [outChannels, groups] of [[12, 1], [8, 8]]) {
      const shape = conv([13, 14, 8], [r, s, outChannels], { batch: 3, groups, ...how });
      await checkFaces(shape, [chosenFaces(shape, target)]);
    }
  }
});

Deno.test("convolution: the same shape on every target", async () => {
  const s = conv([7, 9, 8], [3, 3, 12], { batch: 3, stride: [1, 2], padding: [1, 1] });
  await checkFaces(s, targets.map((target) => chosenFaces(s, target)));
});

/** The kernel with the invocations of a workgroup numbered from the last to the first. */
function backwards({ kernel, splits }: SplitKernel): SplitKernel {
  const shader = kernel.shader.replace(
    "* WORKGROUP + local",
    "* WORKGROUP + WORKGROUP - 1u - local",
  );
  assert.notEqual(shader, kernel.shader);
  return { kernel: { ...kernel, shader } satisfies Kernel, splits };
}

const lanes = targets.at(-1)!;
Deno.test({
  name: "convolution: lanes are the subgroup's, however a workgroup numbers its invocations",
  ignore: lanes.lanes === 1,
  fn: async () => {
    const s = conv([5, 6, 16], [3, 3, 24], { batch: 3, padding: [1, 1] });
    const { forward, inputGrad, weightGrad } = chosenFaces(s, lanes);
    await checkFaces(s, [{
      forward: backwards(forward),
      inputGrad: backwards(inputGrad),
      weightGrad: backwards(weightGrad),
    }]);
  },
});

Deno.test("convolution: a label names the operation, operations count the forward shape", () => {
  const s = conv([8, 8, 4], [3, 3, 8], { batch: 2, stride: [2, 2], padding: [1, 1] });
  const { label, flops, bytes } = convInputGrad(s).kernel;
  assert.equal(label, "conv 3x3/2 input gradient 2x8x8x4 -> 2x4x4x8");
  assert.equal(flops, 2 * (2 * 4 * 4 * 8) * (3 * 3 * 4));
  assert.equal(bytes, 4 * (2 * 8 * 8 * 4 + 2 * 4 * 4 * 8 + 3 * 3 * 4 * 8));
});
