/** Both constraints: their values and gradients against float64, and where they can't be had. */

import assert from "node:assert/strict";
import { constraintInWords } from "../engine/doctor/constraint.ts";
import { type FormName, formOf, FORMS, formsOf } from "../engine/doctor/forms/forms.ts";
import { shareOutside } from "../engine/doctor/forms/share.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { defaultWeight } from "../engine/doctor/leverage.ts";
import { checkConstraint, constraintPenalty } from "../engine/doctor/penalty.ts";
import { type TermName, TERMS } from "../engine/doctor/terms.ts";
import { ExitCode } from "../engine/errors.ts";
import type { DataSet } from "../engine/data/dataset.ts";
import { BatchNorm2d, Conv2d, Linear, ReLU } from "../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../engine/nn/module.ts";
import {
  add,
  crossEntropy,
  globalAvgPool,
  gradOrZeros,
  Input,
  mul,
  sum,
  type Tensor,
  Variable,
} from "../engine/tensor/mod.ts";
import { ALWAYS } from "../engine/train/schedule.ts";
import { forward } from "../engine/train/graph.ts";
import { classifier } from "../models/registry.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { relativeError } from "./support/check.ts";
import { constraintOf, type Short } from "./support/constraint.ts";
import { BATCH, batch, byLayer, checkSlope, LAYERS, masks } from "./support/forms.ts";
import { userError } from "./support/io.ts";
import { CHANNELS, CLASSES, freshRuntime, SIZE, tinyNet, tinySet } from "./support/train.ts";

/** Row-major values by position. */
const at = (values: ArrayLike<number>, shape: readonly number[], ...position: number[]) =>
  values[position.reduce((offset, p, d) => offset * shape[d] + p, 0)];

/** Which of the sums of `byHand` a form is as each of its terms. */
const SUMS = {
  paper: { channel: "channel", space: "space" },
  share: { channel: "channelShare", space: "spaceShare" },
} as const satisfies Partial<Record<FormName, Record<TermName, keyof ReturnType<typeof byHand>>>>;
const SUMMED = Object.keys(SUMS) as (keyof typeof SUMS)[];

/** The terms at a layer by loops over d s / d A, in every form. */
function byHand(
  [own, other]: ArrayLike<number>[],
  shape: readonly number[],
  mask: ArrayLike<number>,
  known: ArrayLike<number>,
  labels: ArrayLike<number>,
  confusing: ArrayLike<number>,
  background: ArrayLike<number>,
) {
  const [, height, width, channels] = shape;
  const sums = { channel: 0, channelShare: 0, space: 0, spaceShare: 0 };
  for (let b = 0; b < BATCH; b++) {
    const of = { confused: 0, stray: 0, strayAbsolute: 0, outside: 0, all: 0 };
    for (let h = 0; h < height; h++) {
      for (let w = 0; w < width; w++) {
        let share = 0;
        const factor = SIZE / height;
        for (let y = 0; y < factor; y++) {
          for (let x = 0; x < factor; x++) {
            const pixel = (b * SIZE + h * factor + y) * SIZE + w * factor + x;
            share += background[pixel] / factor ** 2;
          }
        }
        for (let c = 0; c < channels; c++) {
          const [g, k] = [own, other].map((values) => at(values, shape, b, h, w, c));
          of.confused += Math.max(k, 0) * mask[confusing[b] * channels + c];
          const stray = known[labels[b]] - mask[labels[b] * channels + c];
          of.stray += Math.max(g, 0) * stray;
          of.strayAbsolute += Math.abs(g) * stray;
          of.outside += Math.abs(share * g);
          of.all += Math.abs(g);
        }
      }
    }
    sums.channel += (of.confused + of.stray) / BATCH;
    sums.channelShare += of.strayAbsolute / of.all / BATCH;
    sums.space += of.outside;
    sums.spaceShare += of.outside / of.all / BATCH;
  }
  return sums;
}

/** The masks as they are where no image of a class is classified right. */
function withoutClass(k: number) {
  const known = new Variable(
    "known",
    [CLASSES, 1],
    Float32Array.from({ length: CLASSES }, (_, i) => i === k ? 0 : 1),
  );
  return masks.map(({ layer, mask }) => {
    const rest = mask.initial.slice().fill(0, k * mask.shape[1], (k + 1) * mask.shape[1]);
    return { layer, known, mask: new Variable(mask.label, mask.shape, rest) };
  });
}

