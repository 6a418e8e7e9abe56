/** What planning does to graphs: equal nodes merged, sums made cheap, chains fused. */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { BLOCKS, PLAIN } from "../engine/gpu/kernels/target.ts";
import { schedule } from "../engine/plan/schedule.ts";
import * as t from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { evaluate, random, relativeError } from "./support/check.ts";

const labels = (...outputs: t.Tensor[]) =>
  schedule(outputs, [], PLAIN).dispatches.map(({ kernel }) => kernel.label);

async function agrees(...outputs: t.Tensor[]): Promise<void> {
  const found = await evaluate(outputs);
  interpret(outputs).forEach((wanted, k) => {
    const error = relativeError(found[k], wanted);
    ok(error < 1e-5, `output ${k} (${outputs[k]}) is off by ${error}`);
  });
}

Deno.test("equal nodes are computed once", async () => {
  const x = random([4, 8]);
  const twice = () => t.permute(t.exp(t.mul(x, 3)), [1, 0]);
  const outputs = [twice(), twice()];
  equal(labels(...outputs).length, labels(outputs[0]).length);
  await agrees(...outputs);
});

Deno.test("nodes that differ in an attribute only are not merged", async () => {
  const x = random([4, 4]);
  await agrees(
    t.window(x, [0, 1], [4, 4]),
    t.window(x, [1, 0], [4, 4]),
    t.mul(x, 2),
    t.mul(x, 2.0000002),
    t.matmul(x, x),
    t.matmul(x, x, { transB: true }),
  );
});

Deno.test("a chain of pointwise operations is one kernel", async () => {
  const [x, bias] = [random([2, 3, 8]), random([8])];
  const y = t.relu(t.add(t.mul(t.sigmoid(x), 2), bias));
  deepEqual(labels(y).length, 1);
  deepEqual(labels(t.sum(t.square(y), [0, 1])).length, 1);
  await agrees(y, t.sum(t.square(y), [0, 1]));
});

Deno.test("a sum of what is constant along it reads nothing of the sum's size", async () => {
  const [x, row] = [random([5, 6, 8]), random([8])];
  const factor = t.broadcastTo(row, [5, 6, 8]);
  for (
    const [output, kernels] of [
      [t.sum(factor, [0, 1]), 1], // row times 30
      [t.sum(t.mul(t.square(x), factor), [0, 1]), 1], // the sum of squares, at its end times row
      [t.sum(t.neg(t.mul(factor, factor)), [0, 1]), 1],
    ] as const
  ) {
    const dispatches = schedule([output], [], PLAIN).dispatches;
    equal(dispatches.length, kernels, `${output}: ${dispatches.map((d) => d.kernel.label)}`);
    await agrees(output);
  }
});

Deno.test("batch normalisation takes its sums over the images, and its gradient's, in one pass each", () => {
  const [x, g, weight, bias] = [
    random([4, 6, 6, 8]),
    random([4, 6, 6, 8]),
    random([8]),
    random([8]),
  ];
  const y = t.normalize(x, t.batchStatistics(x), weight, bias, 1e-5);
  const reductions = (...outputs: t.Tensor[]) =>
    schedule(outputs, [], PLAIN).dispatches.filter(({ kernel, buffers }) =>
      kernel.label.startsWith("sum of") && (buffers[0] as t.Tensor).size === x.size
    ).length;
  equal(reductions(y), 1);
  equal(reductions(y, ...t.grad(t.sum(t.mul(y, g)), [x, weight, bias])), 2);
});

Deno.test("gradients through max pooling are gated and summed on the pooled elements", async () => {
  const [x, g, bias] = [random([2, 7, 6, 4]), random([2, 4, 3, 4]), random([4])];
  const y = t.relu(t.add(x, bias));
  const pooled = t.maxPool2d(y, 3, { stride: 2, padding: 1 });
  const gradients = t.grad(t.sum(t.mul(t.square(pooled), g)), [x, bias]);
  const sizeOf = (name: string) =>
    schedule(gradients, [], PLAIN).dispatches.filter(({ kernel }) => kernel.label.includes(name))
      .map(({ buffers }) => (buffers.at(-1) as t.Tensor).size);
  deepEqual(sizeOf("gate"), [g.size]);
  deepEqual(
    schedule(gradients, [], PLAIN).dispatches.filter(({ kernel, buffers }) =>
      kernel.label.startsWith("sum of") && (buffers[0] as t.Tensor).size === x.size
    ),
    [],
  );
  await agrees(pooled, ...gradients);
  // What is gated by another tensor than the pooled one stays where it is.
  const other = random([2, 7, 6, 4]);
  const [scattered] = t.grad(t.sum(t.mul(pooled, g)), [y]);
  await agrees(t.gate(scattered, other), t.gate(scattered, y));
  // Sums over other axes than all of the image's are made of the scattered elements.
  await agrees(...[[0], [1, 2], [0, 1], [3], [1, 2, 3]].map((axes) => t.sum(scattered, axes)));
});

