/** The scheduler's passes, each alone: what it makes of a list of items. */

import { deepEqual, equal, ok, throws } from "node:assert/strict";
import { PLAIN } from "../engine/gpu/kernels/target.ts";
import { bundle } from "../engine/plan/bundles.ts";
import { joinEpilogues } from "../engine/plan/epilogues.ts";
import { storedNodes } from "../engine/plan/fuse.ts";
import { writeInPlace } from "../engine/plan/in_place.ts";
import { type BundledItem, readersOf, sourceOf } from "../engine/plan/item.ts";
import { itemsOf, stepsOf } from "../engine/plan/lower.ts";
import { joinPairs } from "../engine/plan/pairs.ts";
import { joinTwins } from "../engine/plan/twins.ts";
import { updateEarly } from "../engine/plan/updates.ts";
import * as t from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { random, relativeError, testRuntime } from "./support/check.ts";

/** The first list of items for a graph without simplifications, frozen, and what it is made of. */
function listOf(...wanted: t.Tensor[]) {
  const nodes = t.ancestors(...wanted);
  const stored = storedNodes(nodes, new Set(wanted), PLAIN);
  const items = itemsOf(nodes, stored, PLAIN);
  for (const item of items) {
    for (const part of [item, item.reads, item.writes]) Object.freeze(part);
  }
  return { items: Object.freeze(items), wanted: new Set(wanted) };
}

const writes = (items: readonly BundledItem[]) => items.map((item) => item.writes);
const reads = (items: readonly BundledItem[]) => items.map((item) => item.reads);

Deno.test("items: one for each node with memory, inputs before results, with what they read", () => {
  const [x, w, bias] = [random([2, 6, 6, 4]), random([3, 3, 4, 8]), random([8])];
  const y = t.conv2d(x, w);
  const inline = t.mul(y, 0.5);
  const z = t.relu(t.add(inline, bias));
  const total = t.sum(t.reshape(z, [1, z.size, 1]));
  const { items } = listOf(z, total);
  deepEqual(items.map(({ node }) => node.operation.name), ["conv2d", "relu", "sum"]);
  deepEqual(reads(items).slice(0, 2), [[x, w], [y, bias]]);
  deepEqual(writes(items).slice(0, 2), [[y], [z]]);
  const readers = readersOf(items);
  deepEqual([y, z, x, inline].map((node) => readers.get(node)), [[1], [2], [0], undefined]);
});

Deno.test("pairs: a wanted value and its only reader become one item where the reader stood", () => {
  const [v, g, w] = [random([8]), random([8]), random([8])];
  const velocity = t.add(t.mul(v, 0.9), g);
  const next = t.sub(w, velocity);
  const { items } = listOf(velocity, next);
  deepEqual(writes(items), [[velocity], [next]]);
  const joined = joinPairs(items, PLAIN);
  deepEqual(writes(joined), [[velocity, next]]);
  deepEqual(joined[0].reads, [v, g, w]);
  deepEqual(writes(items), [[velocity], [next]], "the list that it was given is as it was");

  const other = t.exp(velocity);
  const twice = listOf(velocity, next, other);
  deepEqual(joinPairs(twice.items, PLAIN), twice.items, "read by two");
  const wide = Array.from({ length: 6 }, () => random([8])).reduce<t.Tensor>(t.add, velocity);
  const many = listOf(velocity, wide);
  deepEqual(joinPairs(many.items, PLAIN), many.items, "more operands than a kernel binds");
});

Deno.test("pairs, epilogues: what a chain reads repeated too has to be in memory first", async () => {
  const pixel = random([1, 1, 1, 4]);
  const makers = {
    "a chain": t.exp(pixel),
    "a kernel": t.conv2d(pixel, random([1, 1, 4, 4])),
  };
  for (const [what, y] of Object.entries(makers)) {
    const z = t.mul(y, t.broadcastTo(t.reshape(y, [4]), y.shape));
    for (const wanted of [[z], [y, z]]) {
      const { items, wanted: kept } = listOf(...wanted);
      deepEqual(joinPairs(items, PLAIN), items, what);
      deepEqual(joinEpilogues(items, kept, PLAIN), items, what);
      const found = await (await testRuntime()).evaluate(wanted);
      const error = relativeError(found.at(-1)!, interpret([z])[0]);
      ok(error < 1e-6, `${what}: off by ${error}`);
    }
  }
});

