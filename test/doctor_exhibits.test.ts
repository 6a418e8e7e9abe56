/** Suspected label errors, and what a report shows of single images. */

import assert from "node:assert/strict";
import { NO_MASK } from "../engine/data/dataset.ts";
import {
  changedExhibits,
  doubtfulExhibits,
  readExhibits,
  saveExhibits,
} from "../engine/doctor/exhibits.ts";
import { labelErrors } from "../engine/doctor/label_errors.ts";
import { siftLow } from "../engine/doctor/sift.ts";
import { observe } from "../engine/nn/observe.ts";
import { loadStateDict, stateDict } from "../engine/nn/state.ts";
import { grad, Input, mul, sum, Variable } from "../engine/tensor/mod.ts";
import { predictions } from "../engine/train/predictions.ts";
import { predictSplit } from "../engine/train/predict.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { inFolder } from "./support/io.ts";
import { CHANNELS, freshRuntime, SIZE, tinyNet, tinySet } from "./support/train.ts";

/** Logits whose softmax is the rows. */
const logitsOf = (rows: number[][], labels: number[]) => ({
  values: Float32Array.from(rows.flat(), Math.log),
  classes: rows[0].length,
  labels: Uint16Array.from(labels),
});

Deno.test("a label is suspect where another class is likelier than it is for its own images", () => {
  const rows = [
    [0.8, 0.1, 0.1], // t of class 0: (0.8 + 0.6 + 0.1) / 3 = 0.5
    [0.6, 0.3, 0.1],
    [0.1, 0.88, 0.02], // 0 by label, and surely 1: p_1 exceeds its t of 0.7
    [0.1, 0.7, 0.2], // t of class 1: (0.7 + 0.7) / 2 = 0.7
    [0.2, 0.7, 0.1],
    [0.45, 0.2, 0.35], // 2 by label, wrong, but not as sure of 0 as 0's images are
    [0.55, 0.1, 0.35], // 2 by label, and surer of 0
  ];
  const found = labelErrors(logitsOf(rows, [0, 0, 0, 1, 1, 2, 2]));
  assert.deepEqual(found.map(({ index, label, suggested }) => [index, label, suggested]), [
    ...[[2, 0, 1], [6, 2, 0]],
  ]);
  const close = (a: number, b: number) => assert.ok(Math.abs(a - b) < 1e-6, `${a} and ${b}`);
  close(found[0].labelProbability, 0.1);
  close(found[0].suggestedProbability, 0.88);
});

Deno.test("a class without images contradicts nobody", () => {
  assert.deepEqual(labelErrors(logitsOf([[0.1, 0.9], [0.2, 0.8]], [0, 0])), []);
});

