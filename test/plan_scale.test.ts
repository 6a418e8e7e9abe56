/**
 * Graphs of any length and sharing: planned and differentiated in time that grows with their size,
 * and without recursion that does. The limits are generous: what is exponential takes years, what
 * is quadratic many times as long.
 */

import assert from "node:assert/strict";
import { isUniformInSpace } from "../engine/doctor/constant.ts";
import { BLOCKS, PLAIN } from "../engine/gpu/kernels/target.ts";
import { MAX_VALUES } from "../engine/plan/fuse.ts";
import { placeValues } from "../engine/plan/memory.ts";
import { schedule } from "../engine/plan/schedule.ts";
import { draws, uniform } from "../engine/random.ts";
import * as t from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { within } from "./support/bounds.ts";
import { evaluate, random, relativeError } from "./support/check.ts";

const LENGTH = 10_000;
/** Milliseconds for what takes some hundreds. */
const LIMIT = 5_000;

function repeated(times: number, step: (x: t.Tensor, k: number) => t.Tensor, x: t.Tensor) {
  let y = x;
  for (let k = 0; k < times; k++) y = step(y, k);
  return y;
}

/** Each kernel binds and computes no more than it may, and is known by a short name. */
function assertBounded(...outputs: t.Tensor[]) {
  const { dispatches } = schedule(outputs, [], PLAIN);
  for (const { kernel, buffers } of dispatches) {
    assert.ok(buffers.length <= 8, `${kernel.label} binds ${buffers.length} buffers`);
    assert.ok(kernel.label.length < 200, kernel.label);
  }
  return dispatches;
}

const chains: Record<string, (x: t.Tensor, k: number) => t.Tensor> = {
  "additions": (x) => t.add(x, 0.5),
  "sigmoids": (x) => t.sigmoid(x),
  "factors that a sum is rid of, one after the other": (x, k) =>
    k === LENGTH - 1 ? t.sum(x) : t.mul(x, 1.0001),
  "signs that a sum is rid of": (x, k) => k === LENGTH - 1 ? t.sum(x) : t.neg(x),
  "reshapes": (x, k) => t.reshape(x, k % 2 ? [2, 4] : [8]),
  "detached values": (x) => t.detach(x),
  "sums and products": (x) => t.mul(t.sum(t.mul(x, x), [0], { keepDims: true }), 0.5),
};
for (const [what, step] of Object.entries(chains)) {
  Deno.test(`a chain of ${LENGTH}: ${what}`, async () => {
    // What is rewritten from the first node on has none of its nodes as they were built.
    const y = repeated(LENGTH, step, t.detach(random([2, 4])));
    await within(LIMIT, "the schedule", () => assertBounded(y));
  });
}

Deno.test(`a chain of ${LENGTH} is differentiated twice`, async () => {
  const x = random([2, 4]);
  const y = t.sum(repeated(LENGTH, (y) => t.sigmoid(y), x));
  const [first] = await within(LIMIT, "the first derivative", () => t.grad(y, [x]));
  await within(LIMIT, "its schedule", () => assertBounded(first));
  await within(LIMIT, "the second derivative", () => t.grad(t.sum(t.square(first)), [x]));
});

Deno.test("a value that is its own operand twice, again and again", async () => {
  const x = random([2, 4]);
  const y = repeated(60, (y) => t.add(y, t.mul(y, 0.5)), x);
  const [g] = t.grad(t.sum(y), [x]);
  await within(LIMIT, "the schedule", () => assertBounded(y, g));
  const image = t.broadcastTo(random([2, 1, 1, 4]), [2, 3, 3, 4]);
  const uniform = repeated(60, (y) => t.add(y, t.mul(y, 0.5)), image);
  assert.ok(await within(LIMIT, "what is uniform", () => isUniformInSpace(uniform)));
  assert.ok(!isUniformInSpace(t.add(uniform, random([3, 1, 4]))));
});

Deno.test(`${LENGTH} nodes that share what they read`, async () => {
  const draw = draws(1, 0);
  let count = 0;
  const below = (n: number) => Math.floor(n * uniform(draw(count++)));
  const x = random([2, 4]);
  const nodes: t.Tensor[] = [x];
  while (nodes.length < LENGTH) {
    const [a, b] = [nodes.at(-1)!, nodes[below(nodes.length)]];
    const kinds = [
      () => t.add(a, t.mul(b, 0.5)),
      () => t.sigmoid(t.sub(a, b)),
      () => t.mul(a, t.sum(b, [0], { keepDims: true })),
    ];
    nodes.push(kinds[below(kinds.length)]());
  }
  const last = nodes.at(-1)!;
  await within(LIMIT, "the schedule", () => assertBounded(last));
  await within(LIMIT, "the schedule of all", () => schedule(nodes, [], BLOCKS));
  await within(LIMIT, "the gradient", () => t.grad(t.sum(last), [x]));
});

Deno.test(`${LENGTH} readers of one value`, async () => {
  const shared = t.exp(random([2, 4]));
  const sums = Array.from({ length: LENGTH }, (_, k) => t.sum(t.mul(shared, k + 2), [0]));
  await within(LIMIT, "the schedule", () => schedule(sums, [], PLAIN));
});

Deno.test(`memory for ${8 * LENGTH} values, long-lived and short-lived`, async () => {
  const draw = draws(2, 0);
  const lifetimes = Array.from({ length: 8 * LENGTH }, (_, from) => {
    const [size, span] = [0, 1].map((k) => uniform(draw(2 * from + k)));
    const to = span < 0.5 ? Infinity : from + Math.ceil(1000 ** span);
    return { bytes: Math.ceil(1e5 ** size), from, to };
  });
  const { buffers, sizes } = await within(LIMIT, "their placement", () => placeValues(lifetimes));
  const taken = new Array<number>(sizes.length).fill(-1);
  lifetimes.forEach(({ bytes, from, to }, k) => {
    assert.ok(sizes[buffers[k]] >= bytes, `value ${k} doesn't fit`);
    assert.ok(taken[buffers[k]] < from, `value ${k} lies in memory that is still in use`);
    taken[buffers[k]] = to;
  });
  assert.ok(sizes.length < 0.6 * lifetimes.length, `${sizes.length} buffers`);
});

Deno.test("a chain that is cut computes what it did", async () => {
  const length = 3 * MAX_VALUES;
  const x = random([3, 8]);
  // Steps that neither grow nor vanish, and now and then a value from the beginning.
  const y = repeated(length, (y, k) => t.sub(t.sigmoid(t.mul(y, 2)), k % 7 ? 0.5 : x), x);
  const outputs = [y, t.sum(y, [0]), t.grad(t.sum(y), [x])[0]];
  const labels = assertBounded(y).map(({ kernel }) => kernel.label);
  assert.ok(labels.length > 3, `${labels.length} kernels`);
  const found = await evaluate(outputs);
  interpret(outputs).forEach((wanted, k) => {
    const error = relativeError(found[k], wanted);
    assert.ok(error < 1e-4, `output ${k} is off by ${error}`);
  });
});
