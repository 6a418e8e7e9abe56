/** profile: which layer a kernel belongs to, the sums, and the command with its files. */

import { compareTimes } from "../engine/profile/against.ts";
import { rooflinePlot } from "../engine/report/roofline_plot.ts";
import assert from "node:assert/strict";
import { join } from "node:path";
import { readingRate } from "../cli/profile/data.ts";
import { profile } from "../cli/profile/profile.ts";
import { openStage } from "../cli/profile/stage.ts";
import { type ImageSource, limit, type Split } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import { leastTime } from "../engine/gpu/roofline.ts";
import { PLAIN } from "../engine/gpu/kernels/target.ts";
import { run } from "../engine/nn/module.ts";
import { waitedFor } from "../engine/profile/in_turn.ts";
import { entriesOf, layerRows, rowsBy, totalRow } from "../engine/profile/report.ts";
import { schedule } from "../engine/plan/schedule.ts";
import { traceOf } from "../engine/profile/trace.ts";
import * as t from "../engine/tensor/mod.ts";
import { inLayer } from "../engine/tensor/origin.ts";
import { constraintOf } from "./support/constraint.ts";
import { fail, succeed } from "./support/cli.ts";
import { assertFits } from "./support/fits.ts";
import { encodePng } from "../engine/io/image.ts";
import { inFolder } from "./support/io.ts";
import { freshRuntime, tinyNet, tinySet } from "./support/train.ts";