Deno.test("exhibits hold the images' own pixels and gradients, and survive their files", () =>
  inFolder(async (folder) => {
    const runtime = await freshRuntime();
    const network = tinyNet(0);
    const states = {
      baseline: await stateDict(network, runtime),
      control: await stateDict(tinyNet(1), runtime),
      treated: await stateDict(tinyNet(2), runtime),
    };
    const stock = { runtime, set: tinySet, batch: 7 };
    const { train, test } = tinySet;
    const logits = await predictSplit(runtime, network, tinySet, train, { batch: 7 });
    const testLogits = await predictSplit(runtime, network, tinySet, test, { batch: 7 });
    const low = siftLow(predictions(logits), 3, 50);
    const pools = [
      { name: "training", split: train, logits },
      { name: "test", split: test, logits: testLogits },
    ] as const;
    const doubtful = await doubtfulExhibits(stock, pools, low);
    // A network that sees colours the other way around is shown with the same pictures.
    const bgr = { ...tinySet, colour: "bgr" as const, mean: tinySet.mean.toReversed() };
    const turned = await doubtfulExhibits({ ...stock, set: bgr }, pools, low);
    assert.deepEqual(turned.tensors, doubtful.tensors);

    // Each model is right on every second image, in turn.
    const { labels } = test;
    const by = (right: (i: number) => boolean) =>
      Array.from(labels, (label, i) => ({
        ...{ label, predicted: right(i) ? label : (label + 1) % 3, confidence: 1 / (i + 1) },
        loss: 0,
      }));
    const predicted = {
      baseline: by(() => true),
      control: by((i) => i % 2 === 0),
      treated: by((i) => i % 3 === 0),
    };
    // One of the images has no mask.
    const rows = test.masks!.rows.map((row, i) => i === 9 ? NO_MASK : row);
    const names = Array.from(labels, (_, i) => `${i}.png`);
    const tested = { ...test, names, masks: { ...test.masks!, rows } };
    const { models, changed, tensors } = await changedExhibits(
      ...[stock, network, tested, predicted, "treated"] as const,
      (model) => loadStateDict(network, states[model as keyof typeof states], runtime, model),
    );
    assert.deepEqual(
      changed.map(({ index, fixed }) => [index, fixed]),
      [
        ...[3, 9, 15, 21, 27].map((i) => [i, true]),
        ...[2, 4, 8, 10, 14, 16, 20, 22, 26, 28].map((
          i,
        ) => [i, false]),
      ],
    );
    assert.deepEqual(changed[0].by.control, { predicted: (labels[3] + 1) % 3, confidence: 1 / 4 });

    assert.equal(changed[0].name, "3.png");
    assert.deepEqual(changed.filter((of) => !of.foreground).map(({ index }) => index), [9]);

    const pixels = SIZE * SIZE * CHANNELS;
    const same = (name: string, exhibits: readonly { pool: string; index: number }[]) => {
      const { shape, data } = (tensors.get(name) ?? doubtful.tensors.get(name))!;
      assert.deepEqual(shape, [exhibits.length, SIZE, SIZE, CHANNELS]);
      exhibits.forEach(({ pool, index }, i) => {
        const { images } = pool === "test" ? test : train;
        const own = images.subarray(index * pixels, (index + 1) * pixels);
        assert.deepEqual(data.subarray(i * pixels, (i + 1) * pixels), own, `${name} ${index}`);
      });
    };
    same("changed", changed);
    same("low", doubtful.file.low);
    same("suspects", doubtful.file.suspects);
    assert.deepEqual(doubtful.file.searched.map(({ pool, images }) => [pool, images]), [
      ...[["training", 60], ["test", 30]],
    ]);

    // The treated model's gradient at the first image, in float64.
    const x = new Input("x", [1, SIZE, SIZE, CHANNELS]);
    const { logits: y } = observe(tinyNet(2), x, { training: false });
    const label = new Variable(
      "label",
      [1, 3],
      Float32Array.from([0, 1, 2], (k) => k === labels[3] ? 1 : 0),
    );
    const image = Float32Array.from(
      test.images.subarray(3 * pixels, 4 * pixels),
      (v, i) => (v / 255 - tinySet.mean[i % CHANNELS]) / tinySet.std[i % CHANNELS],
    );
    const [gradient] = interpret(grad(sum(mul(y, label)), [x]), new Map([[x, image]]));
    const { data, shape } = tensors.get("gradient.treated")!;
    assert.deepEqual(shape, [changed.length, SIZE, SIZE]);
    let inside = 0, all = 0;
    for (let p = 0; p < SIZE * SIZE; p++) {
      const wanted = Math.abs(gradient[2 * p]) + Math.abs(gradient[2 * p + 1]);
      assert.ok(Math.abs(Number(data[p]) - wanted) < 1e-5);
      all += wanted;
      inside += wanted * test.masks!.coverage[3 * SIZE * SIZE + p] / 255;
    }
    assert.ok(Math.abs(changed[0].foreground!.treated - inside / all) < 1e-5);

    assert.deepEqual(models, ["baseline", "control", "treated"]);
    const file = { ...doubtful.file, models, changed };
    const stored = new Map([...doubtful.tensors, ...tensors]);
    await saveExhibits(folder, { file, tensors: stored });
    const read = await readExhibits(folder, 3);
    assert.deepEqual(read.file, file);
    assert.deepEqual([...read.tensors.keys()].sort(), [...stored.keys()].sort());
    assert.deepEqual(read.tensors.get("gradient.control"), stored.get("gradient.control"));
  }));
