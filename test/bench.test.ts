/** The harness of the benchmarks: averages, turns, traced shapes, checks before timing. */

import assert from "node:assert/strict";
import { compareWith, requirePairs } from "../cli/bench/compare.ts";
import { type FaceResult, FACES } from "../cli/bench/faces.ts";
import { benchPeers } from "../cli/bench/peers.ts";
import type { Engine } from "../cli/bench/peers/engine.ts";
import { ours } from "../cli/bench/peers/ours.ts";
import { channelsFirstShape, fromChannelsFirst, toChannelsFirst } from "../cli/bench/peers/work.ts";
import {
  meanRatio,
  ratioApart,
  ratioInTurns,
  type Result,
  verdictOf,
  type WorkSpec,
} from "../cli/bench/result.ts";
import { tracedShapes } from "../cli/bench/shapes.ts";
import { type Contender, inTurns, repeatsFor } from "../cli/bench/turns.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import { geometricMean, median, relativeError } from "../engine/averages.ts";
import { comparisonTable, facesTable, resultsTable, summariesTable } from "../cli/bench/tables.ts";
import { testRuntime } from "./support/check.ts";
import { assertFits } from "./support/fits.ts";

const { signal } = new AbortController();

Deno.test("bench: medians, geometric means and relative errors", () => {
  assert.equal(median([5, 1, 3]), 3);
  assert.equal(median([4, 1, 3, 100]), 3.5);
  assert.ok(Math.abs(geometricMean([2, 0.5, 8]) - 2) < 1e-12);
  assert.throws(() => median([]), RangeError);
  assert.throws(() => geometricMean([]), RangeError);
  assert.equal(relativeError([3, 5], [3, 4]), 0.2);
  assert.ok(Number.isNaN(relativeError([1], [1, 2])));
  assert.ok(Number.isNaN(relativeError([NaN], [1])));
});

Deno.test("bench: contenders take turns, each with the repeats that fill its window", async () => {
  const log: string[] = [];
  // A clock of the test's own: another's work on this machine must not count.
  let clock = 0;
  using _ = replaced(performance, "now", () => clock);
  const contender = (name: string, milliseconds: number): Contender => ({
    enqueue() {
      log.push(name);
      clock += milliseconds;
    },
    wait() {
      log.push("|");
      return Promise.resolve();
    },
  });
  const contenders = [contender("a", 1), contender("b", 4)];
  const seconds = await inTurns(contenders, { rounds: 3, window: 8, signal });
  const turns = log.join("").split("|").filter(Boolean).slice(-6);
  assert.deepEqual(turns.map((turn) => turn[0]), ["a", "b", "a", "b", "a", "b"]);
  assert.deepEqual(turns.map(({ length }) => length), [8, 2, 8, 2, 8, 2]);
  assert.deepEqual(seconds, [[0.001, 0.001, 0.001], [0.004, 0.004, 0.004]]);
});

/** Puts `value` in the place of a member until the end of the scope. */
function replaced<T, K extends keyof T>(owner: T, key: K, value: T[K]): Disposable {
  const own = owner[key];
  owner[key] = value;
  return { [Symbol.dispose]: () => void (owner[key] = own) };
}

Deno.test("bench: repeats are found by doubling, and never without end", async () => {
  const asked: number[] = [];
  const linear = (repeats: number) => {
    asked.push(repeats);
    return Promise.resolve(repeats / 1000);
  };
  assert.equal(await repeatsFor(10, linear), 10);
  assert.deepEqual(asked, [1, 2, 4, 8]);
  assert.equal(await repeatsFor(0.1, linear), 1);
  assert.equal(await repeatsFor(10, () => Promise.resolve(0)), 4096);
});

