/** The arms of a trial: what each changes, which can be had, and what is held against what. */

import assert from "node:assert/strict";
import { withDefaults } from "../cli/framework/flags.ts";
import { type DataSet, masksOfAll, NO_MASK } from "../engine/data/dataset.ts";
import {
  type ArmName,
  armOptions,
  ARMS,
  armsOf,
  lackingForArm,
  recipeOf,
  requireArms,
} from "../engine/doctor/arms/arms.ts";
import type { ArmSite } from "../engine/doctor/arms/arm.ts";
import {
  masksOfOthers,
  meanKernels,
  meanMask,
  otherKernels,
} from "../engine/doctor/arms/misplaced.ts";
import { pairInWords, pairsOf } from "../engine/doctor/contrasts.ts";
import { firstValues } from "../engine/doctor/first_values.ts";
import type { ClassKernels } from "../engine/doctor/forms/form.ts";
import { constraintPenalty } from "../engine/doctor/penalty.ts";
import { ExitCode } from "../engine/errors.ts";
import { Linear } from "../engine/nn/layers.ts";
import { Module, type Pass } from "../engine/nn/module.ts";
import { stateDict } from "../engine/nn/state.ts";
import { add, div, flatten, mul, neg, relu, sigmoid, type Tensor } from "../engine/tensor/mod.ts";
import { Variable } from "../engine/tensor/tensor.ts";
import { classifiers } from "../models/registry.ts";
import { constraintOf } from "./support/constraint.ts";
import { userError } from "./support/io.ts";
import { CHANNELS, CLASSES, freshRuntime, SIZE, tinyNet, tinySet } from "./support/train.ts";

Deno.test("every mask goes to another image, each to one, and images without stay without", () => {
  const n = 30;
  const rows = Uint32Array.from({ length: n }, (_, i) => i % 3 === 0 ? NO_MASK : n - 1 - i);
  const masks = { coverage: new Uint8Array(4 * n), count: n, rows };
  const { rows: found } = masksOfOthers(masks, 5);
  for (let i = 0; i < n; i++) {
    assert.equal(found[i] === NO_MASK, rows[i] === NO_MASK);
    if (rows[i] !== NO_MASK) assert.notEqual(found[i], rows[i], `image ${i}`);
  }
  assert.deepEqual([...found].sort(), [...rows].sort());
  assert.deepEqual(masksOfOthers(masks, 5).rows, found, "the seed decides");
  assert.notDeepEqual(masksOfOthers(masks, 6).rows, found);
  const one = { ...masks, rows: rows.map((row, i) => i === 1 ? row : NO_MASK) };
  assert.deepEqual(masksOfOthers(one, 5).rows, one.rows, "there is no other");
});

Deno.test("the mean mask is the mean of those that images have", () => {
  const coverage = Uint8Array.from([0, 255, 100, 0, 51, 7, 255, 255, 255]);
  const masks = { coverage, count: 3, rows: Uint32Array.of(1, NO_MASK, 0, 1) };
  const { coverage: mean, count, rows } = meanMask(masks);
  assert.deepEqual([...mean], [0, Math.round((255 + 51 + 51) / 3), Math.round(114 / 3)]);
  assert.deepEqual([count, ...rows], [1, 0, NO_MASK, 0, 0]);
});

Deno.test("other kernels: as many of each class, in other places; the mean leaves out the unknown", () => {
  const [classes, channels] = [3, 16];
  const own = Float32Array.from(
    { length: classes * channels },
    (_, at) => at < channels ? 0 : Number(at % channels < 2 * Math.floor(at / channels)),
  );
  const table = (values: Float32Array<ArrayBuffer>) =>
    new Variable("table", [classes, channels], values);
  const known = new Variable("known", [classes, 1], Float32Array.of(0, 1, 1));
  const kernels = new Map([["a", { mask: table(own), known }]]);
  const rows = (of: ReadonlyMap<string, ClassKernels>) => {
    const values = [...((of.get("a")!.mask as Variable).initial as Float32Array)];
    return [0, 1, 2].map((k) => values.slice(k * channels, (k + 1) * channels));
  };
  const found = otherKernels(kernels, 1);
  const total = (row: readonly number[]) => row.reduce((a, b) => a + b);
  assert.deepEqual(rows(found).map(total), [0, 2, 4]);
  assert.notDeepEqual(rows(found)[2], rows(kernels)[2]);
  assert.equal(found.get("a")!.known, known);
  const mean = rows(meanKernels(kernels));
  assert.deepEqual(mean, mean.map(() => [1, 1, 0.5, 0.5, ...Array(12).fill(0)]));
});

