/** Running plans: feeds, assignment, memory, repetition, and what goes wrong. */

import { deepEqual, equal, ok, rejects, throws } from "node:assert/strict";
import { ExitCode, UserError } from "../engine/errors.ts";
import { type Kernel, written } from "../engine/gpu/kernel.ts";
import { PLAIN } from "../engine/gpu/kernels/target.ts";
import { createBuffer, readBuffers } from "../engine/plan/buffers.ts";
import { schedule } from "../engine/plan/schedule.ts";
import * as t from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { random, relativeError, testRuntime, values } from "./support/check.ts";

const numbers = (array: ArrayLike<number>) => Array.from(array);
const close = (a: ArrayLike<number>, b: ArrayLike<number>, what = "") =>
  ok(relativeError(a, b) < 1e-5, `${what} ${numbers(a)} instead of ${numbers(b)}`);

Deno.test("inputs take their values at every run", async () => {
  const runtime = await testRuntime();
  const [x, scale, ids] = [
    new t.Input("x", [2, 2]),
    new t.Input("scale", []),
    new t.Input("ids", [2], "u32"),
  ];
  const unused = new t.Input("unused", [3]);
  const plan = await runtime.plan({
    outputs: { y: t.mul(x, scale), rows: t.takeRows(x, ids), same: x },
  });
  for (const k of [1, 2]) {
    plan.run([
      [x, Float32Array.of(k, 2, 3, 4)],
      [scale, 10 * k],
      [ids, Uint32Array.of(1, 0)],
      [unused, new Float32Array(3)],
    ]);
    const [y, rows, same] = await plan.read("y", "rows", "same");
    deepEqual(numbers(y), [k, 2, 3, 4].map((v) => v * 10 * k));
    deepEqual(numbers(rows), [3, 4, k, 2]);
    deepEqual(numbers(same), [k, 2, 3, 4]);
  }
  throws(() => plan.run([[x, new Float32Array(3)]]), /input x takes 4 values, not 3/);
  plan.destroy();
});

Deno.test("gradient descent on two variables follows the oracle", async () => {
  const runtime = await testRuntime();
  const [w, b, x, rate] = [random([3, 4]), random([4]), random([5, 3]), new t.Input("rate", [])];
  const loss = t.mean(t.square(t.sub(t.sigmoid(t.add(t.matmul(x, w), b)), 0.3)));
  const parameters = [w, b];
  const next = t.grad(loss, parameters).map((g, i) => t.sub(parameters[i], t.mul(g, rate)));
  const plan = await runtime.plan({
    outputs: { loss },
    assign: [[w, next[0]], [b, next[1]]],
  });
  ok(!plan.dispatches.some(({ kernel }) => kernel.label.startsWith("assign")), "updated in place");
  let state: ArrayLike<number>[] = parameters.map((p) => p.initial);
  for (let step = 0; step < 5; step++) {
    const given = new Map<t.Tensor, ArrayLike<number>>([[w, state[0]], [b, state[1]], [rate, [
      0.5,
    ]]]);
    const [wanted, ...updated] = interpret([loss, ...next], given);
    plan.run([[rate, 0.5]]);
    close((await plan.read("loss"))[0], wanted, `loss of step ${step}`);
    state = updated;
  }
  const found = await runtime.read(parameters);
  found.forEach((value, i) => close(value, state[i], parameters[i].label));
  plan.destroy();
  runtime.destroy();
});