Deno.test("bench: the convolutions come from the classifiers, each shape once", async () => {
  const shapes = await tracedShapes(["resnet18", "resnet34"], 2);
  const labels = shapes.map(({ shape: s, class: kind }) =>
    `${kind}: ${s.inChannels} ${s.inHeight} ${s.kernelHeight}/${s.stride[0]} ${s.outChannels}`
  );
  assert.deepEqual(labels, [
    "first layer: 3 32 3/1 64",
    "3x3: 64 32 3/1 64",
    "strided: 64 32 3/2 128",
    "3x3: 128 16 3/1 128",
    "strided: 64 32 1/2 128",
    "strided: 128 16 3/2 256",
    "3x3: 256 8 3/1 256",
    "strided: 128 16 1/2 256",
    "strided: 256 8 3/2 512",
    "3x3: 512 4 3/1 512",
    "strided: 256 8 1/2 512",
  ]);
  for (const { shape, models } of shapes) {
    assert.equal(shape.batch, 2);
    assert.deepEqual(models, ["resnet18", "resnet34"]);
  }
  const kinds = (await tracedShapes(["mobilenetv2"], 1)).map((traced) => traced.class);
  assert.ok(kinds.includes("depthwise") && kinds.includes("1x1"));
  await assert.rejects(tracedShapes(["resnet35"], 1), UserError);
});

Deno.test("bench: operands go to channels first and come back", () => {
  const image = { shape: [1, 2, 2, 3], role: "image" } as const;
  const data = Float32Array.from({ length: 12 }, (_, i) => i);
  assert.deepEqual(channelsFirstShape(image), [1, 3, 2, 2]);
  const turned = toChannelsFirst({ ...image, data });
  assert.deepEqual([...turned], [0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11]);
  assert.deepEqual(fromChannelsFirst(image, turned), data);
  const filter = { shape: [1, 2, 3, 2], role: "filter" } as const;
  assert.deepEqual(channelsFirstShape(filter), [2, 3, 1, 2]);
  const filters = toChannelsFirst({ ...filter, data });
  assert.deepEqual([...filters.slice(0, 6)], [0, 6, 2, 8, 4, 10]);
  assert.deepEqual(fromChannelsFirst(filter, filters), data);
});

Deno.test("bench: peers are checked, then timed, and the better one counts", async () => {
  const runtime = await testRuntime();
  const twin = (name: string, change: (value: number) => number = (value) => value): Engine => ({
    name,
    prepare: async (work) => {
      const prepared = await ours(runtime).prepare(work);
      return {
        ...prepared,
        results: async () =>
          Object.fromEntries(
            Object.entries(await prepared.results())
              .map(([key, values]) => [key, values.map(change)]),
          ),
      };
    },
  });
  const options = { batch: 1, stepBatch: 2, rounds: 1, window: 1, signal };
  const peers = [twin("jax-js"), twin("tfjs")];
  const { results, summaries } = await benchPeers(runtime, peers, options);
  assert.equal(results.length, 8 * 3);
  for (const { engine, error } of results) {
    assert.equal(error, engine === "this engine" ? undefined : 0);
  }
  const forward = results.filter(({ group }) => group === "convolution forward");
  const leads = [0, 3, 6].map((i) =>
    Math.min(forward[i + 1].seconds, forward[i + 2].seconds) / forward[i].seconds
  );
  assert.equal(summaries[0].ratio, geometricMean(leads));
  assert.deepEqual(summaries.map(({ what }) => what), [
    "convolution forward: the better peer over this engine",
    "forward + both gradients: jax-js over this engine",
    "forward + both gradients: tfjs over this engine",
    "training step: the better peer over this engine",
  ]);

  const wrong = [twin("wrong", (value) => 1.01 * value)];
  await assert.rejects(benchPeers(runtime, wrong, options), (error: UserError) => {
    assert.match(error.message, /^wrong is off by 1\.0e-2 in y of 512\^3/);
    return error.exitCode === ExitCode.failure;
  });
});