const names = ARMS.map(({ name }) => name);

Deno.test("the control comes first, asked for or not; unknown arms are named with the nearest", () => {
  assert.deepEqual(armsOf(["placebo", "control", "treated"]), ["control", "placebo", "treated"]);
  assert.deepEqual(armsOf(["treated"]), ["control", "treated"]);
  assert.throws(() => armsOf(["plasebo"]), /no arm plasebo; did you mean placebo\?/);
  assert.equal(new Set(names).size, names.length);
});

Deno.test("pairs: every arm against the control, and the treated one against every other", () => {
  assert.deepEqual(pairsOf(["control", "treated", "placebo", "placebo-mean"]).map(pairInWords), [
    ...["treated minus control", "placebo minus control", "placebo-mean minus control"],
    ...["treated minus placebo", "treated minus placebo-mean"],
  ]);
  assert.deepEqual(pairsOf(["control", "placebo"]).map(pairInWords), ["placebo minus control"]);
  assert.deepEqual(pairsOf(["control", "swap-treated", "swap"]).map(pairInWords), [
    ...["swap-treated minus control", "swap minus control", "swap-treated minus swap"],
  ]);
});

const AT = { layers: ["features.0", "features.4"] };

Deno.test("an arm says what it lacks, before anything is trained", async () => {
  const { masks: _, ...bare } = tinySet.train;
  const plain: DataSet = { ...tinySet, train: bare };
  const network = tinyNet();
  const lacking = (name: ArmName, set: DataSet, alpha: number, beta: number) =>
    lackingForArm(name, { network, set, constraint: constraintOf({ ...AT, alpha, beta }) });
  for (const name of ["control", "treated"] as const) {
    assert.equal(lacking(name, plain, 0, 0), undefined);
  }
  for (const name of ["placebo", "placebo-mean"] as const) {
    assert.equal(lacking(name, tinySet, 0, 1), undefined);
    assert.equal(lacking(name, plain, 1, 0), undefined, "kernels are enough");
    assert.match(lacking(name, plain, 0, 0)!, /kernels or on masks/);
  }
  const rows = Uint32Array.from(bare.labels, (_, i) => i === 3 ? 0 : NO_MASK);
  const masks = { ...masksOfAll(new Uint8Array(64), 1), rows };
  assert.match(lacking("placebo", { ...plain, train: { ...bare, masks } }, 0, 1)!, /exchanged/);
  assert.match(lacking("placebo-size", plain, 0, 0)!, /its weights are 0/);
  const grouped = { ...plain, train: { ...bare, backgrounds: new Uint8Array(60) } };
  const of = { network, set: grouped, constraint: constraintOf(AT) };
  assert.equal(lackingForArm("gdro", of), undefined);
  assert.match(lackingForArm("gdro", { ...of, microBatch: 4 })!, /a batch has no parts/);
  await userError(
    (async () =>
      await requireArms(["control", "placebo"], {
        ...{ network, set: plain, constraint: constraintOf({ ...AT, alpha: 0 }) },
      }))(),
    ExitCode.method,
    /^the arm placebo can't be had: no term/,
  );
});

/** Heads behind which the logits are not as many times as large as the head is. */
const UNSCALABLE: Record<string, (head: Tensor) => Tensor> = {
  "a sigmoid behind it": sigmoid,
  "a number added to it": (head) => add(head, 1),
  "its square": (head) => mul(head, head),
  "one divided by it": (head) => div(1, head),
};
const SCALABLE: Record<string, (head: Tensor) => Tensor> = {
  "the head alone": (head) => head,
  "a ReLU behind it": (head) => relu(head),
  "a constant factor": (head) => mul(head, 3),
  "two of its halves": (head) => add(div(head, 2), neg(head)),
};

