/** Weights as ratios: what they are measured as, what is told of them, and how flags ask for them. */

import assert from "node:assert/strict";
import { flagName, parseFlags } from "../cli/framework/flags.ts";
import { checkRules } from "../cli/framework/rules.ts";
import { treatFlags } from "../cli/treat_flags.ts";
import { preparedOf } from "../cli/treatment.ts";
import type { Constraint } from "../engine/doctor/constraint.ts";
import { constraintPenalty } from "../engine/doctor/penalty.ts";
import { measureRatios, weighed } from "../engine/doctor/ratio.ts";
import { ExitCode, UserError } from "../engine/errors.ts";
import type { Module } from "../engine/nn/module.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { crossEntropy, Input, Variable } from "../engine/tensor/mod.ts";
import { shuffled } from "../engine/train/order.ts";
import { forward } from "../engine/train/graph.ts";
import { decided } from "../engine/report/read.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { createClassifier } from "../models/classifier.ts";
import { classifier } from "../models/registry.ts";
import { constraintOf } from "./support/constraint.ts";
import { byLayer, masks } from "./support/forms.ts";
import { userError } from "./support/io.ts";
import { CHANNELS, freshRuntime, SIZE, tinyNet, tinySet } from "./support/train.ts";

const BATCH = 4;
const settings = { batch: BATCH, seed: 3 };
const PIXELS = SIZE * SIZE;
const kernels = byLayer(masks);

const siteOf = (runtime: Runtime, network: Module) => ({
  ...{ runtime, network, set: tinySet, split: { train: tinySet.train }, settings },
});

/** Both terms by ratios. */
const both: Constraint = {
  channel: { ...constraintOf({ layers: ["features.4"] }).channel, weight: 2, relative: true },
  space: {
    ...constraintOf({ form: "share", layers: ["features.0"] }).space,
    ...{ weight: 0.3, relative: true },
  },
};

/** The means of cross entropy and both terms over the first eight steps, in float64. */
function byHand(net = tinyNet(3, 0)): number[] {
  const { images, labels, masks } = tinySet.train;
  const [image, label] = [
    new Input("images", [BATCH, SIZE, SIZE, CHANNELS]),
    new Input("labels", [BATCH], "u32"),
  ];
  const background = new Input("background", [BATCH, SIZE, SIZE, 1]);
  const { graph } = forward(
    ...[net, { images: image, labels: label, background }, new Input("key", [2], "u32")] as const,
  );
  const { channel, space } = constraintPenalty(net, both, kernels)!.build(graph);
  const losses = [crossEntropy(graph.logits, graph.labels), channel.value, space.value];
  const order = shuffled(labels.length, settings.seed, 0);
  const sums = [0, 0, 0];
  for (let step = 0; step < 8; step++) {
    const own = [...order.subarray(step * BATCH, (step + 1) * BATCH)];
    const of = <T>(size: number, value: (at: number) => T) =>
      own.flatMap((i) => Array.from({ length: size }, (_, at) => value(i * size + at)));
    const given = new Map<Input, number[]>([
      [
        image,
        of(PIXELS * CHANNELS, (at) => {
          const c = at % CHANNELS;
          return (images[at] / 255 - tinySet.mean[c]) / tinySet.std[c];
        }),
      ],
      [label, own.map((i) => labels[i])],
      [background, of(PIXELS, (at) => 1 - (masks!.coverage as Uint8Array)[at] / 255)],
    ]);
    interpret(losses, given).forEach(([value], i) => sums[i] += value / 8);
  }
  return sums;
}

Deno.test("a ratio is weighed by the losses of the first steps' images", async () => {
  const runtime = await freshRuntime();
  const net = tinyNet(3, 0);
  const weights = await measureRatios(siteOf(runtime, net), both, kernels);
  const [entropy, channel, space] = byHand();
  const digits = (weight: number) => Number(weight.toPrecision(3));
  assert.deepEqual(weights, {
    channel: digits(2 * entropy / channel),
    space: digits(0.3 * entropy / space),
  });
  const found = weighed(both, weights);
  assert.deepEqual(
    [found.channel.weight, found.channel.relative, found.space.weight, found.space.relative],
    [weights.channel, undefined, weights.space, undefined],
  );
  // What is no ratio stays as it is, and costs no measuring.
  const plain = constraintOf({ layers: ["features.4"] });
  const none = await measureRatios(siteOf(runtime, net), plain, kernels);
  assert.deepEqual([none, weighed(plain, none)], [{}, plain]);
  runtime.destroy();
});