Deno.test("bench: results of a file are set beside those of the same work", () => {
  const step = (batch: number, treat: boolean): WorkSpec => ({
    ...{ kind: "step", model: "resnet34", batch, classes: 10, treat },
  });
  const result = (engine: string, work: WorkSpec, seconds: number): Result => ({
    ...{ group: "treat step", name: "resnet34", work, engine, seconds, rounds: [seconds] },
  });
  const own = { results: [result("this engine", step(128, true), 2)] };
  // Another program may write the keys in another order.
  const reversed = Object.fromEntries(Object.entries(step(128, true)).reverse()) as WorkSpec;
  const strict = "PyTorch 2.9 cuda, float32 strict";
  const other = {
    results: [
      result(strict, reversed, 5),
      result("PyTorch 2.9 cuda, its defaults", reversed, 3),
      result(strict, step(64, true), 1),
      result(strict, step(128, false), 1),
    ],
  };
  const { means } = compareWith(own, other);
  assert.deepEqual(means.map(({ works, ratio }) => [works, ratio]), [[1, 2.5], [1, 1.5]]);
  const nothing = compareWith(own, { results: other.results.slice(2) });
  assert.deepEqual(nothing.pairs, []);
  assert.throws(() => requirePairs(nothing, "other.json"), /nothing .* is in other\.json/);
});

Deno.test("bench: a ratio is told with its rounds, and within them it is noise", () => {
  const timed = (...rounds: number[]) => ({ seconds: rounds[1], rounds });
  const [first, second] = [timed(1, 2, 4), timed(1.5, 2.5, 6)];
  // What slowed a round down slowed both: in turns the second is slower, apart nobody knows.
  const inTurns = ratioInTurns(first, second);
  assert.deepEqual(inTurns, { ratio: 1.25, low: 1.25, high: 1.5, rounds: 3 });
  assert.equal(verdictOf(inTurns), "takes longer");
  assert.equal(verdictOf(ratioInTurns(second, first)), "is faster");
  const apart = ratioApart(first, second);
  assert.deepEqual(apart, { ratio: 1.25, low: 1.5 / 4, high: 6, rounds: 3 });
  assert.equal(verdictOf(apart), "within the noise");
  assert.equal(verdictOf(ratioInTurns(first, first)), "within the noise");
  assert.equal(verdictOf(ratioApart(timed(1, 1), timed(9, 9))), "too few rounds to tell");
  const mean = meanRatio([inTurns, { ratio: 5, low: 5, high: 6, rounds: 7 }]);
  const ends = [mean.ratio, mean.low, mean.high].map((value) => value.toFixed(9));
  assert.deepEqual([...ends, mean.rounds], ["2.500000000", "2.500000000", "3.000000000", 3]);
});

Deno.test("bench: tables fit, also with large numbers and long names", () => {
  const engine = "PyTorch 2.11.0+cu130 on NVIDIA H200 141GB HBM3e, float32, channels last";
  const timed = { seconds: 12.3456, rounds: [12.1, 12.3456, 99.9], error: 1e-7, flops: 9.99e15 };
  const face = {
    ...timed,
    ...{ group: "convolution: weight gradient", engine: "this engine", class: "depthwise" },
    name: "conv 11x11/4 weight gradient 1024x1024x1024x4096 -> 1024x1024x1024x4096",
    ...{ work: { kind: "face" }, models: ["small"], face: "weight gradient" },
    ...{ gflops: 99999.9, gbPerSecond: 99999.9 },
    ...{ ofAchievable: 9.999, ofPeak: 9.999, gains: [99.99, 99.99, 99.99] },
  } as unknown as FaceResult;
  const step: Result = {
    ...timed,
    ...{ group: "training step of a network", engine },
    name: "convnext_large_with_a_long_name, batch 4096, of 1000 classes and 224 x 224 pixels",
    work: { kind: "product", size: 1 },
  };
  const ratio = { ratio: 999.99, low: 999.99, high: 999.99, rounds: 1 };
  const pairs = [{ own: face, other: { ...face, engine }, ...ratio }];
  const means = [{ group: face.group, engine, works: 1000, ...ratio }];
  const what = `${step.name}: treat step over plain training step`;
  for (
    const text of [
      facesTable(FACES.map((of) => ({ ...face, face: of })), {
        gflops: 99999.9,
        gbPerSecond: 9999.9,
      }),
      resultsTable([step, { ...step, engine: "this engine" }]),
      comparisonTable({ pairs, means }, "theirs.json"),
      summariesTable([{ what, ...ratio }]),
    ]
  ) {
    assertFits(text!);
    // None is cut in two: it has one rule for each header.
    assert.doesNotMatch(text!, /\n\nms \(of rounds\) +\S+\n/);
  }
});
