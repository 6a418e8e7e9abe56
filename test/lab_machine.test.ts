/** A step as a machine: what its kernels belong to, and what lies in memory while they run. */

import assert from "node:assert/strict";
import { OFF } from "../engine/doctor/constraint.ts";
import { BLOCKS, PLAIN } from "../engine/gpu/kernels/target.ts";
import { aliveAt, machineOf, type Purpose, stepGraph } from "../engine/lab/machine.ts";
import { timesOf } from "../engine/lab/machine_time.ts";
import { trace } from "../engine/plan/plan.ts";
import { Runtime } from "../engine/plan/runtime.ts";
import { createClassifier } from "../models/classifier.ts";
import { classifier } from "../models/registry.ts";
import { testGpu } from "./support/gpu.ts";

const SHAPE = { batch: 4, size: 16, channels: 3, classes: 10 };

function graphOf(purpose: Purpose) {
  const options = { inChannels: 3, numClasses: 10, imageSize: 16, width: 0.25 };
  return stepGraph(createClassifier(classifier("small"), options), SHAPE, purpose);
}

const treat: Purpose = {
  treat: { channel: { ...OFF, weight: 0.1, layers: ["features.3"] }, space: OFF },
};

Deno.test("machine: forward, gradient and second derivative, the last above the constrained layer alone", () => {
  const orders = (purpose: Purpose) =>
    [...new Set(machineOf(graphOf(purpose), BLOCKS).parts.map(({ order }) => order))].sort();
  assert.deepEqual(orders("evaluate"), [0]);
  assert.deepEqual(orders("train"), [0, 1]);
  assert.deepEqual(orders(treat), [0, 1, 2]);
  const second = machineOf(graphOf(treat), BLOCKS).parts.filter(({ order }) => order === 2);
  assert.ok(second.some(({ operation }) => operation.startsWith("conv2d")));
  for (const { layer } of second) {
    const [, number] = /^features\.(\d+)/.exec(layer) ?? [];
    assert.ok(number === undefined || Number(number) > 3, layer);
  }
});

Deno.test("machine: what is alive is at most what has memory, and less where nothing is kept", () => {
  const [evaluated, trained] = (["evaluate", "train"] as const)
    .map((purpose) => machineOf(graphOf(purpose), BLOCKS));
  const peak = ({ parts }: typeof trained) => Math.max(...parts.map(({ alive }) => alive));
  for (const machine of [evaluated, trained]) {
    const { bytes, withoutReuse } = machine.memory.values;
    assert.ok(peak(machine) <= bytes && bytes <= withoutReuse);
    assert.ok(machine.operations.length <= machine.written);
  }
  assert.ok(trained.parts.length < trained.operations.length);
  // The first map and what is made of it: 4 x 16 x 16 x 8 floats, and pooled a quarter of them.
  assert.ok(peak(evaluated) >= 4 * 8192 && peak(evaluated) < peak(trained) / 2);
});

Deno.test("machine: every kernel leaves an operation's value, and the plan is that of the step as written", () => {
  for (const purpose of ["evaluate", "train", treat] as const) {
    const graph = graphOf(purpose);
    const { parts, operations } = machineOf(graph, BLOCKS);
    const { dispatches } = trace(graph.spec, BLOCKS);
    assert.deepEqual(
      parts.map(({ dispatch }) => dispatch.kernel.label),
      dispatches.map(({ kernel }) => kernel.label),
    );
    const stored = operations.filter(({ kernel }) => typeof kernel === "number");
    const kernels = new Set(stored.map(({ kernel }) => kernel));
    // Of a sum in parts the first kernel leaves only the parts.
    const last = parts.filter(({ dispatch }, at) => dispatch.node !== parts[at + 1]?.dispatch.node);
    assert.equal(kernels.size, last.length);
    const fused = operations.filter(({ kernel }) => kernel === undefined);
    assert.ok(fused.length > 0 && fused.every(({ what }) => !what.startsWith("conv2d")));
    const names = new Set(operations.map(({ name }) => name));
    assert.equal(names.size, operations.length);
    const [first] = operations.filter(({ what }) => what === "conv2d");
    assert.deepEqual(first.operands, ["images", "features.0.weight"]);
  }
});

Deno.test("machine: values that share a buffer are never there at one time, and all fit", () => {
  const { values, buffers, memory, parts } = machineOf(graphOf("train"), BLOCKS);
  assert.equal(buffers.reduce((sum, bytes) => sum + bytes, 0), memory.values.bytes);
  assert.ok(values.length > buffers.length);
  values.forEach(({ bytes, from, to, buffer }, k) => {
    assert.ok(bytes <= buffers[buffer] && from <= to && to < parts.length);
    const next = values[k + 1];
    assert.ok(next?.buffer !== buffer || next.from > to);
    // Who writes it is bound to something of its size.
    const sizes = parts[from].dispatch.buffers.map(({ shape }) => shape.reduce((a, b) => a * b, 4));
    assert.ok(sizes.includes(bytes));
  });
  const most = Math.max(
    ...parts.map((_, at) => aliveAt(values, at).reduce((sum, { bytes }) => sum + bytes, 0)),
  );
  assert.equal(most, Math.max(...parts.map(({ alive }) => alive)));
});

Deno.test("machine: every kernel has a time", async () => {
  const runtime = new Runtime(await testGpu(), PLAIN);
  const graph = graphOf("evaluate");
  const times = await timesOf(runtime, graph);
  assert.equal(times.length, machineOf(graph, PLAIN).parts.length);
  assert.ok(times.every((ms) => ms >= 0) && times.some((ms) => ms > 0));
  runtime.destroy();
});
