/**
 * What infinities and NaN come to: nothing may lose one on its way to the loss, neither in a value nor in
 * a derivative. Each operation gets one at one place of each operand, by each family of kernels, and
 * is held to the oracle; and the rules of gradients to PyTorch's.
 */

import { deepEqual, ok } from "node:assert/strict";
import { BLOCKS, cpuTarget } from "../engine/gpu/kernels/target.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import * as t from "../engine/tensor/mod.ts";
import { examples } from "./reference/cases.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { type Case, derivatives } from "./support/check.ts";
import { testGpu } from "./support/gpu.ts";

const SPECIAL = [NaN, Infinity, -Infinity, 0];

/** NaN, an infinity, or neither. */
const kind = (x: number) => Number.isFinite(x) ? "finite" : String(x);

/** The case at the same place, but for one element of one operand. */
function poisoned({ inputs, ...rest }: Case, operand: number, at: number, value: number): Case {
  const changed = inputs.map((input, k) =>
    k === operand
      ? new t.Variable(input.label, input.shape, input.initial.with(at, value) as t.HostArray)
      : input
  );
  return { ...rest, inputs: changed };
}

function tensorsOf(operation: Case): t.Tensor[] {
  const { value, orders } = derivatives(operation);
  return [value, ...orders.flatMap(({ gradients }) => gradients.filter((g) => g !== undefined))];
}

for (const example of examples) {
  Deno.test(`infinities and NaN: ${example.name}`, async () => {
    const gpu = await testGpu();
    for (const target of [cpuTarget(gpu.subgroupSize), BLOCKS]) {
      const runtime = new Runtime(gpu, target);
      for (const [operand, { dtype, size }] of example.inputs.entries()) {
        if (dtype === "u32") continue;
        for (const special of SPECIAL) {
          const tensors = tensorsOf(poisoned(example, operand, size >> 1, special));
          const found = await runtime.evaluate(tensors);
          const wanted = interpret(tensors);
          for (const [k, tensor] of tensors.entries()) {
            const what = `${k} (${tensor}), ${special} in operand ${operand}`;
            deepEqual(Array.from(found[k], kind), Array.from(wanted[k], kind), what);
          }
        }
      }
      runtime.destroy();
    }
  });
}

const vector = (...elements: readonly number[]) =>
  new t.Variable("x", [elements.length], Float32Array.from(elements));

/** What is 0 of every number, which a compiler of shaders may see too. */
const nothings: Record<string, (x: t.Tensor, y: t.Tensor) => t.Tensor> = {
  "x 0": (x) => t.mul(x, 0),
  "0 x": (x) => t.mul(0, x),
  "x - x": (x) => t.sub(x, x),
  "x - y, which is x": (x, y) => t.sub(t.relu(x), t.relu(y)),
  "x + -x": (x) => t.add(x, t.neg(x)),
  "-x + x": (x) => t.add(t.neg(x), x),
  "0 / x": (x) => t.div(0, x),
  "x / 0": (x) => t.div(x, 0),
  "relu(x) 0": (x) => t.mul(t.relu(x), 0),
  "e^(0 x)": (x) => t.exp(t.mul(0, x)),
  "sum of 0 x": (x) => t.sum(t.mul(x, t.broadcastTo(t.constant(0), x.shape))),
  "0 times a sum": (x) => t.mul(t.sum(x), 0),
  "sum of x - x": (x) => t.sum(t.sub(x, x)),
  "x / x": (x) => t.div(x, x),
  "0 times a maximum": (x) => t.mul(t.max(x), 0),
};

Deno.test("what is 0 of every number is NaN of what is none, in derivatives too", async () => {
  const gpu = await testGpu();
  for (const target of [cpuTarget(gpu.subgroupSize), BLOCKS]) {
    const runtime = new Runtime(gpu, target);
    for (const elements of [[NaN, Infinity, -Infinity, 0, 1, -2, 3, 0], [1, 2, NaN]]) {
      const x = vector(...elements);
      const same = t.reshape(t.reshape(x, [1, elements.length]), [elements.length]);
      for (const [name, f] of Object.entries(nothings)) {
        const tensors = tensorsOf({ name, inputs: [x], f: (x) => f(x, same), tolerance: 0 });
        const found = await runtime.evaluate(tensors);
        const wanted = interpret(tensors);
        for (const [k] of tensors.entries()) {
          deepEqual(Array.from(found[k], kind), Array.from(wanted[k], kind), `${name}: ${k}`);
        }
      }
    }
    runtime.destroy();
  }
});

Deno.test("what constants alone come to may be infinite or NaN", async () => {
  const constant = (value: number) => t.broadcastTo(t.constant(value), [4]);
  const runtime = new Runtime(await testGpu());
  const found = await runtime.evaluate([
    t.exp(constant(1000)),
    t.log(constant(0)),
    t.div(constant(1), 0),
    t.div(constant(0), 0),
    t.add(constant(3e38), 3e38),
    t.mul(t.log(constant(0)), 0),
  ]);
  runtime.destroy();
  deepEqual(found.map((v) => v[3]), [Infinity, -Infinity, Infinity, NaN, Infinity, NaN]);
});

