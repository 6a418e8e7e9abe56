/** Aggregated gradients, noise and masks against float64. */

import assert from "node:assert/strict";
import { diagnose, type DiagnoseOptions } from "../engine/doctor/diagnose.ts";
import { examine } from "../engine/doctor/examine.ts";
import { subset } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import type { BatchNorm2d } from "../engine/nn/layers.ts";
import { Module } from "../engine/nn/module.ts";

import { observe } from "../engine/nn/observe.ts";
import { grad, Input, mul, sum, Variable } from "../engine/tensor/mod.ts";
import { interpret } from "./reference/interpreter.ts";
import { relativeError } from "./support/check.ts";
import { userError } from "./support/io.ts";
import { CHANNELS, CLASSES, freshRuntime, SIZE, tinyNet, tinySet } from "./support/train.ts";

const LAYERS = ["features.0", "features.4", "input"];
const WIDTHS = [4, 5, CHANNELS];
const options: DiagnoseOptions = { layers: LAYERS, batch: 4, noise: 0, noiseCopies: 1, seed: 5 };

/** A network whose running averages are those of no batch. */
function network() {
  const net = tinyNet(3);
  const norm = net.features[1] as BatchNorm2d;
  norm.running_mean.initial.set([0.1, -0.2, 0.05, 0.3]);
  norm.running_var.initial.set([0.8, 1.3, 0.6, 1.1]);
  return net;
}

function normalised(index: number): number[] {
  const size = SIZE * SIZE * CHANNELS;
  return Array.from({ length: size }, (_, at) => {
    const c = at % CHANNELS;
    return (tinySet.train.images[index * size + at] / 255 - tinySet.mean[c]) / tinySet.std[c];
  });
}

/** relu(d logit_k / d A), summed over space and the images of class k, one image at a time. */
function aggregated(net: Module, chosen: readonly (readonly number[])[]): Float64Array[] {
  const image = new Input("image", [1, SIZE, SIZE, CHANNELS]);
  const { logits, layer } = observe(net, image, { training: false });
  const totals = WIDTHS.map((width) => new Float64Array(CLASSES * width));
  chosen.forEach((indices, k) => {
    const pick = new Variable("pick", [1, CLASSES], new Float32Array(CLASSES).fill(1, k, k + 1));
    const gradients = grad(sum(mul(logits, pick)), LAYERS.map(layer));
    for (const index of indices) {
      interpret(gradients, new Map([[image, normalised(index)]])).forEach((values, l) => {
        values.forEach((g, at) => {
          totals[l][k * WIDTHS[l] + at % WIDTHS[l]] += Math.max(g, 0);
        });
      });
    }
  });
  return totals;
}

const chosen = [[0, 6, 9], [], [2, 5, 14, 20]];

Deno.test("aggregate gradients of several layers and the input follow float64", async () => {
  const runtime = await freshRuntime();
  const net = network();
  const found = await diagnose(runtime, net, tinySet, tinySet.train, chosen, options);
  aggregated(net, chosen).forEach((wanted, l) => {
    const { layer, classes, channels, aggregate } = found[l];
    assert.deepEqual([layer, classes, channels], [LAYERS[l], CLASSES, WIDTHS[l]]);
    assert.ok(relativeError(aggregate, wanted) < 1e-5, `${layer}: ${aggregate} is not ${wanted}`);
    assert.ok(wanted.some((g) => g > 0));
    const none = aggregate.subarray(channels, 2 * channels);
    assert.ok(none.every((g) => g === 0), "a class without images has no gradient");
  });
  runtime.destroy();
});

Deno.test("noise: none is none, little changes little, the same seed gives the same", async () => {
  const runtime = await freshRuntime();
  const net = network();
  const run = async (changes: Partial<DiagnoseOptions>) => {
    const layers = ["features.0"];
    const settings = { ...options, layers, noiseCopies: 3, ...changes };
    return (await diagnose(runtime, net, tinySet, tinySet.train, chosen, settings))[0].aggregate;
  };
  const quiet = await run({ noise: 0 });
  assert.ok(relativeError(await run({ noise: 1e-7 }), quiet) < 1e-4, "no noise but averaging");
  const noisy = await run({ noise: 0.5 });
  assert.deepEqual(await run({ noise: 0.5 }), noisy);
  assert.ok(relativeError(await run({ noise: 0.5, seed: 6 }), noisy) > 1e-4, "another seed");
  assert.ok(relativeError(noisy, quiet) > 1e-3, "noise does something");
  runtime.destroy();
});

Deno.test("noise is averaged over copies before the positive part is taken", async () => {
  const runtime = await freshRuntime();
  const net = network();
  // Far above every activation the ReLU behind is on or off at random for each copy: the mean of
  // many copies nears half of the gradient with all of it on.
  const layers = ["features.4"];
  const settings = { ...options, layers, noise: 1e6, noiseCopies: 64 };
  const [{ aggregate }] = await diagnose(runtime, net, tinySet, tinySet.train, chosen, settings);
  const weight = net.fc.weight.initial;
  chosen.forEach((indices, k) => {
    for (let c = 0; c < 5; c++) {
      let all = 0;
      for (let at = c; at < 80; at += 5) all += Math.max(0, weight[k * 80 + at]);
      const wanted = indices.length * all / 2;
      assert.ok(Math.abs(aggregate[k * 5 + c] - wanted) <= 0.15 * wanted, `class ${k}, ${c}`);
    }
  });
  runtime.destroy();
});

Deno.test("an examination sifts, aggregates and masks", async () => {
  const runtime = await freshRuntime();
  const net = network();
  const settings = { ...options, theta: 0.3, imagesPerClass: 2 };
  const found = await examine(runtime, net, tinySet, tinySet.train, settings);
  assert.equal(found.predicted.length, tinySet.train.labels.length);
  found.high.forEach((indices, k) => {
    for (const i of indices) {
      assert.deepEqual([found.predicted[i].label, found.predicted[i].predicted], [k, k]);
    }
  });
  const wanted = aggregated(net, found.high);
  found.layers.forEach(({ aggregate, mask, channels }, l) => {
    assert.ok(relativeError(aggregate, wanted[l]) < 1e-5);
    for (let k = 0; k < CLASSES; k++) {
      const row = wanted[l].subarray(k * channels, (k + 1) * channels);
      const [low, high] = [Math.min(...row), Math.max(...row)];
      const own = Array.from(row, (g) => (g - low) / (high - low + 1e-5) > 0.3 ? 1 : 0);
      assert.deepEqual([...mask.subarray(k * channels, (k + 1) * channels)], own);
    }
  });
  const none = subset(tinySet.train, Uint32Array.of(0, 1, 2));
  await userError(
    diagnose(runtime, net, tinySet, none, [[], [], []], options),
    ExitCode.method,
    /not one image is classified right/,
  );
  runtime.destroy();
});