Deno.test("a term that is 0 at the start has no ratio", async () => {
  const runtime = await freshRuntime();
  // Every kernel is every class's own, so that none lies outside.
  const all = byLayer(masks.map(({ layer, mask: { label, shape, initial } }) => ({
    layer,
    mask: new Variable(label, shape, new Float32Array(initial.length).fill(1)),
  })));
  const constraint: Constraint = {
    ...both,
    channel: { ...both.channel, form: "share" },
  };
  const error = await userError(
    measureRatios(siteOf(runtime, tinyNet(3, 0)), constraint, all),
    ExitCode.method,
    /kappa of the channel-wise constraint has no weight: .* the constraint is 0, the cross/,
  );
  assert.match(error.hint!, /nothing to hold down in this network; --alpha/);
  runtime.destroy();
});

// The flags.

const set = { ...tinySet, height: 32, width: 32, channels: 3 };
const constraintFor = (flags: string): Constraint => {
  const words = flags.split(" ").filter(Boolean);
  const values = parseFlags(treatFlags, words);
  const named = words.filter((word) => word.startsWith("--")).map((word) =>
    word.slice(2).replace(/-(\w)/g, (_, letter) => letter.toUpperCase())
  );
  checkRules(treatFlags, values, new Set(named));
  const entry = classifier(values.model);
  const options = { inChannels: 3, numClasses: set.classes.length, imageSize: 32 };
  const model = { entry, network: createClassifier(entry, options) };
  return preparedOf(model, values, set).options.constraint;
};

Deno.test("flags: a weight, a ratio, or what the form has", () => {
  const space = (flags: string) => {
    const { form, weight, relative, schedule } = constraintFor(flags).space;
    return { form, weight, relative, schedule };
  };
  const plain = { relative: undefined };
  const always = { warmup: 0, course: "constant" };
  const usual = { warmup: { share: 0.2 }, course: "constant", until: 0.9 };
  assert.deepEqual(space(""), { ...plain, form: "share", weight: 1, schedule: always });
  assert.deepEqual(
    space("--beta-kappa 0.5"),
    { ...plain, form: "share", weight: 0.5, relative: true, schedule: always },
  );
  const counterfactual = { ...plain, form: "counterfactual", schedule: usual };
  assert.deepEqual(
    space("--space-form counterfactual"),
    { ...counterfactual, weight: 1, relative: true },
  );
  assert.deepEqual(
    space("--space-form counterfactual --beta 2 --warmup 1 --until 1"),
    { ...counterfactual, weight: 2, schedule: { warmup: 1, course: "constant" } },
  );
  assert.deepEqual(
    space("--beta-kappa 1 --space-warmup-share 0.5 --warmup 2 --until 0.8 --course cosine")
      .schedule,
    { warmup: { share: 0.5 }, course: "cosine", until: 0.8 },
  );
  assert.deepEqual(
    constraintFor("--form share --alpha-kappa 0.3 --layer last").channel,
    {
      form: "share",
      weight: 0.3,
      relative: true,
      layers: ["features.8"],
      schedule: always,
    },
  );
});

Deno.test("flags: a report's settings give the same constraint, whatever defaults become", () => {
  const cases = [
    "",
    "--beta-kappa 0.5 --warmup 1",
    "--space-form counterfactual --course cosine --space-until 0.5 --alpha-kappa 2",
    "--form share --layer last --space-form rrr",
  ];
  for (const flags of cases) {
    const constraint = constraintFor(flags);
    const settings = Object.entries({
      ...{ form: constraint.channel.form, spaceForm: constraint.space.form },
      ...{ layer: constraint.channel.layers, ...decided(constraint) },
    });
    const told = settings.map(([key, value]) => `${flagName(key)} ${value}`).join(" ");
    assert.deepEqual(constraintFor(told), constraint, told);
  }
});

Deno.test("flags: what contradicts or has no effect is named", () => {
  const cases: [string, RegExp][] = [
    ["--beta 1 --beta-kappa 1", /--beta-kappa has no effect with --beta/],
    ["--alpha 1 --alpha-kappa 1", /--alpha-kappa has no effect with --alpha/],
    ["--beta-kappa 0 --space-layer input", /--space-layer has no effect where --beta is 0/],
    ...["--warmup 1", "--course cosine", "--until 0.5"].map((flag): [string, RegExp] => [
      `--alpha 0 --beta 0 ${flag}`,
      /has no effect where --alpha and --beta are 0/,
    ]),
    ["--warmup 1 --warmup-share 0.1", /--warmup-share has no effect with --warmup/],
    ["--warmup-share 0.5 --until 0.5", /--warmup-share has the constraint off before it has grown/],
  ];
  for (const [flags, message] of cases) {
    assert.throws(() => constraintFor(flags), (error) => {
      assert(error instanceof UserError && error.exitCode === ExitCode.usage, String(error));
      assert.match(error.message, message);
      return true;
    });
  }
});