const NAMES = FORMS.map(({ name }) => name);
const CASES = SUMMED.flatMap((form) => [[form, masks], [form, withoutClass(2)]] as const);

for (const [form, layers] of CASES) {
  const known = "known" in layers[0] ? [...layers[0].known.initial] : [1, 1, 1];
  const which = `${form}${known[2] === 0 ? ", one class unknown" : ""}`;
  Deno.test(`the constraints (${which}) and the whole gradient follow float64`, async () => {
    const runtime = await freshRuntime();
    const net = tinyNet(3, 0);
    const given = batch();
    const { graph } = forward(net, given, new Input("key", [2], "u32"));
    const parameters = [...net.namedParameters()];
    const trained = parameters.map(([, p]) => p);
    const names = TERMS.filter((term) => SUMS[form][term]);
    const weights = { channel: 10, space: 0.5 };
    const [alpha, beta] = TERMS.map((term) => names.includes(term) ? weights[term] : 0);
    const constraint = constraintOf({ form, layers: LAYERS, alpha, beta });
    const found = constraintPenalty(net, constraint, byLayer(layers))!.build(graph);
    assert.deepEqual(Object.keys(found), names);
    const terms = names.map((name) => found[name].value);
    assert.deepEqual(names.map((name) => found[name].weight), names.map((name) => weights[name]));
    const loss = terms.map((term, i) => mul(term, weights[names[i]])).reduce((a, b) => add(a, b));

    // The terms by loops over gradients that the oracle computes.
    const outputs = LAYERS.map((layer) => graph.output(layer));
    const [logits] = interpret([graph.logits]);
    const labels = given.labels.initial;
    const confusing = Array.from(labels, (label, b) => {
      const row = Array.from(logits.subarray(b * CLASSES, (b + 1) * CLASSES));
      return row.with(label, -Infinity).indexOf(Math.max(...row.with(label, -Infinity)));
    });
    const pick = (of: ArrayLike<number>) =>
      new Variable(
        "pick",
        [BATCH, CLASSES],
        Float32Array.from({ length: BATCH * CLASSES }, (_, i) =>
          of[Math.floor(i / CLASSES)] === i % CLASSES ? 1 / BATCH : 0),
      );
    const gradients = [labels, confusing].map((of) =>
      interpret(gradOrZeros(sum(mul(graph.logits, pick(of))), outputs))
    );
    const sums = outputs.map(({ shape }, l) =>
      byHand(
        gradients.map((g) => g[l]),
        shape,
        layers[l].mask.initial,
        known,
        labels,
        confusing,
        given.background.initial,
      )
    );
    const totals = names.map((name) => sums.reduce((a, layer) => a + layer[SUMS[form][name]], 0));

    const whole = add(crossEntropy(graph.logits, graph.labels), loss);
    const tensors = [...terms, whole, ...gradOrZeros(whole, trained)];
    const wanted = interpret(tensors);
    const close = (a: number, b: number, what: string) =>
      assert.ok(Math.abs(a - b) <= 1e-5 * Math.abs(b), `${what} is ${a}, not ${b}`);
    names.forEach((name, i) => close(wanted[i][0], totals[i], name));
    const [classification] = interpret([crossEntropy(graph.logits, graph.labels)]);
    const all = totals.reduce((a, total, i) => a + weights[names[i]] * total, classification[0]);
    close(wanted[names.length][0], all, "the whole loss");
    const first = names.length + 1;
    // The GPU against the oracle, and the oracle's second derivatives against differences.
    (await runtime.evaluate(tensors)).forEach((values, i) => {
      const error = relativeError(values, wanted[i]);
      const what = i < first ? tensors[i] : parameters[i - first][0];
      assert.ok(error < 1e-4, `${what} is off by ${error}`);
    });
    checkSlope(whole, trained, wanted.slice(first));
    runtime.destroy();
  });
}

