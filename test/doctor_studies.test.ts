/** The studies: their figures by hand, and whole ones on the tiny network. */

import assert from "node:assert/strict";
import { join } from "node:path";
import type { FormName } from "../engine/doctor/forms/forms.ts";
import { type ArmName, usualArmOptions } from "../engine/doctor/arms/arms.ts";
import { checkTreatment, Stages } from "../engine/doctor/stages.ts";
import type { Treatment } from "../engine/doctor/treatment.ts";
import { layerCorrelation } from "../engine/doctor/studies/correlation.ts";
import { noiseStudy } from "../engine/doctor/studies/noise.ts";
import {
  type Cell,
  cellsOf,
  type Grid,
  type Tried,
  triesOf,
} from "../engine/doctor/studies/cells.ts";
import {
  beginSweep,
  CELL,
  type CellResult,
  rankCells,
  sweepCell,
} from "../engine/doctor/studies/sweep.ts";
import { accuracy, predictions } from "../engine/train/predictions.ts";
import { Predictor } from "../engine/train/predict.ts";
import { RunFolder } from "../engine/run/run_folder.ts";
import { fileExists } from "../engine/io/files.ts";
import { train } from "../engine/train/train.ts";
import { constraintOf } from "./support/constraint.ts";
import { inFolder, namesIn } from "./support/io.ts";
import { freshRuntime, never, tinyNet, tinyOptions, tinySet } from "./support/train.ts";

const near = (found: number, wanted: number) =>
  assert.ok(Math.abs(found - wanted) < 1e-4, `${found} is not ${wanted}`);

Deno.test("correlation: sets of kernels, their overlap, and chance", () => {
  const [classes, channels] = [3, 4];
  const aggregate = Float32Array.of(...[4, 3, 0, 0], ...[0, 2, 2, 0], ...[0, 0, 0, 0]);
  const mask = Float32Array.of(...[1, 1, 0, 0], ...[0, 1, 1, 0], ...[0, 0, 0, 0]);
  const found = layerCorrelation({ layer: "conv", classes, channels, aggregate, mask });
  assert.deepEqual(found.own, [2, 2, 0]);
  assert.equal(found.own_share, 0.5, "a class without images has no share in the mean");
  assert.deepEqual(found.kernels_of, [1, 2, 1, 0]);
  near(found.overlap[0][1], 1 / 3);
  assert.deepEqual([found.overlap[0][0], found.overlap[2][2]], [1, 0]);
  near(found.mean_overlap, 1 / 3);
  near(found.chance_overlap, 1 / 3); // 2 * 2 / 4 of 2 + 2 - 1
  near(found.mean_cosine, 6 / (5 * Math.sqrt(8)));
  near(found.strongest_tenth, (4 / 7 + 2 / 4) / 2);
  near(found.responses[0][1], 0.75);
  assert.deepEqual(found.order, [0, 3, 1, 2], "by class, then by response; of none first");
});