class Behind extends Module {
  readonly fc = new Linear(SIZE * SIZE * CHANNELS, CLASSES);
  constructor(private readonly tail: (head: Tensor) => Tensor) {
    super();
  }
  protected forward(x: Tensor, pass: Pass): Tensor {
    return this.tail(this.fc.apply(flatten(x), pass));
  }
}

Deno.test("a temperature can be had where the logits are in proportion to the last layer", () => {
  const lacking = (tail: (head: Tensor) => Tensor) =>
    lackingForArm("temperature", {
      ...{ network: new Behind(tail), set: tinySet, constraint: constraintOf({ ...AT, alpha: 0 }) },
    });
  for (const [name, tail] of Object.entries(SCALABLE)) assert.equal(lacking(tail), undefined, name);
  for (const [name, tail] of Object.entries(UNSCALABLE)) {
    const wanted = /^a temperature can't be folded into fc\.weight and fc\.bias: /;
    assert.match(lacking(tail) ?? "", wanted, name);
  }
});

Deno.test("a temperature can be had with every classifier", () => {
  const constraint = constraintOf({ ...AT, alpha: 0 });
  for (const { name, create, imageSize = 32 } of classifiers) {
    const set = { ...tinySet, height: imageSize, width: imageSize, channels: 3 };
    const network = create({ inChannels: 3, numClasses: 10, imageSize });
    assert.equal(lackingForArm("temperature", { network, set, constraint }), undefined, name);
  }
});

Deno.test("placebo-size starts at what the treated one's terms start at, and holds no mask", async () => {
  const runtime = await freshRuntime();
  const network = tinyNet(4);
  const settings = { model: "tiny", batch: 16, seed: 3, noise: 0, noiseCopies: 1 };
  const constraint = constraintOf({ ...AT, alpha: 3, beta: 0.5, space: { form: "share" } });
  const half = Float32Array.from({ length: CLASSES * 5 }, (_, at) => at % 2);
  const kernels = new Map(AT.layers.map((layer, l) => {
    const shape = [CLASSES, 4 + l];
    return [layer, { mask: new Variable(layer, shape, half.slice(0, CLASSES * (4 + l))) }];
  }));
  const site = {
    ...{ runtime, network, set: tinySet, kernels, settings },
    split: { train: tinySet.train, validation: tinySet.test },
    baseline: await stateDict(network, runtime),
    treatment: { constraint, theta: 0.2, imagesPerClass: 5 },
  } as unknown as ArmSite;
  const recipe = (name: ArmName) => recipeOf(name, site, withDefaults(armOptions, {}));
  const size = await recipe("placebo-size");
  assert.equal(size.train, undefined);
  const { weights } = size.settings as { weights: Record<string, number> };
  const wanted = await firstValues(site, constraintPenalty(network, constraint, kernels)!);
  const found = await firstValues(site, size.penalty!);
  for (const term of ["channel", "space"] as const) {
    const [a, b] = [constraint[term].weight * wanted[term], weights[term] * found[term]];
    assert.ok(a > 0 && Math.abs(a - b) < 1e-6 * a, `${term}: ${a}, ${b}`);
  }
  assert.match(size.note!, /in the place of the space-wise term: it starts at the same value/);

  // The placebo's images are the treated one's, but for their masks.
  const { train, settings: of } = await recipe("placebo");
  assert.equal(train!.images, tinySet.train.images);
  assert.notDeepEqual(train!.masks!.rows, tinySet.train.masks!.rows);
  const treated = await recipe("treated");
  assert.deepEqual(of, treated.settings);

  // With swap it is the same constraint on swap's images.
  const { penalty, ...both } = await recipe("swap-treated");
  assert.deepEqual(both, { ...await recipe("swap"), settings: treated.settings });
  assert.deepEqual(await firstValues(site, penalty!), wanted);
  runtime.destroy();
});