Deno.test("each term has a form, layers and a schedule of its own", () => {
  const net = tinyNet(3, 0);
  const { graph } = forward(net, batch(), new Input("key", [2], "u32"));
  const terms = (of: Short) => {
    const built = constraintPenalty(net, constraintOf({ beta: 1, ...of }), byLayer(masks))!;
    const { channel, space } = built.build(graph);
    return interpret([channel.value, space.value]).map(([value]) => value);
  };
  const [at4, at0] = [{ layers: ["features.4"] }, { layers: ["input"] }];
  const [channel] = terms({ form: "share", ...at4 });
  const [, space] = terms({ form: "paper", ...at0 });
  const mixed = terms({ form: "share", ...at4, space: { form: "paper", ...at0 } });
  assert.deepEqual(mixed, [channel, space]);

  const schedule = { warmup: 2, course: "cosine" } as const;
  const own = constraintOf({ beta: 1, ...at4, space: { ...at0, schedule } });
  const built = constraintPenalty(net, own, byLayer(masks))!.build(graph);
  assert.deepEqual([built.channel.schedule, built.space.schedule], [ALWAYS, schedule]);
  assert.equal(
    constraintInWords(own),
    "channel-wise as published at weight 1 on features.4; space-wise as published at weight 1 on " +
      "input, growing over 2 epochs, then falling along a cosine",
  );
  const none = constraintOf({ alpha: 0 });
  assert.equal(constraintPenalty(net, none, new Map()), undefined);
  assert.equal(constraintInWords(none), "none");
});

Deno.test("the table of forms: unique names, and what is asked for that is none", async () => {
  assert.equal(new Set(NAMES).size, NAMES.length);
  for (const term of TERMS) {
    for (const { name } of formsOf(term)) assert.ok(formOf(term, name).weight >= 0);
    await userError(
      (async () => await formOf(term, "papre"))(),
      ExitCode.usage,
      new RegExp(`${term}-wise constraint has no form papre; did you mean paper\\?`),
    );
  }
});

Deno.test("a share of nothing is zero; one of a layer without space is over its channels", () => {
  const gradient = new Variable("gradient", [2, 3], Float32Array.of(0, 0, 0, 1, -2, 5));
  const outside = new Variable("outside", [2, 3], Float32Array.of(1, 1, 1, 1, 1, 0));
  const [[found]] = interpret([shareOutside(gradient, outside)]);
  assert.ok(Math.abs(found - 3 / 8 / 2) < 1e-9);
});

// What can't be had.

const weights = { form: "paper", alpha: 1, beta: 0 } as const;
const check = (net: Module, set: DataSet, layers: readonly string[], of: Short) =>
  checkConstraint(net, set, constraintOf({ ...of, layers }));

/** conv, norm, ReLU, conv, ReLU, average: the last convolution is the classifier. */
class ConvolutionalHead extends Module {
  readonly features = new Sequential(
    new Conv2d(CHANNELS, 4, 3, { padding: 1 }),
    new BatchNorm2d(4),
    new ReLU(),
  );
  readonly classify = new Conv2d(4, CLASSES, 1);
  readonly relu = new ReLU();
  protected forward(x: Tensor, pass: Pass): Tensor {
    const scores = this.classify.apply(this.features.apply(x, pass), pass);
    return globalAvgPool(this.relu.apply(scores, pass));
  }
}

const refused = (check: () => void, exitCode: ExitCode, message: RegExp) =>
  userError((async () => await check())(), exitCode, message);

Deno.test("a constraint that is constant is refused, and says where", async () => {
  const net = new ConvolutionalHead();
  const last = resolveLayers(net, ["last"], "features");
  assert.deepEqual(last, ["classify"]);
  for (const term of TERMS) {
    const given = term === "channel" ? { alpha: 1, beta: 0 } : { alpha: 0, beta: 1 };
    for (const form of SUMMED) {
      const error = await refused(
        () => check(net, tinySet, last, { ...given, form }),
        ExitCode.method,
        new RegExp(`the ${term}-wise constraint at classify is constant`),
      );
      assert.match(error.hint!, /such as features/);
    }
  }
  check(net, tinySet, ["features"], weights);
  check(net, tinySet, last, { ...weights, alpha: 0 });
  // The probabilities are not linear in it.
  check(net, tinySet, last, { form: "rrr", alpha: 0, beta: 1 });
  const both = await refused(
    () => check(net, tinySet, ["features.0", "classify"], weights),
    ExitCode.method,
    /constraint at classify is constant/,
  );
  assert.match(both.hint!, /leave features\.0 alone/);
});