Deno.test("noise: kinds of images start where they should, at every layer", async () => {
  const runtime = await freshRuntime();
  const network = tinyNet(3);
  await inFolder(async (folder) => void await train(runtime, network, tinyOptions(folder)));
  const split = tinySet.test;
  const subject = {
    ...{ runtime, network, featureLayer: "features", set: tinySet, split, batch: 8, seed: 5 },
  };
  const parts = new Set<string>();
  const options = {
    ...{ layers: ["features.2", "features"], levels: [0.5, 3], draws: 2, imagesPerClass: 4 },
    ...{ epsilon: 40, pgdSteps: 3, looked: (what: string) => void parts.add(what) },
  };
  const { success, layers } = await noiseStudy(subject, options);
  const predictor = await Predictor.make(runtime, network, tinySet, split, 8);
  const { correct } = accuracy(predictions(await predictor.predict()));
  predictor.destroy();
  assert.deepEqual(layers.map(({ layer }) => layer), options.layers);
  for (const { kinds, unit } of layers) {
    assert.ok(unit > 0);
    const of = Object.fromEntries(kinds.map((curve) => [curve.kind, curve]));
    assert.deepEqual(Object.keys(of), ["normal", "low confidence", "wrong", "FGSM", "PGD"]);
    const { normal, wrong, FGSM, PGD } = of;
    assert.ok(normal.images > 0 && normal.images <= Math.min(correct, 12));
    for (const { kind, images, points } of kinds) {
      if (images === 0) continue;
      assert.deepEqual(points.map(({ level }) => level), [0, 0.5, 3]);
      const right = kind === "normal" || kind === "low confidence";
      assert.equal(points[0].accuracy, right ? 1 : 0, `${kind} without noise`);
      assert.equal(points[0].unchanged, 1);
      if (right) assert.equal(points[2].accuracy, points[2].unchanged);
    }
    assert.equal(success.FGSM, FGSM.images / normal.images);
    assert.equal(success.PGD, PGD.images / normal.images);
    assert.ok(success.PGD > 0, "attacks of 40/255 succeed");
    assert.ok(wrong.images <= split.labels.length - correct);
  }
  assert.ok(parts.has("PGD") && parts.has("features, normal"));
  assert.deepEqual(await noiseStudy(subject, options), { success, layers });
  runtime.destroy();
});

const grid: Grid = {
  form: ["share"],
  alpha: [0, 2],
  beta: [0, 1],
  theta: [0.1, 0.2],
  layer: ["features.0", "features.4+input"],
};

/** What settings come to, as a command has it. */
function triedOf({ arm = "treated", samRho = 0.05, ...settings }: Cell["settings"]): Tried {
  const options = { ...usualArmOptions, samRho: Number(samRho) };
  return { arm: arm as ArmName, treatment: treatmentOf(settings), options };
}

function treatmentOf({ form, alpha, beta, theta, layer }: Cell["settings"]): Treatment {
  const layers = String(layer).split("+");
  const weights = { alpha: Number(alpha), beta: Number(beta) };
  const constraint = constraintOf({ form: form as FormName, ...weights, layers });
  return { constraint, theta: Number(theta), imagesPerClass: 5 };
}

Deno.test("a grid: what counts is there once, and the control is no cell", () => {
  const cells = cellsOf(grid, triedOf);
  // alpha 2: 2 betas, 2 thetas, 2 layers; beta 1 alone: 2 layers.
  assert.equal(cells.length, 10);
  assert.equal(new Set(cells.map(({ name }) => name)).size, 10);
  for (const { settings, treatment: { constraint: { channel, space } } } of cells) {
    assert.ok(channel.weight + space.weight > 0);
    assert.deepEqual([channel.weight, space.weight], [settings.alpha, settings.beta]);
  }
  assert.equal(cells[0].name, "alpha 0 beta 1 theta 0.1 layer features.0", "what varies");
  // Names are of files; they stay different.
  const layers = { ...grid, layer: ["a/b.*", "a_b.*"], alpha: [1], beta: [0], theta: [0.2] };
  const names = cellsOf(layers, triedOf).map(({ name }) => name);
  assert.deepEqual(names, ["layer a_b._", "layer a_b._ (2)"]);
  // Without theta's effect there is one cell, whatever the values.
  assert.equal(
    cellsOf({ ...grid, alpha: [0], beta: [1], layer: ["input"] }, triedOf).length,
    1,
  );
});

Deno.test("a grid of arms: each has its own settings, and how many tries it has is known", () => {
  const searched = {
    arm: ["treated", "placebo", "sam", "swa"],
    ...{ ...grid, form: ["paper"], theta: [0.2], beta: [0] },
    ...{ alpha: [0, 1, 2], layer: ["input"], samRho: [0.02, 0.05] },
  };
  const cells = cellsOf(searched, triedOf);
  assert.deepEqual(cells.map(({ name }) => name), [
    ...["treated alpha 1", "treated alpha 2", "placebo alpha 1", "placebo alpha 2"],
    ...["sam samRho 0.02", "sam samRho 0.05", "swa"],
  ]);
  assert.deepEqual(cells[4].settings, { arm: "sam", samRho: 0.02 });
  assert.equal(cells[0].settings.samRho, undefined);
  assert.deepEqual([...triesOf(cells)], [["treated", 2], ["placebo", 2], ["sam", 2], ["swa", 1]]);
});

