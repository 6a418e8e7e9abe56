/** profile: which layer a kernel belongs to, the sums, and the command with its files. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { profile } from "../cli/profile/profile.ts";
import { openStage } from "../cli/profile/stage.ts";
import { limit } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import { leastTime } from "../engine/gpu/roofline.ts";
import { PLAIN } from "../engine/gpu/kernels/target.ts";
import { run } from "../engine/nn/module.ts";
import { entriesOf, layerRows, rowsBy, totalRow } from "../engine/profile/report.ts";
import { schedule } from "../engine/plan/schedule.ts";
import { traceOf } from "../engine/profile/trace.ts";
import * as t from "../engine/tensor/mod.ts";
import { inLayer } from "../engine/tensor/origin.ts";
import { constraintOf } from "./support/constraint.ts";
import { fail, succeed } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { freshRuntime, tinyNet, tinySet } from "./support/train.ts";

Deno.test("every dispatch knows its layer and how often it was differentiated", () => {
  const network = tinyNet(0, 0);
  const weights = [...network.namedParameters()].map(([, parameter]) => parameter);
  const x = new t.Input("x", [4, 8, 8, 2]);
  const { output } = run(network, x, { training: false });
  const loss = inLayer("(loss)", () => t.mean(t.square(t.exp(output))));
  const first = t.grad(loss, weights);
  const second = t.grad(inLayer("(norm)", () => t.sum(t.square(first[0]))), weights);
  const { dispatches } = schedule([loss, ...first, ...second], [], PLAIN);
  const found = new Set(
    dispatches.map(({ node: { operation, origin } }) =>
      `${operation.name} ${origin.layer} ${origin.order}`
    ),
  );
  for (
    const expected of [
      "conv2d features.0 0",
      "conv2dWeightGrad features.0 1",
      "conv2d features.4 0",
      "conv2dInputGrad features.4 1",
      "conv2d features.4 2",
      "matmul fc 0",
      "matmul fc 1",
      "matmul fc 2",
      "maxPoolIndices features.3 0",
      "sum (loss) 0",
    ]
  ) assert.ok(found.has(expected), `${expected} is not among\n${[...found].join("\n")}`);
  assert.ok(dispatches.every(({ node }) => node.origin.layer !== ""));
});

Deno.test("sums by operation, kernel and layer against the roofline", () => {
  const roofline = { gflops: 100, gbPerSecond: 10 };
  const entry = (layer: string, order: number, flops: number, bytes: number, ms: number) => ({
    ...{ calls: 1, kernel: `k${flops}`, operation: "op", layer, order, flops, bytes, ms },
  });
  const entries = [
    entry("b.0", 0, 2e8, 1e6, 4), // 2 ms of arithmetic, 0.1 ms of memory
    entry("a", 1, 1e6, 3e7, 6), // 0.01 ms, 3 ms
    entry("b.1", 2, 1e6, 1e7, 10), // 0.01 ms, 1 ms
    entry("", 0, 0, 0, 5),
  ];
  assert.deepEqual(leastTime(roofline, entries[0]), { ms: 2, bound: "compute" });
  assert.deepEqual(leastTime(roofline, entries[1]), { ms: 3, bound: "memory" });
  const total = totalRow(entries, roofline);
  assert.deepEqual([total.calls, total.ms, total.share, total.bound], [4, 25, 1, "memory"]);
  assert.equal(total.roofline, 6 / 25);
  assert.ok(Math.abs(total.gflops - 2.02e8 / 25e-3 / 1e9) < 1e-9);
  assert.ok(Math.abs(total.gbPerSecond - 4.1e7 / 25e-3 / 1e9) < 1e-9);

  const byKernel = rowsBy(entries, roofline, ({ kernel }) => kernel);
  assert.deepEqual(byKernel.map(({ name, ms }) => [name, ms]), [
    ...[["k1000000", 16], ["k0", 5], ["k200000000", 4]],
  ]);
  const short = rowsBy(entries, roofline, ({ kernel }) => kernel, 1);
  assert.deepEqual(short.map(({ name, ms, calls }) => [name, ms, calls]), [
    ...[["k1000000", 16, 2], ["(2 others)", 9, 2]],
  ]);
  const layers = layerRows(entries, roofline, ["", "a", "b", "b.0", "b.1"]);
  assert.deepEqual(layers.map(({ name, byOrder }) => [name, ...byOrder]), [
    ...[["a", 0, 6, 0], ["b.0", 4, 0, 0], ["b.1", 0, 0, 10], ["(other)", 5, 0, 0]],
  ]);
  const coarse = layerRows(entries, roofline, ["", "a", "b", "b.0", "b.1"], 1);
  assert.deepEqual(coarse.map(({ name, byOrder }) => [name, ...byOrder]), [
    ...[["a", 0, 6, 0], ["b", 4, 0, 10], ["(other)", 5, 0, 0]],
  ]);
});

Deno.test("a step with the constraint, measured", async () => {
  const runtime = await freshRuntime();
  const batch = 15;
  const set = { ...tinySet, train: limit(tinySet.train, batch, 0) };
  const constraint = constraintOf({ layers: ["features"], beta: 1 });
  const subject = await openStage("treat", runtime, tinyNet(), set, constraint);
  const { dispatches } = subject.plan;
  const steps: number[] = [];
  const found = await profile(runtime, subject, { steps: 2, batch }, (done) => steps.push(done));
  assert.deepEqual(steps, [1, 3, 4, 5, 6, 7, 8]);

  const { total, operations, kernels, layers, roofline, host, step, memory, counts } = found;
  assert.ok(roofline.gflops > 1 && roofline.gbPerSecond > 0.5, JSON.stringify(roofline));
  assert.equal(counts.dispatches, dispatches.length);
  assert.equal(total.calls, counts.dispatches + counts.copies);
  for (const rows of [operations, kernels, layers]) {
    const [ms, share] = (["ms", "share"] as const)
      .map((key) => rows.reduce((sum, row) => sum + row[key], 0));
    assert.ok(Math.abs(ms - total.ms) < 1e-9 && Math.abs(share - 1) < 1e-9);
  }
  // 8 x 8 pixels, 3 x 3 taps, 2 channels to 4; no padding is left out of the count.
  const first = kernels.find(({ name }) => name.includes("forward 15x8x8x2 -> 15x8x8x4"));
  assert.equal(first?.flops, 2 * 15 * 64 * 9 * 2 * 4);
  const orders = (layer: string) =>
    layers.find(({ name }) => name === layer)?.byOrder.map((ms) => ms > 0);
  assert.deepEqual(orders("fc"), [true, true, true], "behind the layer that is constrained");
  assert.deepEqual(orders("features.0"), [true, true, false], "before it");
  assert.ok(layers.every(({ name }) => name !== "(other)"));
  for (const ms of [...Object.values(host), step.ms, step.firstMs]) assert.ok(ms > 0);
  assert.ok(memory.values.bytes < memory.values.withoutReuse);

  // The device's clock, told in the host's: a step runs after it is handed over, in order.
  for (const { host, dispatches } of found.steps) {
    let last = host.encode.end - 1;
    for (const { copies, kernel } of dispatches) {
      for (const { begin, end } of copies ? [copies, kernel] : [kernel]) {
        assert.ok(begin >= last && end >= begin, `${begin} .. ${end} after ${last}`);
        last = end;
      }
    }
  }
  assert.deepEqual(entriesOf(dispatches, found.steps), found.dispatches);
  const { traceEvents } = traceOf(dispatches, found.steps);
  const kernelEvents = traceEvents.filter(({ pid, tid, ph }) =>
    pid === 2 && tid === 2 && ph === "X"
  );
  assert.equal(kernelEvents.length, 2 * (counts.dispatches + counts.interruptions));
  runtime.destroy();
});

Deno.test("the command and its files", () =>
  inFolder(async (folder) => {
    const [json, trace, wgsl] = ["p.json", "t.json", "wgsl"].map((name) => join(folder, name));
    const output = await succeed(
      ...["profile", "--batch", "2", "--size", "16", "--channels", "1", "--steps", "1"],
      ...["--stage", "eval", "--top", "3", "--json", json, "--trace", trace, "--dump-wgsl", wgsl],
    );
    for (
      const line of [
        /^small, [\d,]+ parameters; eval, 2 images of 16 x 16 x 1; .+$/m,
        /^step +[\d.]+ ms, [\d.]+ images\/s$/m,
        /^roofline +[\d.]+ GFLOP\/s \(multiply-adds\), [\d.]+ GB\/s/m,
        /^host +.* us a dispatch/m,
        /^memory +.* MiB \(without reuse .* MiB\)$/m,
        /^conv2d +3 /m,
        / \(\d+ others\)$/m,
        /^features\.8 .* compute|memory$/m,
      ]
    ) assert.match(output, line);

    const numbers = JSON.parse(await Deno.readTextFile(json));
    assert.equal(numbers.stage, "eval");
    assert.equal(numbers.dispatches.length >= numbers.counts.dispatches, true);
    const files = Array.from(Deno.readDirSync(wgsl), ({ name }) => name);
    assert.equal(files.length, numbers.pipelines.count);
    for (const file of files) {
      const text = await Deno.readTextFile(join(wgsl, file));
      assert.match(text, /^\/\/ \S.*\n\n[^]*@compute/);
      assert.doesNotMatch(text, /@unroll|@registers/);
    }
    interface Event {
      ph: string;
      pid: number;
      tid: number;
      ts: number;
      dur: number;
    }
    const { traceEvents } = JSON.parse(await Deno.readTextFile(trace)) as { traceEvents: Event[] };
    const spans = traceEvents.filter(({ ph }) => ph === "X");
    assert.ok(spans.every(({ ts, dur }) => Number.isFinite(ts) && dur >= 0));
    assert.deepEqual([...new Set(spans.map(({ pid }) => pid))].sort(), [1, 2]);

    await fail(ExitCode.usage, /--stage/, "profile", "--stage", "test");
    await fail(
      ExitCode.usage,
      /no layer nowhere/,
      "profile",
      "--stage",
      "treat",
      "--layer",
      "nowhere",
    );
  }));