Deno.test("twins: sums that read a large operand in common are one kernel, side by side", async () => {
  const [g, x, mean] = [random([4, 6, 6, 8]), random([4, 6, 6, 8]), random([8])];
  const sumOf = (value: t.Tensor) => t.middle(t.SUM, t.reshape(value, [1, 144, 8]));
  const flat = sumOf(g);
  const weighted = sumOf(t.mul(g, t.sub(x, t.broadcastTo(mean, x.shape))));
  const { items } = listOf(flat, weighted);
  const joined = joinTwins(items, PLAIN);
  deepEqual(writes(joined), [[flat, weighted]]);
  deepEqual(joined[0].reads.map(sourceOf), [g, x, mean], "g once");
  const found = await (await testRuntime()).evaluate([flat, weighted]);
  for (const [k, node] of [flat, weighted].entries()) {
    const error = relativeError(found[k], interpret([node])[0]);
    ok(error < 1e-6, `sum ${k}: off by ${error}`);
  }

  // The second needs the first, or shares nothing large with it.
  const center = t.broadcastTo(t.reshape(flat, [8]), g.shape);
  const variance = sumOf(t.square(t.sub(g, center)));
  const after = listOf(flat, variance);
  deepEqual(joinTwins(after.items, PLAIN), after.items);
  const others = listOf(flat, sumOf(t.square(x)));
  deepEqual(joinTwins(others.items, PLAIN), others.items);
});

Deno.test("updates: a new value is computed once it can be, behind what reads the old one", () => {
  const [w, x, cotangent] = [random([3, 3, 4, 8]), random([2, 9, 9, 4]), random([2, 9, 9, 8])];
  const y = t.conv2d(x, w, { padding: 1 });
  const [gw, gx] = t.grad(t.sum(t.mul(y, cotangent)), [w, x]);
  const [old, other] = [t.exp(w), t.log(x)];
  const next = t.sub(w, t.mul(gw, 0.1));
  const { items } = listOf(gw, gx, old, other, next);
  const names = (list: readonly BundledItem[]) =>
    list.slice(-5).map(({ node }) => node.operation.name);
  const [input, weight] = ["conv2dInputGrad", "conv2dWeightGrad"];
  deepEqual(names(items), [input, weight, "exp", "log", "sub"]);
  // The old weights have readers; the weight gradient is wanted by the update alone, and adds up.
  deepEqual(names(updateEarly(items, [[w, next]])), [input, "exp", weight, "sub", "log"]);
  deepEqual(updateEarly(items, []), items);
  const late = listOf(next, t.exp(w));
  deepEqual(updateEarly(late.items, [[w, next]]), late.items, "the old value is read later");
});

Deno.test("epilogues: a chain goes behind the kernel that nobody else reads", () => {
  const [x, w, bias] = [random([2, 6, 6, 4]), random([3, 3, 4, 8]), random([8])];
  const y = t.conv2d(x, w);
  const z = t.relu(t.add(y, bias));
  const { items, wanted } = listOf(z);
  const joined = joinEpilogues(items, wanted, PLAIN);
  deepEqual([reads(joined), writes(joined)], [[[x, w, bias]], [[z]]]);
  equal(joined[0].node, y, "known by the kernel's node");
  equal(stepsOf(joined[0], PLAIN).length, 1);

  for (const outputs of [[y, z], [z, t.sum(y)]]) {
    const kept = listOf(...outputs);
    deepEqual(joinEpilogues(kept.items, kept.wanted, PLAIN), kept.items);
  }
});

Deno.test("in place: a new value lies in its variable once nobody reads the old one", () => {
  const [a, b] = [random([4]), random([4])];
  const next = t.add(a, b);
  const after = t.exp(next);
  const { items } = listOf(next, after);
  const { items: placed, storageOf } = writeInPlace(items, [[a, next]]);
  deepEqual(writes(placed), [[a], [after]]);
  deepEqual(reads(placed), [[a, b], [a]], "later readers find it there");
  equal(storageOf(t.reshape(next, [2, 2])), a);
  deepEqual(stepsOf(placed[0], PLAIN)[0].buffers, [b, a], "one binding, read and written");
  deepEqual(writes(items), [[next], [after]], "the list that it was given is as it was");
});

