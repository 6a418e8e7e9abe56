/** What a training does with other parts: orders, a trainable share, averaged weights, selection. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { Conv2d } from "../engine/nn/layers.ts";
import { run } from "../engine/nn/module.ts";
import { inside, outside, type StateDict, stateDict } from "../engine/nn/state.ts";
import { checkpointFile } from "../engine/run/checkpoint_file.ts";
import { crossEntropy, Input, mean, mul, type Tensor, Variable } from "../engine/tensor/mod.ts";
import { classification } from "../engine/train/loss.ts";
import type { TrainOptions } from "../engine/train/options.ts";
import { balanced, shuffled, upweighted } from "../engine/train/order.ts";
import { accuracy } from "../engine/train/predictions.ts";
import { isBetter, validate } from "../engine/train/select.ts";
import { TrainingStep } from "../engine/train/step.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { relativeError } from "./support/check.ts";
import { inFolder } from "./support/io.ts";
import {
  abortAtLook,
  CHANNELS,
  moments,
  pixels,
  plainSet,
  sameState,
  sharedRuntime,
  SIZE,
  tinyNet,
  tinyOptions,
  tinySet,
  tinyTraining,
  withoutTime,
} from "./support/train.ts";

const without = (folder: string): TrainOptions => ({
  ...tinyOptions(folder),
  checkpoint: undefined,
});
const numbers = (state: StateDict) =>
  new Map([...state].map(([name, { data }]) => [name, Float64Array.from(data, Number)]));
const PASS = { training: true, updates: [] };
const counts = (indices: Uint32Array, n: number) =>
  Array.from({ length: n }, (_, i) => indices.filter((index) => index === i).length);

Deno.test("orders: functions of seed and epoch, as long as the split, each with its frequencies", () => {
  const n = 4000;
  const group = Array.from({ length: n }, (_, i) => i < 3600 ? 5 : i < 3990 ? 0 : 9);
  const times = Array.from({ length: n }, (_, i) => i < 100 ? 20 : 1);
  for (const order of [shuffled, balanced(group), upweighted(times)]) {
    const first = order(n, 3, 0);
    assert.equal(first.length, n);
    assert.ok(first.every((i) => i < n));
    assert.deepEqual(order(n, 3, 0), first);
    assert.notDeepEqual(order(n, 3, 1), first);
    assert.notDeepEqual(order(n, 4, 0), first);
  }
  assert.deepEqual([...shuffled(n, 0, 0)].sort((a, b) => a - b), [...Array(n).keys()]);
  const drawn = balanced(group)(n, 0, 0);
  for (const g of [5, 0, 9]) {
    // A third of them, within four standard deviations.
    const share = drawn.filter((i) => group[i] === g).length / n;
    assert.ok(Math.abs(share - 1 / 3) < 4 * Math.sqrt(2 / 9 / n), `group ${g}: ${share}`);
  }
  const rare = counts(drawn, n).slice(3990);
  assert.ok(rare.every((count) => count > 60 && count < 220), `each of the rare: ${rare}`);
  const upweights = upweighted(times)(n, 0, 0);
  // 2000 of 5900 places.
  const heavy = upweights.filter((i) => i < 100).length;
  assert.ok(Math.abs(heavy / n - 2000 / 5900) < 0.03, `${heavy}`);
  assert.ok(Math.max(...counts(upweights, n).slice(100)) === 1);
});

Deno.test("an order decides what is trained on", () =>
  inFolder(async (folder) => {
    const options = without(folder);
    const plain = await tinyTraining(options);
    sameState(plain.state, (await tinyTraining({ ...options, order: shuffled })).state);
    // Batches of one image over and over: the network knows nothing else after it.
    const one = await tinyTraining({ ...options, order: (n) => new Uint32Array(n).fill(1) });
    assert.equal(one.history.at(-1)!.train.accuracy, 1);
    assert.ok(one.history.at(-1)!.train.loss < 0.05);
    assert.ok(one.history.at(-1)!.validation.accuracy < 0.6);
  }));

Deno.test("what is not trainable stays; in evaluation mode running averages stay and are used", async () => {
  const names = new Set(["fc.weight", "fc.bias"]);
  const initial = new Map(
    [...tinyNet(7).namedState()].map(([name, p]) => [name, outside(p, p.initial)]),
  );
  for (const evaluation of [false, true]) {
    const options = { ...without(""), epochs: 1, trainable: { names, evaluation } };
    const { state } = await tinyTraining(options, tinyNet(7));
    for (const [name, { data }] of state) {
      const moved = data.some((value, i) => value !== initial.get(name)!.data[i]);
      const isStatistic = /running|tracked/.test(name);
      assert.equal(moved, isStatistic ? !evaluation : names.has(name), name);
    }
  }
  // The loss in evaluation mode is that of the network as it is tested.
  const runtime = await sharedRuntime();
  const network = tinyNet(7);
  const step = await TrainingStep.make(runtime, network, plainSet, plainSet.train, {
    ...{ batch: 4, seed: 0, momentum: 0, weightDecay: 0 },
    trainable: { names, evaluation: true },
  });
  const indices = Uint32Array.of(0, 1, 2, 3);
  await step.run(indices, 0, 0);
  const { loss } = await step.readMetrics();
  const images = new Input("images", [4, SIZE, SIZE, CHANNELS]);
  const { output } = run(network, images, { training: false });
  const labels = new Variable("labels", [4], Uint32Array.from(tinySet.train.labels.slice(0, 4)));
  const [[wanted]] = interpret(
    [crossEntropy(output, labels)],
    new Map([[images, pixels(indices)]]),
  );
  assert.ok(Math.abs(loss - wanted) < 1e-5, `${loss}, not ${wanted}`);
  runtime.destroy();
});

Deno.test("an objective stands in the place of the cross entropy; it may remember", () =>
  inFolder(async (folder) => {
    const plain = await tinyTraining({ ...without(folder), epochs: 1 });
    const half = await tinyTraining({
      ...{ ...without(folder), epochs: 1, lr: 0.1, weightDecay: 5e-4 / 2 },
      objective: (graph, state) => mul(classification(graph, state), 0.5),
    });
    // Twice the rate on half the loss, decay halved: the same path but for roundings.
    for (const [name, { data }] of plain.state) {
      const error = relativeError(
        Array.from(half.state.get(name)!.data, Number),
        Array.from(data, Number),
      );
      assert.ok(error < 1e-4, `${name} is off by ${error}`);
    }
    assert.ok(Math.abs(half.history[0].train.loss - plain.history[0].train.loss / 2) < 1e-4);
    // What it remembers goes through a checkpoint: here a factor that grows from step to step.
    const growing = {
      ...tinyOptions(folder),
      objective: ((graph, state) => {
        const factor = state.keep("factor", []);
        state.update(factor, mean(mul(classification(graph, state), 0.5)));
        return mul(classification(graph, state), factor);
      }) satisfies TrainOptions["objective"],
    };
    const whole = await tinyTraining({
      ...growing,
      checkpoint: checkpointFile(join(folder, "whole")),
    });
    await assert.rejects(tinyTraining({ ...growing, signal: abortAtLook(2) }));
    sameState(whole.state, (await tinyTraining(growing)).state);
  }));

Deno.test("averaged weights are the mean of those passed through, with statistics of their own", async () => {
  const options: TrainOptions = { ...without(""), set: plainSet, epochs: 2 };
  // The same steps by hand: 3 in each epoch. The mean begins after half of them, every second counts.
  const runtime = await sharedRuntime();
  const network = tinyNet(7, 0);
  const step = await TrainingStep.make(runtime, network, plainSet, plainSet.train, options);
  const batchOf = (epoch: number, s: number) =>
    shuffled(60, options.seed, epoch).slice(16 * s, 16 * (s + 1));
  const taken: Map<string, Float64Array>[] = [];
  for (let s = 0; s < 6; s++) {
    await step.run(batchOf(Math.floor(s / 3), s % 3), s, options.lr);
    if (s === 3 || s === 5) taken.push(numbers(await stateDict(network, runtime)));
  }
  step.destroy();
  runtime.destroy();
  const { state, bestEpoch } = await tinyTraining({
    ...{ ...options, lrSchedule: "constant", average: { start: 0.5, every: 2 } },
  }, tinyNet(7, 0));
  assert.equal(bestEpoch, 2);
  const found = numbers(state);
  for (const [name] of network.namedParameters()) {
    const wanted = taken[0].get(name)!.map((value, i) => (value + taken[1].get(name)![i]) / 2);
    const error = relativeError(found.get(name)!, wanted);
    assert.ok(error < 1e-6, `${name} is off by ${error}`);
  }
  // Batch normalisation: the mean of the statistics of the batches, in float64.
  const images = new Input("images", [16, SIZE, SIZE, CHANNELS]);
  const convolved = network.features[0].apply(images, { ...PASS, names: new Map() });
  const kernel = (network.features[0] as Conv2d).weight;
  const batches = [0, 1, 2].map((s) => {
    const given = new Map<Tensor, ArrayLike<number>>([[images, pixels(batchOf(0, s))]]);
    given.set(kernel, inside(kernel, state.get("features.0.weight")!));
    return moments(interpret([convolved], given)[0], 4);
  });
  const mean = (of: (m: { mean: number; variance: number }) => number) =>
    [0, 1, 2, 3].map((c) => batches.reduce((sum, batch) => sum + of(batch[c]), 0) / 3);
  const norm = { running_mean: mean((m) => m.mean), running_var: mean((m) => m.variance) };
  for (const [name, wanted] of Object.entries(norm)) {
    const error = relativeError(found.get(`features.1.${name}`)!, wanted);
    assert.ok(error < 1e-5, `${name} is off by ${error}`);
  }
  assert.equal(found.get("features.1.num_batches_tracked")![0], 3);
});

Deno.test("with Adam, SAM and an average, a run that is stopped goes on with the same bits", () =>
  inFolder(async (folder) => {
    const options: TrainOptions = {
      ...tinyOptions(folder),
      ...{ epochs: 2, lr: 0.01, optimizer: "adam", sam: { rho: 0.1 } },
      average: { start: 0.3, every: 1 },
    };
    const whole = await tinyTraining({
      ...options,
      checkpoint: checkpointFile(join(folder, "whole")),
    });
    let stops = 0;
    for (let look = 2;; look += 3) {
      const checkpoint = checkpointFile(join(folder, `stopped ${look}`));
      const stopped = tinyTraining({ ...options, checkpoint, signal: abortAtLook(look) });
      if (await stopped.then(() => true, () => false)) break;
      stops++;
      const resumed = await tinyTraining({ ...options, checkpoint }, tinyNet(99));
      sameState(whole.state, resumed.state);
      assert.deepEqual(resumed.history.map(withoutTime), whole.history.map(withoutTime));
    }
    assert.ok(stops >= 4, `stopped at ${stops} places`);
  }));

Deno.test("the epoch that is kept is best in accuracy, or in its worst class", () => {
  const made = (right: readonly number[]) =>
    right.flatMap((correct, label) =>
      Array.from({ length: 10 }, (_, i) => ({
        ...{ label, predicted: i < correct ? label : label + 1, confidence: 1, loss: 1 },
      }))
    );
  const [uneven, even] = [validate(made([10, 9, 2])), validate(made([6, 7, 5]))];
  assert.deepEqual(uneven, { ...accuracy(made([10, 9, 2])), worst_class: 0.2 });
  assert.equal(even.worst_class, 0.5);
  assert.ok(isBetter(uneven, even, "accuracy") && !isBetter(even, uneven, "accuracy"));
  assert.ok(isBetter(even, uneven, "worst-class") && !isBetter(uneven, even, "worst-class"));
  assert.ok(isBetter(uneven, even, "last") && isBetter(even, uneven, "last"));
  for (const by of ["accuracy", "worst-class"] as const) {
    assert.ok(isBetter({ ...even, loss: 0.5 }, even, by));
    assert.ok(!isBetter(even, even, by));
  }
});