const [N, I] = [NaN, Infinity];
type Function = (...operands: t.Tensor[]) => t.Tensor;
/** f, its operands, and by PyTorch 1.13 its value and the gradients of its sum. */
const PYTORCH: readonly [name: string, Function, number[][], value: number[], number[][]][] = [
  ["abs", t.abs, [[N, I, -I, 0, -3]], [N, I, I, 0, 3], [[0, 1, -1, 0, -1]]],
  ["sign", t.sign, [[N, I, -I, 0, -3]], [0, 1, -1, 0, -1], []],
  ["relu", t.relu, [[N, I, -I, 0, 7]], [N, I, 0, 0, 7], [[1, 1, 0, 0, 1]]],
  ["relu6", t.relu6, [[N, I, -I, 0, 7]], [N, 6, 0, 0, 6], [[1, 0, 0, 0, 0]]],
  ["silu", t.silu, [[N, I, -I]], [N, I, N], [[N, N, N]]],
  ["sqrt", t.sqrt, [[N, I, -1, 0]], [N, I, N, 0], [[N, 0, N, I]]],
  ["log", t.log, [[N, I, -1, 0]], [N, I, N, -I], [[N, 0, -1, I]]],
  [
    "maximum",
    t.maximum,
    [[N, N, 1, 1, I, I, 0, -I], [1, N, N, 1, N, I, 3, -I]],
    [N, N, N, 1, N, I, 3, -I],
    [[1, 1, 1, 0.5, 1, 0.5, 0, 0.5], [1, 1, 1, 0.5, 1, 0.5, 1, 0.5]],
  ],
  [
    "where",
    (a, b) => t.where(vector(N, 1, 0), a, b),
    [[N, 1, N], [1, N, 2]],
    [N, 1, 2],
    [[1, 1, 0], [0, 0, 1]],
  ],
  ["greater", t.greater, [[N, 1, I, N], [1, N, N, N]], [0, 0, 0, 0], []],
  ["equal", t.equal, [[N, 1, I, N], [1, N, I, I]], [0, 0, 1, 0], []],
  ["max", (x) => t.max(x), [[1, N, 3]], [N], [[N, N, N]]],
  ["max of infinities", (x) => t.max(x), [[I, I, 1]], [I], [[0.5, 0.5, 0]]],
  [
    "max pooling",
    (x) => t.flatten(t.maxPool2d(t.reshape(x, [1, 1, 6, 1]), [1, 3]), 0),
    [[1, N, 3, N, 4, N]],
    [N, N],
    [[0, 1, 0, 0, 0, 1]],
  ],
];

for (const [name, f, operands, value, gradients] of PYTORCH) {
  Deno.test(`at infinities and NaN ${name} and its gradients are PyTorch's`, async () => {
    const gpu = await testGpu();
    const inputs = operands.map((elements) => vector(...elements));
    const y = f(...inputs);
    const found = t.gradients(t.sum(y), inputs).filter((g) => g !== undefined);
    for (const target of [cpuTarget(gpu.subgroupSize), BLOCKS]) {
      const runtime = new Runtime(gpu, target);
      const values = await runtime.evaluate([y, ...found]);
      runtime.destroy();
      deepEqual(values.map((v) => Array.from(v, (x) => x + 0)), [value, ...gradients]);
    }
  });
}

Deno.test("where a gradient is left out it is, were it NaN: as in PyTorch", async () => {
  const gpu = await testGpu();
  const runtime = new Runtime(gpu);
  const [x, y] = [vector(-1, 0, 1, 7), vector(-2, 0, 2, 7)];
  const seed = vector(N, N, N, N);
  const pooled = (x: t.Tensor) => t.flatten(t.maxPool2d(t.reshape(x, [1, 2, 2, 1]), 2), 0);
  const found = await runtime.evaluate([
    ...t.grad(t.relu(x), [x], seed),
    ...t.grad(t.relu6(x), [x], seed),
    ...t.grad(t.maximum(x, y), [x, y], seed),
    ...t.grad(t.where(y, x, y), [x, y], seed),
    ...t.grad(pooled(x), [x], vector(N)),
  ]);
  runtime.destroy();
  deepEqual(found.map((v) => Array.from(v)), [
    ...[[0, 0, N, N], [0, 0, N, 0]],
    ...[[N, N, 0, N], [0, N, N, N]],
    ...[[N, 0, N, N], [0, N, 0, 0]],
    [0, 0, 0, N],
  ]);
});

Deno.test("argmax finds the first NaN, and no column that is left out", async () => {
  const rows = [[1, N, 3, N], [N, 1, 2, I], [-I, -I, -I, -I], [I, I, 1, 0], [-I, 2, -I, -I]];
  const x = new t.Variable("x", [5, 4], Float32Array.from(rows.flat()));
  const labels = new t.Variable("labels", [5], Uint32Array.of(1, 0, 0, 0, 1));
  const runtime = new Runtime(await testGpu());
  const found = await runtime.evaluate([t.argmax(x), t.argmaxExcept(x, labels)]);
  runtime.destroy();
  deepEqual(found.map((v) => Array.from(v)), [[1, 0, 0, 0, 1], [3, 3, 1, 1, 0]]);
  ok(found.every((v) => v instanceof Uint32Array));
});