Deno.test("all assigned values are computed from the old ones", async () => {
  const runtime = await testRuntime();
  const fresh = () => [values([2, 2], 1, 2, 3, 4), values([2, 2], 5, 6, 7, 8)];
  const results = async (
    make: (a: t.Variable, b: t.Variable) => [t.Variable, t.Tensor][],
    outputs: (a: t.Variable, b: t.Variable) => Record<string, t.Tensor> = () => ({}),
  ) => {
    const [a, b] = fresh();
    const named = outputs(a, b);
    const plan = await runtime.plan({ outputs: named, assign: make(a, b) });
    plan.run();
    const found = [...await runtime.read([a, b]), ...await plan.read(...Object.keys(named))];
    plan.destroy();
    runtime.destroy();
    return found.map(numbers);
  };
  const [a0, b0] = [[1, 2, 3, 4], [5, 6, 7, 8]];
  deepEqual(await results((a) => [[a, t.add(a, 1)]]), [[2, 3, 4, 5], b0]);
  // Both orders: the value that is read later, and the one read before.
  deepEqual(await results((a, b) => [[a, t.add(a, 1)], [b, t.mul(a, 2)]]), [
    [2, 3, 4, 5],
    [2, 4, 6, 8],
  ]);
  deepEqual(await results((a, b) => [[b, t.mul(a, 2)], [a, t.add(a, 1)]]), [
    [2, 3, 4, 5],
    [2, 4, 6, 8],
  ]);
  deepEqual(await results((a, b) => [[a, t.add(a, b)], [b, t.sub(a, b)]]), [
    [6, 8, 10, 12],
    [-4, -4, -4, -4],
  ]);
  // Its own value read through a broadcast, a permutation, a reduction, a reshape.
  deepEqual(await results((a) => [[a, t.sum(t.broadcastTo(a, [3, 2, 2]), [0])]]), [
    [3, 6, 9, 12],
    b0,
  ]);
  deepEqual(await results((a) => [[a, t.sub(a, t.sum(a, [0], { keepDims: true }))]]), [
    [-3, -4, -1, -2],
    b0,
  ]);
  deepEqual(await results((a) => [[a, t.transpose(a)]]), [[1, 3, 2, 4], b0]);
  deepEqual(await results((a) => [[a, t.add(a, t.transpose(a))]]), [[2, 5, 5, 8], b0]);
  deepEqual(await results((a) => [[a, t.reshape(t.add(t.reshape(a, [4]), 1), [2, 2])]]), [
    [2, 3, 4, 5],
    b0,
  ]);
  deepEqual(await results((a) => [[a, t.matmul(a, a)]]), [[7, 10, 15, 22], b0]);
  // Another variable, a constant, one value for two, its own value.
  deepEqual(await results((a, b) => [[a, b]]), [b0, b0]);
  deepEqual(await results((a) => [[a, t.broadcastTo(t.constant(9), [2, 2])]]), [[9, 9, 9, 9], b0]);
  deepEqual(
    await results((a, b) => {
      const sum = t.add(a, b);
      return [[a, sum], [b, sum]];
    }),
    [[6, 8, 10, 12], [6, 8, 10, 12]],
  );
  deepEqual(await results((a) => [[a, a]]), [a0, b0]);
  // Outputs computed from the old value, and one that is the variable itself.
  deepEqual(
    await results((a) => [[a, t.add(a, 1)]], (a) => ({ old: t.neg(a), itself: a })),
    [[2, 3, 4, 5], b0, [-1, -2, -3, -4], [2, 3, 4, 5]],
  );
  deepEqual(await results((a) => [[a, t.add(a, 1)]], (a) => ({ next: t.add(a, 1) })), [
    [2, 3, 4, 5],
    b0,
    [2, 3, 4, 5],
  ]);
});

Deno.test("a variable read under two shapes by its own update", async () => {
  const runtime = await testRuntime();
  const a = values([1, 4], 1, 2, 3, 4);
  const again = t.broadcastTo(t.reshape(a, [4]), [1, 4]);
  const plan = await runtime.plan({ assign: [[a, t.add(a, t.mul(again, 10))]] });
  plan.run();
  deepEqual((await runtime.read([a])).map(numbers), [[11, 22, 33, 44]]);
  plan.destroy();
  runtime.destroy();
});

Deno.test("a kernel that reads an assigned variable late sees its new value", async () => {
  const runtime = await testRuntime();
  const [x, w] = [random([1, 8, 8, 8]), random([3, 3, 8, 8])];
  // Convolutions read their weights as a texture on CPU adapters, a copy of the variable's buffer.
  const old = t.conv2d(x, w);
  const next = t.mul(w, 2);
  const outputs = { before: old, after: t.conv2d(x, next) };
  const plan = await runtime.plan({ outputs, assign: [[w, next]] });
  plan.run();
  const [before, after] = await plan.read("before", "after");
  close(after, before.map((value) => 2 * value));
  plan.destroy();
  runtime.destroy();
});

