/** Winograd's convolutions: maps, every face against float64, second derivatives, and the rule. */
import assert from "node:assert/strict";
import { BLOCKS, exact, PLAIN, type Target } from "../engine/gpu/kernels/target.ts";
import { convFace } from "../engine/gpu/kernels/conv.ts";
import type { ConvShape, Face } from "../engine/gpu/kernels/conv_shape.ts";
import { winograd, winogradScheme } from "../engine/gpu/kernels/conv_winograd.ts";
import {
  atPoints,
  F2,
  F4,
  fromPoints,
  type Matrix,
  type Scheme,
} from "../engine/gpu/kernels/winograd_points.ts";
import { slotOf } from "../engine/gpu/render.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { schedule } from "../engine/plan/schedule.ts";
import * as t from "../engine/tensor/mod.ts";
import { stagedSteps } from "../engine/tensor/split.ts";
import { Tensor, Variable } from "../engine/tensor/tensor.ts";
import { tunableClasses } from "../engine/tune/tune.ts";
import { compare, operation, random } from "./support/check.ts";
import { conv, reference } from "./support/conv.ts";
import { noise, relativeError, testGpu, testTargets } from "./support/gpu.ts";

const SCHEMES = { "2 x 2": F2, "4 x 4": F4 };
const times = (matrix: Matrix, x: readonly number[]) =>
  matrix.map((row) => row.reduce((sum, factor, k) => sum + factor * x[k], 0));
const transposed = (matrix: Matrix) => matrix[0].map((_, k) => matrix.map((row) => row[k]));
const multiplied = (a: readonly number[], b: readonly number[]) => a.map((v, k) => v * b[k]);
const near = (a: readonly number[], b: readonly number[]) =>
  a.forEach((v, k) => assert.ok(Math.abs(v - b[k]) < 1e-12, `${a} is not ${b}`));

for (const [name, { results, maps }] of Object.entries(SCHEMES)) {
  Deno.test(`winograd ${name}: the maps give a correlation and its gradient at the weights`, () => {
    const d = Array.from(noise(results + 2, 1)), w = Array.from(noise(3, 2));
    const dy = Array.from(noise(results, 3));
    const points = times(maps.image, d);
    near(
      times(transposed(maps.result), multiplied(times(maps.filter, w), points)),
      dy.map((_, i) => w.reduce((sum, v, r) => sum + v * d[i + r], 0)),
    );
    near(
      times(transposed(maps.filter), multiplied(times(maps.result, dy), points)),
      w.map((_, r) => dy.reduce((sum, v, i) => sum + v * d[i + r], 0)),
    );
  });
}

Deno.test("winograd: what stands in the shaders as an example is 4 x 4", async () => {
  const text = (file: string) =>
    Deno.readTextFile(new URL(`../shaders/winograd/${file}.wgsl`, import.meta.url));
  assert.equal(slotOf(await text("to_points"), "line"), atPoints(F4.maps.image));
  assert.equal(slotOf(await text("from_points"), "line"), fromPoints(F4.maps.result));
});

/** The three faces by Winograd on a target, each twice. */
async function facesOf(s: ConvShape, scheme: Scheme, target: Target) {
  const runtime = new Runtime(await testGpu(), target);
  const shapes = {
    x: [s.batch, s.inHeight, s.inWidth, s.inChannels],
    w: [3, 3, s.inChannels, s.outChannels],
    y: [s.batch, s.outHeight, s.outWidth, s.outChannels],
  };
  const variable = (name: "x" | "w" | "y", seed: number) =>
    new Variable(name, shapes[name], noise(shapes[name].reduce((a, b) => a * b), seed));
  const x = variable("x", 1), w = variable("w", 2), y = variable("y", 3);
  const make = (face: Face, inputs: Tensor[], shape: number[]) =>
    new Tensor(
      {
        name: face,
        kind: "kernels",
        lower: (node, on) => stagedSteps(node, winograd(s, face, scheme, on, convFace)),
      },
      inputs,
      shape,
    );
  const faces = [
    make("forward", [x, w], shapes.y),
    make("input gradient", [y, w], shapes.x),
    make("weight gradient", [x, y], shapes.w),
  ];
  const found = await runtime.evaluate(faces);
  assert.deepEqual(await runtime.evaluate(faces), found);
  runtime.destroy();
  const wanted = reference(s, ...[x, w, y].map((v) => v.initial as Float32Array) as Three);
  return [wanted.y, wanted.dx, wanted.dw].map((values, k) => relativeError(found[k], values));
}
type Three = [Float32Array, Float32Array, Float32Array];

// Of each shape something lies over the edge: of the tiles, of the image, of the vec4s.
const SHAPES: Record<string, ConvShape> = {
  "odd sizes": conv([7, 9, 8], [3, 3, 12], { padding: [1, 1] }),
  "no padding": conv([6, 11, 4], [3, 3, 4], { batch: 1 }),
  "padding over the kernel": conv([2, 5, 4], [3, 3, 8], { batch: 3, padding: [3, 1] }),
  "one pixel": conv([1, 1, 12], [3, 3, 4], { batch: 9, padding: [1, 1] }),
};
const targets = await testTargets();
for (const [i, [name, s]] of Object.entries(SHAPES).entries()) {
  Deno.test(`winograd: ${name}`, async () => {
    for (const [k, scheme] of Object.values(SCHEMES).entries()) {
      for (const error of await facesOf(s, scheme, targets[(i + 3 * k) % targets.length])) {
        assert.ok(error < 1.5e-6, `relative error ${error}`);
      }
    }
  });
}