Deno.test("in place: what is read later, or in another order, is copied at the end", () => {
  const [a, b] = [random([2, 2]), random([2, 2])];
  const next = t.add(a, b);
  const late = t.mul(a, 3);
  const first = listOf(next, late);
  const placed = writeInPlace(first.items, [[a, next]]);
  deepEqual(writes(placed.items), [[next], [late], [a]]);
  deepEqual(placed.items.at(-1)!.reads, [next]);

  const turned = t.transpose(a);
  const second = writeInPlace(listOf(turned).items, [[a, turned]]);
  deepEqual(writes(second.items), [[turned], [a]]);
  // One value for two variables: computed in the first, copied to the second.
  const both = writeInPlace(listOf(next).items, [[b, next], [a, next]]);
  deepEqual([writes(both.items), reads(both.items).at(-1)], [[[b], [a]], [b]]);
  throws(() => writeInPlace([], [[a, b], [b, a]]), /another assigned variable's old value/);
});

/** The items of what variables become, on the memory that they have, bundled. */
function bundled(assign: t.AssignmentPair[], bindings = 8, outputs: t.Tensor[] = []) {
  const { items } = listOf(...outputs, ...assign.map(([, value]) => value));
  const placed = writeInPlace(items, assign);
  const kept = new Set([...assign.map(([variable]) => variable), ...outputs]);
  return bundle(placed.items, kept, { ...PLAIN, bindings });
}

/** The labels of the variables that items write, in the order of the alphabet. */
const namesOf = (items: readonly BundledItem[]) =>
  items.map(({ writes }) => writes.map((v) => (v as t.Variable).label).sort().join(""));

Deno.test("bundles: small chains over as many elements are one kernel, as many as it binds", () => {
  const variables = "abcde".split("").map((name) => new t.Variable(name, [8], random([8]).initial));
  const rate = random([]);
  const assign = variables.map((v) => [v, t.mul(v, rate)] as const);
  deepEqual(namesOf(bundled(assign)), ["abcde"]);
  deepEqual(namesOf(bundled(assign, 4)), ["abc", "de"], "the rate takes a binding");
  // A channel's statistics are seen under several shapes.
  const seen = assign.map(([v, value], k) => {
    const under = t.reshape(v, [1, 1, 1, 8]);
    return [v, k % 2 ? value : t.reshape(t.mul(under, rate), [8])] as const;
  });
  deepEqual(namesOf(bundled(seen, 12)), ["abcde"]);

  const large = Array.from({ length: 2 }, () => random([5000]));
  const separate = large.map((v) => [v, t.mul(v, rate)] as const);
  deepEqual(writes(bundled(separate)), [[large[0]], [large[1]]], "started in no time");
  const count = new t.Variable("f", [8], new Uint32Array(8));
  const types = [variables[0], count].map((v) => [v, t.add(v, v)] as const);
  deepEqual(namesOf(bundled(types)), ["a", "f"], "of one type");
});

Deno.test("bundles: what others need is computed before them, what they read is kept until then", () => {
  const [a, b, c] = [random([4]), random([4]), random([4])];
  // The sum needs a's new value; b's may wait for c's.
  const next = t.exp(a);
  const total = t.sum(next);
  const assign = [[b, t.neg(b)], [a, next], [c, t.square(c)]] as const;
  const list = bundled([...assign], 8, [total]);
  deepEqual(list.map(({ node }) => node.operation.name), ["exp", "sum", "square"]);
  deepEqual(writes(list)[2], [b, c]);

  // Repeated, an element is needed by all: what overwrites it is no part of the same kernel.
  const one = random([1]);
  const spread = t.mul(b, t.broadcastTo(one, [4]));
  const turned = bundled([[b, spread], [one, t.neg(one)]]);
  deepEqual(writes(turned), [[b], [one]]);
});

Deno.test("what reads the first row of a value comes after it, whatever else fits", async () => {
  // It is seen in the memory of the value itself.
  const firstRow = (x: t.Tensor) =>
    t.ancestors(t.moments(x).mean).find(({ operation }) => operation.name === "firstRow")!;
  const shifted = (x: t.Tensor) => t.sub(x, firstRow(x));
  const [x, w] = [random([4, 8]), random([4, 8])];
  const y = t.exp(x);
  const runtime = await testRuntime();
  const found = await runtime.evaluate([y, shifted(y)]);
  ok(relativeError(found[1], interpret([shifted(y)])[0]) < 1e-6);

  const next = t.sub(w, firstRow(x));
  const { items } = listOf(next);
  deepEqual(
    writes(writeInPlace(items, [[x, next]]).items),
    [[next], [x]],
    "read by other elements",
  );
});

Deno.test("bundles: a result that was for the bundle alone takes no binding", () => {
  const names = Array.from(
    { length: 6 },
    (_, k) => new t.Variable(`${k}`, [8], random([8]).initial),
  );
  const [first, ...others] = names;
  // Each step needs the one before, and nobody else does.
  const last = others.reduce<t.Tensor>((sum, v) => t.exp(t.reshape(t.mul(sum, v), [1, 8])), first);
  const steps = t.ancestors(last).filter(({ operation }) => operation.name === "exp");
  const { items } = listOf(...steps);
  deepEqual(writes(bundle(items, new Set([last]), PLAIN)), [[last]]);
});

Deno.test("bundles: what is for the bundle alone stays in registers", async () => {
  const [x, scale] = [random([4]), random([4])];
  const inner = t.exp(x);
  const [y, z] = [t.mul(inner, scale), t.add(t.square(inner), x)];
  const { items } = listOf(inner, y, z);
  const kept = new Set<t.Tensor>([y, z]);
  deepEqual(writes(bundle(items, kept, PLAIN)), [[y, z]]);
  const found = await (await testRuntime()).evaluate([inner, y, z]);
  for (const [k, node] of [inner, y, z].entries()) {
    const error = relativeError(found[k], interpret([node])[0]);
    ok(error < 1e-6, `result ${k}: off by ${error}`);
  }
});

Deno.test("bundles: what is made of a sum is computed in its last kernel", async () => {
  const [x, scale, average] = [random([40, 30, 8]), random([8]), random([8])];
  const mean = t.div(t.sum(x, [0, 1]), 1200);
  const next = t.add(t.mul(average, 0.9), t.mul(mean, 0.1));
  const scaled = t.mul(mean, scale);
  const { items } = listOf(mean, next, scaled);
  const placed = writeInPlace(items, [[average, next]]);
  const [item, ...rest] = bundle(placed.items, new Set<t.Tensor>([average, scaled]), PLAIN);
  deepEqual(rest, []);
  deepEqual(item.writes, [average, scaled], "the mean and the sum stay in registers");
  const steps = stepsOf(item, PLAIN);
  equal(steps.length, 2, "the parts, and what they come to");
  deepEqual(steps[1].buffers.slice(1), [scale, average, scaled]);

  const runtime = await testRuntime();
  const found = await runtime.evaluate([mean, next, scaled]);
  for (const [k, node] of [mean, next, scaled].entries()) {
    const error = relativeError(found[k], interpret([node])[0]);
    ok(error < 1e-5, `value ${k}: off by ${error}`);
  }
});

Deno.test("a reduction in parts is split in one way, whoever asks for it", () => {
  const x = random([4000, 2]);
  const w = random([3, 3, 2, 2]);
  const image = random([4, 32, 32, 2]);
  const [total, gradient] = [
    t.sum(t.square(x), [0]),
    t.grad(t.sum(t.conv2d(image, w)), [w])[0],
  ];
  for (const node of [total, gradient]) {
    const { items } = listOf(node);
    const item = items.find((item) => stepsOf(item, PLAIN).length === 2);
    ok(item, `${node} is split`);
    const [parts, sum] = stepsOf(item, PLAIN);
    equal(parts.buffers.at(-1), sum.buffers[0]);
    ok(sum.kernel.label.startsWith("sum ["), sum.kernel.label);
    equal(sum.buffers.length, 2);
  }
});
