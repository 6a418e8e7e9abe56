/** Aggregated gradients, noise and masks against float64. */

import assert from "node:assert/strict";
import { backgroundKernels } from "../engine/doctor/background.ts";
import { diagnose, type DiagnoseOptions } from "../engine/doctor/diagnose.ts";
import { examine } from "../engine/doctor/examine.ts";
import { NO_MASK, subset } from "../engine/data/dataset.ts";
import { ExitCode } from "../engine/errors.ts";
import type { BatchNorm2d } from "../engine/nn/layers.ts";
import { Module } from "../engine/nn/module.ts";

import { observe } from "../engine/nn/observe.ts";
import { grad, Input, mul, sum, Variable } from "../engine/tensor/mod.ts";
import { interpret } from "../engine/reference/interpreter.ts";
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

Deno.test("the share of a class's evidence in the background follows float64", async () => {
  const runtime = await freshRuntime();
  const net = network();
  // The second image of the first class has no mask.
  const { masks } = tinySet.train;
  const rows = Uint32Array.from(masks!.rows!, (row, i) => i === 6 ? NO_MASK : row);
  const split = { ...tinySet.train, masks: { ...masks!, rows } };
  const found = await diagnose(runtime, net, tinySet, split, chosen, options);

  const image = new Input("image", [1, SIZE, SIZE, CHANNELS]);
  const { logits, layer } = observe(net, image, { training: false });
  const outputs = LAYERS.map(layer);
  WIDTHS.forEach((width, l) => {
    const side = outputs[l].shape[1];
    const [inside, all] = [0, 0].map(() => new Float64Array(CLASSES * width));
    const area = chosen.map((indices, k) => {
      const pick = new Variable("pick", [1, CLASSES], new Float32Array(CLASSES).fill(1, k, k + 1));
      const [gradient] = grad(sum(mul(logits, pick)), [outputs[l]]);
      const masked = indices.filter((index) => index !== 6);
      const areas = masked.map((index) => {
        const given = new Map([[image, normalised(index)]]);
        const [g, activation] = interpret([gradient, outputs[l]], given);
        const background = backgroundOf(index, side);
        g.forEach((value, at) => {
          const evidence = Math.abs(value * activation[at]);
          all[k * width + at % width] += evidence;
          inside[k * width + at % width] += evidence * background[Math.floor(at / width)];
        });
        return background.reduce((a, b) => a + b) / side ** 2;
      });
      return areas.length && areas.reduce((a, b) => a + b) / areas.length;
    });
    const share = inside.map((value, at) => all[at] > 0 ? value / all[at] : 0);
    const { evidence } = found[l];
    assert.ok(relativeError(evidence!.share, share) < 1e-5, LAYERS[l]);
    assert.ok(relativeError(evidence!.area, Float64Array.from(area)) < 1e-6, LAYERS[l]);
    assert.deepEqual(
      [...backgroundKernels(evidence!)],
      [...share].map((r, at) => r > area[Math.floor(at / width)] + 0.1 ? 1 : 0),
    );
  });
  const { masks: _, ...bare } = tinySet.train;
  const [without] = await diagnose(runtime, net, tinySet, bare, chosen, options);
  assert.equal(without.evidence, undefined);
  runtime.destroy();
});

/** The share of background in each pixel of a map of that side. */
function backgroundOf(index: number, side: number): number[] {
  const factor = SIZE / side;
  const shares = new Array(side * side).fill(0);
  for (let pixel = 0; pixel < SIZE * SIZE; pixel++) {
    const [y, x] = [Math.floor(pixel / SIZE), pixel % SIZE];
    const at = Math.floor(y / factor) * side + Math.floor(x / factor);
    const coverage = (tinySet.train.masks!.coverage as Uint8Array)[index * SIZE * SIZE + pixel];
    shares[at] += (1 - coverage / 255) / factor ** 2;
  }
  return shares;
}

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