Deno.test("squeezenet's last convolution is refused, its features are not", async () => {
  const { create, featureLayer } = classifier("squeezenet");
  const net = create({ inChannels: 3, numClasses: 10, imageSize: 32 });
  const set = { ...tinySet, height: 32, width: 32, channels: 3, classes: Array(10).fill("") };
  const [last] = resolveLayers(net, ["last"], featureLayer);
  await refused(
    () => check(net, set, [last], weights),
    ExitCode.method,
    /conv10 is const/,
  );
  check(net, set, [featureLayer], weights);
});

Deno.test("a share of space is refused where the layer is just averaged", async () => {
  const net = classifier("resnet18").create({ inChannels: 3, numClasses: 10, imageSize: 32 });
  const set = { ...tinySet, height: 32, width: 32, channels: 3, classes: Array(10).fill("") };
  const share = { form: "share", alpha: 0, beta: 1 } as const;
  const error = await refused(
    () => check(net, set, ["conv5_x"], share),
    ExitCode.method,
    /share at conv5_x is constant.* same at every pixel/,
  );
  assert.match(error.hint!, /an earlier layer .*, or the published form/);
  check(net, set, ["conv5_x"], { ...share, form: "paper" });
  check(net, set, ["conv5_x"], {
    ...share,
    space: { form: "share", weight: 1, layers: ["conv4_x", "input"] },
  });
  check(net, set, resolveLayers(net, ["last"], "conv5_x"), share);

  // So the default leaves it out there, and where there are no masks.
  const { masks: _, ...train } = tinySet.train;
  const beta = (features: string, form: FormName = "share", of = set, layers = ["conv4_x"]) =>
    defaultWeight(net, of, "space", { form, layers, schedule: ALWAYS }, features);
  assert.equal(beta("conv5_x"), 0);
  assert.ok(beta("conv3_x") > 0);
  assert.equal(beta("conv3_x", "paper"), 0);
  // A ratio is of no network in particular.
  assert.ok(beta("conv5_x", "counterfactual") > 0);
  assert.equal(beta("conv3_x", "share", { ...set, train }), 0);
  await refused(() => void beta("conv9_x"), ExitCode.usage, /conv9_x/);
  assert.equal(beta("conv3_x", "share", set, ["conv5_x"]), 0);
  // Of the channel-wise term nothing is left out by itself: what can't be had is refused.
  const channel = { form: "share", layers: ["fc"], schedule: ALWAYS } as const;
  assert.ok(defaultWeight(net, set, "channel", channel, "conv5_x") > 0);
});

Deno.test("beta without masks, a layer without space, a module without output", async () => {
  const net = tinyNet();
  const beta = { ...weights, alpha: 0, beta: 1 };
  const { masks: _, ...train } = tinySet.train;
  await refused(
    () => check(net, { ...tinySet, train }, ["features.0"], beta),
    ExitCode.method,
    /--beta.* has no masks/,
  );
  await refused(
    () => check(net, tinySet, ["dropout"], beta),
    ExitCode.method,
    /layer dropout has no height and width/,
  );
  await refused(
    () => check(net, tinySet, ["spare"], weights),
    ExitCode.usage,
    /layer spare is .* no output/,
  );
});

Deno.test("layers by choice, by path, and by the nearest name", async () => {
  const net = tinyNet();
  const of = (...choices: string[]) => resolveLayers(net, choices, "features");
  assert.deepEqual(of("features"), ["features"]);
  assert.deepEqual(of("last"), ["features.4"]);
  assert.deepEqual(of("convs"), ["features.0", "features.4"]);
  assert.deepEqual(of("input", "last", "features.4"), ["input", "features.4"]);
  assert.deepEqual(of("fc"), ["fc"]);
  await refused(
    () => of("featuers.4"),
    ExitCode.usage,
    /no layer featuers\.4; did you mean features\.4/,
  );
  await refused(() => of("lst"), ExitCode.usage, /did you mean last/);
  await refused(() => of(""), ExitCode.usage, /there is no layer/);
});

Deno.test("a linear layer that is the head is constant too", async () => {
  assert.ok(tinyNet().fc instanceof Linear);
  await refused(
    () => check(tinyNet(), tinySet, ["fc"], weights),
    ExitCode.method,
    /at fc is constant/,
  );
});