Deno.test("a velocity and the weights it moves are updated by one kernel, in place", async () => {
  const runtime = await testRuntime();
  const [w, velocity, gradient] = [values([4], 1, 2, 3, 4), random([4]), random([4])];
  const next = t.add(t.mul(velocity, 0.5), t.add(gradient, t.mul(w, 0.1)));
  const assign = [[velocity, next], [w, t.sub(w, t.mul(next, 2))]] as const;
  const { dispatches } = schedule([], assign, PLAIN);
  equal(dispatches.length, 1, dispatches.map(({ kernel }) => kernel.label).join());
  deepEqual(dispatches[0].buffers, [gradient, velocity, w]);
  const expected = interpret(assign.map(([, value]) => value));
  const plan = await runtime.plan({ assign });
  plan.run();
  (await runtime.read([velocity, w])).forEach((value, k) => close(value, expected[k]));
  plan.destroy();
  runtime.destroy();
});

Deno.test("weights assigned in a run stay old for a convolution that ends with a chain", async () => {
  const runtime = await testRuntime();
  const [x, w, bias] = [random([1, 6, 6, 8]), random([3, 3, 8, 8]), random([8])];
  const y = t.conv2d(x, w);
  const next = t.mul(w, 2);
  const late = t.relu(t.add(y, t.mul(bias, t.sum(next))));
  const [expected] = interpret([late]);
  const plan = await runtime.plan({ outputs: { late }, assign: [[w, next]] });
  plan.run();
  close((await plan.read("late"))[0], expected);
  plan.destroy();
  runtime.destroy();
});

Deno.test("a wanted value that is read twice keeps a kernel of its own", async () => {
  const runtime = await testRuntime();
  const x = random([4]);
  const y = t.exp(x);
  const outputs = { y, square: t.square(y), sine: t.sigmoid(t.add(y, y)) };
  const expected = interpret(Object.values(outputs));
  const plan = await runtime.plan({ outputs });
  plan.run();
  (await plan.read("y", "square", "sine")).forEach((value, k) => close(value, expected[k]));
  plan.destroy();
  runtime.destroy();
});

Deno.test("unsigned variables count up", async () => {
  const runtime = await testRuntime();
  const count = new t.Variable("count", [], Uint32Array.of(0));
  const plan = await runtime.plan({ assign: [[count, t.add(count, t.constant(1, "u32"))]] });
  for (let k = 0; k < 3; k++) plan.run();
  deepEqual(numbers((await runtime.read([count]))[0]), [3]);
  plan.destroy();
  runtime.destroy();
});

Deno.test("what can't be assigned is refused", () => {
  const [a, b] = [random([2]), random([2])];
  throws(
    () => schedule([], [[a, b], [b, a]], PLAIN),
    /is assigned another assigned variable's old value/,
  );
  throws(
    () => schedule([], [[a, random([3])]], PLAIN),
    /assignment to .*shapes differ.*\[2\] and \[3\]/,
  );
  throws(() => schedule([], [[a, t.neg(a)], [a, t.exp(a)]], PLAIN), /assigned twice/);
});

Deno.test("the same bits at every run, and in another plan", async () => {
  const runtime = await testRuntime();
  const x = random([2, 6, 6, 8]);
  const y = t.conv2d(x, random([3, 3, 8, 8]), { padding: 1 });
  const outputs = { y: t.sum(t.exp(y), [0, 1]), g: t.grad(t.sum(t.exp(y)), [x])[0] };
  const plan = await runtime.plan({ outputs });
  plan.run();
  const first = await plan.read("y", "g");
  for (let k = 0; k < 5; k++) plan.run();
  deepEqual(await plan.read("y", "g"), first);
  plan.destroy();
  const again = await runtime.plan({ outputs });
  again.run();
  deepEqual(await again.read("y", "g"), first);
  again.destroy();
  runtime.destroy();
});

Deno.test("values share memory once they are no longer needed, and stay intact", async () => {
  const runtime = await testRuntime();
  const x = random([64, 48]);
  let y: t.Tensor = x;
  let total: t.Tensor = t.constant(0);
  for (let k = 0; k < 20; k++) {
    y = t.permute(t.add(y, 0.01 * k), [1, 0]); // two values of 12 KiB at every step
    total = t.add(total, t.sum(y));
  }
  const plan = await runtime.plan({ outputs: { y, total } });
  const { bytes, withoutReuse } = plan.memory.values;
  ok(bytes <= 3 * x.size * 4 + 64 * 256, `${bytes} bytes`);
  ok(withoutReuse >= 20 * x.size * 4, `${withoutReuse} bytes without reuse`);
  plan.run();
  const found = await plan.read("y", "total");
  interpret([y, total]).forEach((wanted, k) => close(found[k], wanted));
  plan.destroy();
  runtime.destroy();
});