Deno.test("winograd: the parts of a long sum are added", async () => {
  const s = conv([64, 66, 4], [3, 3, 4], { batch: 1, padding: [1, 1] });
  const last = winograd(s, "weight gradient", F2, BLOCKS, convFace).at(-1)!;
  assert.ok(Number(last.kernel.constants!.SPLITS) > 1);
  const errors = await facesOf(s, F2, BLOCKS);
  assert.ok(errors.every((error) => error < 2e-6), `${errors}`);
});

Deno.test("winograd: float32 loses no more than the header says", async () => {
  const s = conv([40, 40, 64], [3, 3, 4], { batch: 1, padding: [1, 1] });
  const bounds = [[8e-7, 8e-7, 2e-6], [1.6e-6, 1.6e-6, 4e-6]];
  for (const [k, scheme] of [F2, F4].entries()) {
    const errors = await facesOf(s, scheme, BLOCKS);
    assert.ok(errors.every((error, i) => error < bounds[k][i]), `${errors}`);
  }
});

/** Prefers Winograd's way wherever it saves multiplications. */
const EAGER: Target = { ...BLOCKS, moveCost: 0, threads: 1 };

Deno.test("winograd: values and gradients of both orders, with what follows in the last kernel", async () => {
  const inputs = [random([2, 6, 5, 4]), random([3, 3, 4, 8]), random([8])];
  const layer = operation(
    "a layer",
    inputs,
    (x, w, b) => t.square(t.relu(t.add(t.conv2d(x, w, { padding: 1 }), b))),
    1e-5,
  );
  const runtime = new Runtime(await testGpu(), EAGER);
  await compare(layer, undefined, runtime);
  const [x, w, b] = inputs;
  const y = t.relu(t.add(t.conv2d(x, w, { padding: 1 }), b));
  const plan = await runtime.plan({ outputs: { y } });
  assert.equal(plan.dispatches.length, 4);
  assert.match(plan.dispatches[3].kernel.label, /from points, /);
  plan.destroy();
  runtime.destroy();
});

Deno.test("winograd: tuned products change no bit", async () => {
  const [x, w] = [random([3, 9, 8, 8]), random([3, 3, 8, 12])];
  const y = t.square(t.conv2d(x, w, { padding: 1 }));
  const graph = [y, ...t.grad(t.sum(y), [x, w])];
  const evaluate = async (target: Target) => {
    const runtime = new Runtime(await testGpu(), target);
    const values = await runtime.evaluate(graph);
    runtime.destroy();
    return values;
  };
  const products = tunableClasses(schedule(graph, [], EAGER).dispatches);
  assert.equal(products.length, 3);
  const tuning = new Map(products.map(({ dispatch: { kernel } }) => {
    const { shapeClass, variants } = kernel.tunable!;
    return [shapeClass, variants.at(-1)!.name];
  }));
  assert.deepEqual(await evaluate({ ...EAGER, tuning }), await evaluate(EAGER));
});

Deno.test("winograd: a target that is to be exact never goes this way", () => {
  assert.ok(BLOCKS.moveCost < Infinity);
  const s = conv([32, 32, 64], [3, 3, 64], { batch: 128, padding: [1, 1] });
  for (const face of ["forward", "input gradient", "weight gradient"] as const) {
    assert.equal(winogradScheme(s, face, BLOCKS), F4);
    assert.equal(winogradScheme(s, face, exact(BLOCKS)), undefined);
  }
});

Deno.test("winograd: chosen by what multiply-adds and moves cost, where it can be", () => {
  const s = conv([32, 32, 64], [3, 3, 64], { batch: 128, padding: [1, 1] });
  const on: Target = { ...BLOCKS, moveCost: 60, operandBytes: 1 << 30 };
  const chosen = (s: ConvShape, target = on) => winogradScheme(s, "forward", target);
  assert.equal(chosen(s), F4);
  assert.equal(chosen(s, PLAIN), undefined);
  assert.equal(chosen({ ...s, batch: 1 }), undefined);
  assert.equal(chosen(s, { ...on, operandBytes: 1 << 26 }), undefined);
  assert.equal(chosen(conv([2, 2, 512], [3, 3, 512], { batch: 4096, padding: [1, 1] })), F2);
  const others = [
    conv([32, 32, 64], [1, 1, 64], { batch: 128 }),
    conv([32, 32, 64], [3, 3, 64], { batch: 128, stride: [2, 2], padding: [1, 1] }),
    conv([32, 32, 64], [3, 3, 64], { batch: 128, dilation: [1, 2], padding: [1, 1] }),
    conv([32, 32, 64], [3, 3, 64], { batch: 128, groups: 2, padding: [1, 1] }),
    conv([32, 32, 3], [3, 3, 64], { batch: 128, padding: [1, 1] }),
    conv([32, 32, 512], [3, 3, 510], { batch: 128, padding: [1, 1] }),
  ];
  for (const other of others) assert.equal(chosen(other), undefined);
});