Deno.test("a sweep: cells are summed up over seeds, the best first", () => {
  const [first, second] = cellsOf(grid, triedOf);
  const validated = { loss: 1, best_epoch: 1 };
  const of = (cell: Cell, seed: number, gain: number, group?: number): CellResult => ({
    ...{ cell: cell.name, seed, mcnemar: { b: 0, c: 0, p: 1 }, interval: [0, 0], seconds: 1 },
    control: { ...validated, accuracy: 0.5, worst_group: group && 0.25 },
    treated: { ...validated, accuracy: 0.5 + gain, worst_group: group && 0.25 + group },
  });
  const results = [of(first, 0, -0.25), of(second, 0, 0.125, 0.5), of(second, 1, 0.375, 0.25)];
  const [best, other] = rankCells([first, second], results);
  assert.deepEqual(best.cell, second);
  assert.deepEqual([best.accuracy.mean, best.worst_group!.mean], [0.25, 0.375]);
  assert.deepEqual([other.accuracy.values, other.accuracy.interval], [[-0.25], null]);
  assert.equal(other.worst_group, undefined);
});

Deno.test("a sweep looks at the validation split alone and goes on where it stopped", () =>
  inFolder(async (root) => {
    const runtime = await freshRuntime();
    const folder = await RunFolder.create(join(root, "seed"), {});
    const { test: _, ...rest } = tinySet;
    // Without a test set, whoever looks at it fails.
    const set = {
      ...rest,
      get test(): never {
        throw new Error("the test set was looked at");
      },
    };
    const settings = {
      model: "tiny",
      ...{ epochs: 1, treatEpochs: 1, batch: 16, lr: 0.05, treatLr: 0.02, momentum: 0.9 },
      start: "baseline" as const,
      ...{ weightDecay: 0, noise: 0, noiseCopies: 1, seed: 3, validation: 0.25 },
    };
    const few = { ...grid, theta: [0.2], beta: [0], layer: ["features.0", "input"] };
    const cells = cellsOf(few, triedOf);
    const begun: string[] = [];
    const run = async (interruptAt = Infinity) => {
      const nothing = () => {};
      const network = tinyNet(3);
      const stages = new Stages(runtime, network, set, folder, settings, {
        ...{ signal: never, stage: nothing, progress: nothing, epoch: nothing },
        ...{ note: nothing, looked: nothing },
      });
      const beginning = await beginSweep(stages, cells, { seed: 3, batch: 16 });
      const results: CellResult[] = [];
      for (const cell of cells) {
        const part = await folder.part(cell.name, {});
        const isNew = !await fileExists(part.file(CELL));
        if (isNew && begun.push(cell.name) > interruptAt) throw new Error("stopped");
        results.push(await sweepCell(stages.in(part), part, cell, beginning));
      }
      return results;
    };
    for (const { treatment } of cells) checkTreatment(tinyNet(), tinySet, treatment);
    await assert.rejects(run(1), /stopped/);
    const results = await run();
    assert.deepEqual(begun, [cells[0], cells[1], cells[1]].map(({ name }) => name));
    assert.deepEqual(results.map(({ cell }) => cell), cells.map(({ name }) => name));
    const { control, treated, mcnemar: { b, c } } = results[0];
    assert.ok(Math.abs((treated.accuracy - control.accuracy) * 15 - (c - b)) < 1e-9);
    const files = namesIn(folder.path);
    assert.deepEqual(files, [
      ...["SHA256SUMS", ...cells.map(({ name }) => name), "baseline.safetensors", "config.json"],
      ...["control.safetensors", "metrics.jsonl", "tensorboard"],
    ]);
    runtime.destroy();
  }));