Deno.test("runs allocate nothing", async () => {
  const runtime = await testRuntime();
  const { device } = runtime.gpu;
  const [w, rate] = [random([8, 8]), new t.Input("rate", [])];
  const loss = t.sum(t.square(t.matmul(w, w)));
  const next = t.sub(w, t.mul(t.grad(loss, [w])[0], rate));
  const plan = await runtime.plan({ outputs: { loss }, assign: [[w, next]] });
  const createBuffer = device.createBuffer;
  let made = 0;
  device.createBuffer = (descriptor) => {
    made++;
    return createBuffer.call(device, descriptor);
  };
  try {
    for (let k = 0; k < 200; k++) plan.run([[rate, 1e-4]]);
    equal(made, 0);
    await plan.read("loss");
    equal(made, 1); // the readback's, freed at once
  } finally {
    device.createBuffer = createBuffer;
  }
  plan.destroy();
  runtime.destroy();
});

Deno.test("outputs of many runs are collected on the device", async () => {
  const runtime = await testRuntime();
  const x = new t.Input("x", [2]);
  const plan = await runtime.plan({ outputs: { y: t.square(x) } });
  const log = createBuffer(runtime.gpu, "log", 24);
  for (let k = 0; k < 3; k++) {
    plan.run([[x, Float32Array.of(k, k + 10)]], [{ output: "y", to: log, byteOffset: 8 * k }]);
  }
  const [found] = await readBuffers(runtime.gpu, [{ buffer: log, bytes: 24, dtype: "f32" }]);
  deepEqual(numbers(found), [0, 100, 1, 121, 4, 144]);
  log.destroy();
  plan.destroy();
});

Deno.test("variables are written, read together and start anew once released", async () => {
  const runtime = await testRuntime();
  const [a, n] = [values([2], 1, 2), new t.Variable("n", [3], Uint32Array.of(1, 2, 4294967295))];
  deepEqual(await runtime.read([n, a]), [n.initial, a.initial]);
  runtime.write(a, Float32Array.of(5, 6));
  deepEqual((await runtime.read([a])).map(numbers), [[5, 6]]);
  deepEqual((await runtime.evaluate([t.neg(a)])).map(numbers), [[-5, -6]]);
  throws(() => runtime.write(a, new Float32Array(3)), /takes 2 values, not 3/);
  runtime.release([a]);
  deepEqual((await runtime.read([a])).map(numbers), [[1, 2]]);
  runtime.destroy();
});

Deno.test("a buffer beyond the adapter's limit is refused with the limit", async () => {
  const runtime = await testRuntime();
  const limit = runtime.gpu.limits.maxStorageBufferBindingSize;
  const x = new t.Input("x", []);
  const large = t.permute(t.broadcastTo(x, [3, Math.floor(limit / 8)]), [1, 0]);
  await rejects(runtime.evaluate([large]), (error: UserError) => {
    ok(error instanceof UserError);
    equal(error.exitCode, ExitCode.gpu);
    ok(
      /^broadcastTo \[3, \d+\] needs a buffer of .* [MG]iB, and the GPU binds/.test(error.message),
      error.message,
    );
    return true;
  });
});

Deno.test("a broken kernel is named, and the device works on", async () => {
  const runtime = await testRuntime();
  const broken = (main: string): t.Tensor => {
    const kernel: Kernel = {
      label: "broken [3]",
      shader: `// begin operands\n// end operands\n${main}`,
      operands: [written("y", "f32")],
      workgroups: 1,
      flops: 0,
      bytes: 0,
    };
    const operation: t.Operation = {
      name: "broken",
      kind: "kernels",
      lower: (node) => [{ kernel, buffers: [node] }],
    };
    return new t.Tensor(operation, [], [3]);
  };
  const main = "@compute @workgroup_size(1) fn main() {";
  for (const text of [`${main} let x = ; }`, `${main} z[0] = 1.0; }`, `${main} }`]) {
    await rejects(runtime.evaluate([broken(text)]), (error: UserError) => {
      ok(error instanceof UserError, `${error}`);
      equal(error.exitCode, ExitCode.gpu);
      ok(error.message.includes("broken [3]"), error.message);
      return true;
    });
  }
  deepEqual((await runtime.evaluate([t.neg(values([2], 1, 2))])).map(numbers), [[-1, -2]]);
});
