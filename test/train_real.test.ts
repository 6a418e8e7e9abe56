/** Training on real data, where ../shared/data has it. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { limit, splitValidation } from "../engine/data/dataset.ts";
import { loadDataSet } from "../engine/data/registry.ts";
import { initialize } from "../engine/nn/state.ts";
import { accuracy, predictions } from "../engine/train/predictions.ts";
import { Predictor } from "../engine/train/predict.ts";
import { train } from "../engine/train/train.ts";
import { classifier } from "../models/registry.ts";
import { succeed } from "./support/cli.ts";
import { inFolder } from "./support/io.ts";
import { shared } from "./support/shared.ts";
import { freshRuntime, tinyOptions } from "./support/train.ts";

const mnist = shared("data/mnist");

Deno.test(`an epoch of the small network on 600 images of MNIST${mnist.note}`, {
  ignore: mnist.missing,
}, () =>
  inFolder(async (folder) => {
    const set = await loadDataSet({ name: "mnist", dataDir: mnist.folder });
    const split = splitValidation(limit(set.train, 600, 0), 0.2, 0);
    const network = classifier("small").create({ inChannels: 1, numClasses: 10, imageSize: 32 });
    initialize(network, 0);
    const runtime = await freshRuntime();
    const before = await Predictor.make(runtime, network, set, split.validation, 32);
    const untrained = accuracy(predictions(await before.predict()));
    const options = { ...tinyOptions(folder), ...split, set, epochs: 1, batch: 32, lr: 0.005 };
    const { history: [{ validation }] } = await train(runtime, network, options);
    assert.ok(Math.abs(untrained.loss - Math.log(10)) < 0.3, `it starts at ${untrained.loss}`);
    assert.ok(validation.loss < 0.7 * untrained.loss, `it ends at ${validation.loss}`);
    assert.ok(validation.accuracy > 0.5, `${validation.accuracy} are right`);
    runtime.destroy();
  }));

const cifar = shared("data/cifar10");
const slow = Deno.env.get("MODEL_DOCTOR_SLOW") === "1";
const slowNote = slow ? "" : " (skipped: minutes; set MODEL_DOCTOR_SLOW=1)";

Deno.test(`treat resnet34 on a few images of CIFAR-10${cifar.note || slowNote}`, {
  ignore: cifar.missing || !slow,
}, () =>
  inFolder(async (root) => {
    const folder = join(root, "run");
    await succeed(
      ...["treat", "--model", "resnet34", "--data", "cifar10", "--data-dir", cifar.folder],
      ...["--limit", "40", "--test-limit", "40", "--batch", "8", "--lr", "0.01"],
      ...["--epochs", "1", "--treat-epochs", "1", "--out", folder],
    );
    const result = JSON.parse(await Deno.readTextFile(join(folder, "result.json")));
    assert.equal(result.parameters, 21_282_122);
    const { layers } = result.constraint.channel;
    assert.deepEqual(layers, ["conv5_x.2.residual_function.3"]);
    assert.equal(result.arms.treated.test.total, 40);
  }));