Deno.test("every dispatch knows its layer and how often it was differentiated", () => {
  const network = tinyNet(0, 0);
  const weights = [...network.namedParameters()].map(([, parameter]) => parameter);
  const x = new t.Input("x", [4, 8, 8, 2]);
  const { output } = run(network, x, { training: false });
  const loss = inLayer("(loss)", () => t.mean(t.square(t.exp(output))));
  const first = t.gradOrZeros(loss, weights);
  const second = t.gradOrZeros(inLayer("(norm)", () => t.sum(t.square(first[0]))), weights);
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
  const found = await profile(runtime, subject, { steps: 2 }, (done) => steps.push(done));
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

Deno.test("what the device waits for images is what it stands still while they are asked for", () => {
  const span = (begin: number, end = begin) => ({ begin, end });
  // Each step: when its images are asked for and there, when it begins and ends on the device.
  const steps = [
    { images: span(0, 5), marks: [span(5), span(20)] },
    // There while the device is busy with the step before.
    { images: span(6, 15), marks: [span(20), span(30)] },
    // Asked for before it is done, there 10 ms after; handing over takes 2 ms more.
    { images: span(16, 40), marks: [span(42), span(50)] },
    // Asked for 4 ms after it is done.
    { images: span(54, 60), marks: [span(61), span(70)] },
  ];
  const waited = waitedFor(steps.map(({ images }) => images), steps.flatMap(({ marks }) => marks));
  assert.deepEqual(waited, { ms: (0 + 10 + 6) / 3, share: 16 / 50 });
  assert.deepEqual(waitedFor([span(0, 5)], [span(5), span(20)]), { ms: 0, share: 0 });
});

/** The same images, which take so long to come. */
function slow({ images, labels }: Split & { images: Uint8Array<ArrayBuffer> }, ms: number) {
  const each = images.length / labels.length;
  const source: ImageSource = {
    async read(indices) {
      await new Promise((resolve) => setTimeout(resolve, ms));
      const rows = Array.from(indices, (i) => [...images.subarray(i * each, (i + 1) * each)]);
      return Uint8Array.from(rows.flat());
    },
    subset: () => source,
  };
  return source;
}

Deno.test("a step on images that come late: the device waits, and for those in memory it doesn't", async () => {
  const runtime = await freshRuntime();
  const constraint = constraintOf({});
  const ms = 150;
  const waits = [];
  for (const images of [tinySet.test.images, slow(tinySet.test, ms)]) {
    const set = { ...tinySet, test: { ...tinySet.test, images } };
    const subject = await openStage("eval", runtime, tinyNet(), set, constraint, 4);
    assert.equal(subject.batch, 4);
    const { data } = await profile(runtime, subject, { steps: 4 }, () => {});
    assert(data.waited.share >= 0 && data.waited.share <= 1);
    assert.equal(data.imagesPerSecond, undefined, "too few for a rate");
    waits.push(data.waited.ms);
  }
  assert(waits[0] < ms / 4 && waits[1] > ms / 4, waits.join());
  runtime.destroy();
});

Deno.test("the rate of reading is that of images that nobody has read", async () => {
  const asked: number[] = [];
  const images: ImageSource = {
    read: (indices) => (asked.push(...indices), Promise.resolve(new Uint8Array())),
    subset: () => images,
  };
  const split = { images, labels: new Uint16Array(300) };
  assert(await readingRate(split, 44) as number > 0);
  assert.deepEqual(asked, Array.from({ length: 256 }, (_, i) => 44 + i));
  assert.equal(await readingRate(split, 45), undefined);
  assert.equal(await readingRate({ ...split, images: new Uint8Array(300) }, 0), undefined);
});

Deno.test("the command on a folder of images", () =>
  inFolder(async (folder) => {
    for (const name of ["a", "b"]) {
      await Deno.mkdir(join(folder, name));
      for (let i = 0; i < 6; i++) {
        const data = new Uint8Array(16 * 16 * 3).fill(20 * i);
        const file = encodePng({ height: 16, width: 16, channels: 3, data });
        await Deno.writeFile(join(folder, name, `${i}.png`), file);
      }
    }
    const of = ["profile", "--data", "folder", "--data-dir", folder];
    const output = await succeed(
      ...[...of, "--stage", "eval", "--batch", "2", "--steps", "1", "--width", "0.125"],
    );
    assert.match(output, /^used +2 classes; 2 test images, 1 of a class$/m);
    assert.match(output, /; eval, 2 images of 16 x 16 x 3; /);
    assert.match(output, /^data +the device waited [\d.]+ ms of a step for images \([\d.]+ %\)$/m);
    await fail(ExitCode.usage, /--data-dir has no effect without --data/, "profile", of[3], of[4]);
    await fail(ExitCode.usage, /--classes has no effect with --data/, ...of, "--classes", "3");
  }));

Deno.test("compareTimes: what all steps agree on, told apart from noise", () => {
  const before = { a: [1, 1.1, 1.05], b: [2, 2.1, 2.05], c: [1, 3, 2], d: [5, 5, 5], e: [1] };
  const after = { a: [1.2, 1.3, 1.25], b: [1, 1.1, 1.05], c: [2, 1.5, 4], f: [0.1], e: [9] };
  const found = compareTimes(before, after);
  assert.deepEqual(
    Object.fromEntries(found.map(({ name, change }) => [name, change])),
    {
      a: "slower",
      b: "faster",
      c: "within the noise",
      d: "gone",
      f: "new",
      e: "within the noise",
    },
  );
  assert.deepEqual(found.map(({ name }) => name).slice(0, 2), ["e", "d"]);
  const a = found.find(({ name }) => name === "a")!;
  assert.ok(Math.abs(a.ratio! - 1.25 / 1.05) < 1e-12 && a.low! > 1.09 && a.high! === 1.3);
  assert.ok(compareTimes(before, before).every(({ change }) => change === "within the noise"));
});

Deno.test("rooflinePlot: dots lie at or below the roof that they have, larger with their share", () => {
  const roofline = { gflops: 100, gbPerSecond: 10 };
  const dot = (name: string, flops: number, bytes: number, ms: number, share: number) => ({
    ...{ name, flops, bytes, ms, share },
    calls: 1,
  });
  const picture = rooflinePlot("roof", roofline, [
    dot("bound <by> memory", 1e6, 1e6, 0.2, 0.25),
    dot("bound by arithmetic", 1e9, 1e6, 20, 0.75),
    dot("copy", 0, 1e6, 1, 0.1),
  ]);
  const circles = [...picture.matchAll(/cx="([\d.]+)" cy="([\d.]+)" r="([\d.]+)"/g)]
    .map(([, ...values]) => values.map(Number));
  assert.equal(circles.length, 2);
  const [large, small] = circles;
  assert.ok(large[2] > small[2] && large[0] > small[0] && large[1] < small[1]);
  assert.match(picture, /bound &lt;by&gt; memory: 5\.00 GFLOP\/s/);
});

Deno.test("rooflinePlot: labels stay in the plot, and none lies on another", () => {
  const dots = Array.from({ length: 12 }, (_, i) => ({
    ...{ name: `kernel ${i}`, label: `${i} a kernel's name`, calls: 1, share: 0.03 },
    ...{ flops: 1e9, bytes: i < 6 ? 1e9 : 5e6, ms: 20 + i / 50 },
  }));
  const picture = rooflinePlot("roof", { gflops: 100, gbPerSecond: 10 }, dots);
  const labels = [...picture.matchAll(
    /<text x="([\d.]+)" y="([\d.]+)"( text-anchor="end")? font-size="11">(\d+ a[^<]*)<\/text>/g,
  )].map(([, x, y, end, label]) => {
    const [at, width] = [Number(x), 6 * label.length];
    return { left: end ? at - width : at, right: end ? at : at + width, y: Number(y) };
  });
  assert.equal(labels.length, dots.length);
  for (const [i, a] of labels.entries()) {
    assert.ok(a.left > 0 && a.right < 720 && a.y > 0 && a.y < 440);
    for (const b of labels.slice(0, i)) {
      assert.ok(a.right < b.left || b.right < a.left || Math.abs(a.y - b.y) >= 12);
    }
  }
});

/** Kernels that have a place under the roof. */
const plotted = (kernels: readonly { flops: number; bytes: number; ms: number }[]) =>
  kernels.filter(({ flops, bytes, ms }) => flops > 0 && bytes > 0 && ms > 0).length;

Deno.test("the command and its files", () =>
  inFolder(async (folder) => {
    const [json, trace, wgsl, roof, report] = ["p.json", "t.json", "wgsl", "roof.svg", "p.html"]
      .map((name) => join(folder, name));
    await Deno.mkdir(wgsl);
    for (const name of ["001-of-an-earlier-dump.wgsl", "notes.txt"]) {
      await Deno.writeTextFile(join(wgsl, name), "");
    }
    const output = await succeed(
      ...["profile", "--batch", "2", "--size", "16", "--channels", "1", "--steps", "1"],
      ...["--stage", "eval", "--top", "3", "--json", json, "--trace", trace, "--dump-wgsl", wgsl],
      ...["--roofline", roof, "--report", report],
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
    assert.match(await Deno.readTextFile(roof), /^<svg[^]*conv 3x3/);
    const shown = await Deno.readTextFile(report);
    assert.match(shown, /^<!DOCTYPE html>[^]*<svg[^]*<h2 id="layers-title">Layers<\/h2>/);
    assert.equal(shown.split("<circle").length - 1, plotted(numbers.kernels));
    const again = await succeed(
      ...["profile", "--batch", "1", "--size", "16", "--channels", "1", "--steps", "1"],
      ...["--stage", "eval", "--top", "3", "--against", json],
    );
    assertFits(output);
    assertFits(again);
    assert.match(again.replaceAll("\n", " "), /against .*: of \d+ kernels 0 slower, 0 faster/);
    assert.match(again, /with other settings: batch 2, now 1$/m);
    assert.match(again, /^ *[\d.]+ +[\d.]+ +[\d.]+ x +.* within the noise +features\.8$/m);
    const files = Array.from(Deno.readDirSync(wgsl), ({ name }) => name);
    assert.equal(files.length, 1 + numbers.pipelines.count);
    assert.ok(!files.includes("001-of-an-earlier-dump.wgsl") && files.includes("notes.txt"));
    for (const file of files.filter((name) => name !== "notes.txt")) {
      const text = await Deno.readTextFile(join(wgsl, file));
      const head = text.slice(0, text.indexOf("\n\n")).split("\n");
      assert.ok(head.every((line) => line.length <= 100));
      assert.match(text, /^\/\/ \S.*\n\/\/ shaders\/\w+\/\w+\.wgsl[^]*\n\n[^]*@compute/);
      assert.match(text, /^\/\/ \d+ workgroups, /m);
      assert.match(text, /^fn main.* \/\/ shaders\/\w+\/\w+\.wgsl:\d+$/m);
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