Deno.test("a convolution ends with the chain that is its only reader", async () => {
  const [x, w, bias] = [random([2, 12, 12, 8]), random([3, 3, 8, 16]), random([16])];
  const [skip, factor] = [random([2, 12, 12, 16]), random([1, 12, 1, 16])];
  const y = t.conv2d(x, w, { padding: 1 });
  const chains = [
    t.relu(t.add(y, bias)),
    t.add(t.mul(t.sub(y, bias), factor), skip),
    t.relu(t.add(t.conv2d(x, random([1, 1, 8, 16])), t.mul(skip, 0.5))),
    t.gate(t.conv2dInputGrad(skip, w, x.shape, { padding: 1 }), x),
    t.add(t.matmul(random([24, 8]), random([8, 16])), bias),
  ];
  for (const output of chains) {
    for (const target of [PLAIN, BLOCKS]) {
      const { dispatches } = schedule([output], [], target);
      equal(dispatches.length, 1, dispatches.map(({ kernel }) => kernel.label).join("; "));
    }
    await agrees(output);
  }
});

Deno.test("a convolution that is read twice, wanted or odd keeps its result", async () => {
  const [x, w, bias] = [random([2, 5, 5, 8]), random([3, 3, 8, 16]), random([16])];
  const y = t.conv2d(x, w, { padding: 1 });
  const odd = t.add(t.conv2d(x, random([3, 3, 8, 6])), random([6]));
  const repeated = t.add(t.conv2d(random([1, 5, 5, 8]), w, { padding: 1 }), random([2, 5, 5, 16]));
  const cases = [[t.relu(y), t.sum(t.square(y), [0, 1, 2])], [y, t.add(y, bias)], [odd], [
    repeated,
  ]];
  for (const outputs of cases) {
    ok(labels(...outputs).length > 1, labels(...outputs).join("; "));
    await agrees(...outputs);
  }
});

Deno.test("large operands of an epilogue are read as textures, as many as there may be", async () => {
  const [x, w] = [random([2, 20, 20, 8]), random([3, 3, 8, 32])];
  const operands = Array.from({ length: 4 }, () => random([2, 20, 20, 32]));
  const y = t.conv2d(x, w, { padding: 1 });
  await agrees(operands.reduce<t.Tensor>((sum, operand) => t.add(sum, t.square(operand)), y));
});

Deno.test("a chain with more operands than a kernel binds is cut", async () => {
  const operands = Array.from({ length: 20 }, () => random([3, 4]));
  const total = operands.reduce<t.Tensor>((sum, x) => t.add(sum, t.square(x)), t.constant(1));
  for (const { kernel, buffers } of schedule([total], [], PLAIN).dispatches) {
    ok(buffers.length <= 8, `${kernel.label} binds ${buffers.length} buffers`);
  }
  await agrees(total, t.sum(total, [0]), t.mul(total, operands[3]));
});

/** x and six rows, repeated to x's shape: seven operands of which only one is full-size. */
function sevenOperands(): [x: t.Tensor, ...rows: t.Tensor[]] {
  return [random([2, 3, 4]), ...Array.from({ length: 6 }, () => random([4]))];
}

Deno.test("operands of a node that is stored late still fit one kernel", async () => {
  // p and q read the same seven; r, which comes later in the plan, makes q be stored.
  const operands = sevenOperands();
  const p = t.exp(operands.reduce((a, b) => t.add(a, b)));
  const q = t.sigmoid(operands.reduce((a, b) => t.mul(a, b)));
  const both = t.add(p, q);
  const r = t.add(q, t.mul(random([2, 3, 4]), random([2, 3, 4])));
  for (const { kernel, buffers } of schedule([both, r], [], PLAIN).dispatches) {
    ok(buffers.length <= 8, `${kernel.label} binds ${buffers.length} buffers`);
  }
  await agrees(both, r);
});

Deno.test("a reshape sees its source stored late", async () => {
  const p = t.exp(sevenOperands().reduce((a, b) => t.add(a, b)));
  const total = t.sum(t.reshape(p, [6, 4]), [1]);
  // The two reshapes are rewritten, and r after the sum.
  const again = t.reshape(t.reshape(random([2, 3, 4]), [24]), [2, 3, 4]);
  const r = t.add(p, t.mul(again, random([2, 3, 4])));
  await agrees(total, r);
});

Deno.test("a reshape that is an output has memory, even where only sums read it", async () => {
  const view = t.reshape(t.square(random([2, 6])), [2, 3, 2]);
  await agrees(view, t.sum(view, [1]));
  const repeated = t.reshape(t.broadcastTo(random([1, 3]), [4, 3]), [2, 2, 3]);
  await agrees(repeated, t.max(repeated, [1]));
});

Deno.test("leaves, constants and aliases as outputs", async () => {
  const x = random([2, 3]);
  await agrees(
    x,
    t.reshape(x, [3, 2]),
    t.detach(x),
    t.constant(2.5),
    t.broadcastTo(t.constant(-1), [3]),
    t.broadcastTo(x, [2, 2, 3]),
    t.sum(x, []),
    t.mul(t.constant(2), t.constant(3)),
  );
});

Deno.test("one tensor read in several ways by one kernel", async () => {
  const x = random([4, 4]);
  const row = random([4]);
  await agrees(
    t.add(t.mul(row, t.reshape(row, [4, 1])), x),
    t.add(t.reshape(x, [4, 4, 1]), t.reshape(x, [1, 4, 4])),
    t.mul(t.broadcastTo(x, [3, 4, 4]), t.sum(x, [0])),
  );
});

Deno.test("constants are finite", () => {
  for (const value of [Infinity, -Infinity, NaN, 1e39]) throws(() => t.constant(value), /constant/);
  throws(() => t.div(random([2]), 0 / 0), /NaN is no f32/);
});
