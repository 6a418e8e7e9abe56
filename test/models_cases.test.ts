/**
 * Every network against PyTorch in float64: logits, losses, aggregated gradients, and every
 * parameter's gradient of the classification loss and of both constraints (second derivatives).
 *
 * A reference gradient is known by its norm and four of its values. Held against it are
 *
 * - the norm, relatively;
 * - each value, relatively to the norm: what a relative L2 error below the tolerance demands;
 * - the relative L2 error itself, estimated from the four errors as if the other elements' were
 *   alike: sqrt(size mean(error^2)) / norm.
 *
 * A convolution's bias in front of batch normalisation has no effect: its gradient is zero, and
 * float64 leaves 1e-16 of the others' there. So is that of a parameter behind the constrained
 * layer's last use. Such gradients are held against the norm of all gradients together.
 *
 * Four networks always run; MODEL_DOCTOR_ALL_MODELS=1 runs all of them (minutes on a CPU), or
 * MODEL_DOCTOR_ALL_MODELS=name,name those.
 */

import assert from "node:assert/strict";
import {
  aggregate,
  channelConstraint,
  confusingClass,
  scoreGradients,
  spatialConstraint,
} from "../engine/doctor/constraint.ts";
import { type Module, type Parameter, run } from "../engine/nn/module.ts";
import { loadStateDict } from "../engine/nn/state.ts";
import {
  add,
  crossEntropy,
  grad,
  mul,
  permute,
  type Tensor,
  Variable,
} from "../engine/tensor/mod.ts";
import { classifier } from "../models/registry.ts";
import { testRuntime } from "./support/check.ts";
import {
  type Fingerprint,
  type Gradients,
  leftHalf,
  type ReferenceCase,
  referenceCase,
  referenceImages,
  referenceLabels,
  referenceMask,
  referenceNetworks,
  referenceNote,
  referenceState,
} from "./support/reference.ts";

const ALWAYS = ["alexnet", "vgg16", "resnet34", "squeezenet"];
const ASKED = Deno.env.get("MODEL_DOCTOR_ALL_MODELS") ?? "";

const IMAGE_SIZE = 32;
const ALPHA = 10;

/** Largest relative errors of logits and losses, and of gradients. */
const TOLERANCE = { values: 1e-4, gradients: 1e-3 };

/** Gradients below this share of all gradients' norm are zero but for float64's rounding. */
const VANISHING = 1e-9;

type Errors = Record<string, number>;

for (const name of referenceNetworks) {
  const runs = ALWAYS.includes(name) || ASKED === "1" || ASKED.split(",").includes(name);
  const why = runs ? "" : " (skipped: set MODEL_DOCTOR_ALL_MODELS=1)";
  Deno.test(`${name} computes what PyTorch does${why}`, { ignore: !runs }, async () => {
    const start = performance.now();
    const errors = await compare(name, referenceCase(name));
    const seconds = (performance.now() - start) / 1000;
    console.log(`${name} ${seconds.toFixed(1)} s ${JSON.stringify(errors)}`);
    for (const [what, error] of Object.entries(errors)) {
      const tolerance = what.startsWith("grads") ? TOLERANCE.gradients : TOLERANCE.values;
      assert.ok(error <= tolerance, `${what}: relative error ${error}`);
    }
  });
}
if (referenceNote) Deno.test(`the networks${referenceNote}`, { ignore: true }, () => {});

/** The relative errors of all that the case holds; asserts what must be equal. */
async function compare(name: string, c: ReferenceCase): Promise<Errors> {
  const network = classifier(name).create({
    inChannels: c.in_channels,
    numClasses: c.num_classes,
    imageSize: IMAGE_SIZE,
  });
  const runtime = await testRuntime();
  loadStateDict(network, referenceState(network, c.seed), runtime, "the reference's formula");
  try {
    return { ...await evaluation(network, c), ...await training(network, c) };
  } finally {
    runtime.release([...network.namedState()].map(([, parameter]) => parameter));
  }
}

/** The network's logits for the case's images, and the output of the case's layer. */
function forward(network: Module, c: ReferenceCase, training: boolean) {
  const shape = [c.batch, IMAGE_SIZE, IMAGE_SIZE, c.in_channels];
  const images = new Variable("images", shape, referenceImages(c, IMAGE_SIZE));
  const labels = new Variable("labels", [c.batch], referenceLabels(c));
  let layer: Tensor | undefined;
  const tap = (name: string, output: Tensor) => {
    if (name === c.last_conv) layer = output;
    return output;
  };
  const { output: logits } = run(network, images, { training, tap });
  assert.ok(layer, `${c.last_conv} was called`);
  return { logits, labels, layer };
}

async function evaluation(network: Module, c: ReferenceCase): Promise<Errors> {
  const { logits, labels, layer } = forward(network, c, false);
  const [gradient] = scoreGradients(logits, labels, [layer]);
  const [logitsValue, aggregateValue] = await evaluate([logits, aggregate(gradient)]);
  return {
    logits_eval: relativeError(logitsValue, c.logits_eval.flat()),
    aggregate_eval: fingerprintError(aggregateValue, c.aggregate_eval, c.aggregate_eval.norm),
  };
}

async function training(network: Module, c: ReferenceCase): Promise<Errors> {
  const { logits, labels, layer } = forward(network, c, true);
  const [batch, channels, height, width] = c.feature_shape;
  assert.deepEqual(layer.shape, [batch, height, width, channels]);
  const mask = new Variable("mask", [c.num_classes, channels], referenceMask(c, channels));
  const background = new Variable("background", [batch, height, width, 1], leftHalf(layer.shape));

  const confusing = confusingClass(logits, labels);
  const [own] = scoreGradients(logits, labels, [layer]);
  const [other] = scoreGradients(logits, confusing, [layer]);
  const cls = crossEntropy(logits, labels);
  const channel = channelConstraint(aggregate(own), aggregate(other), mask, labels, confusing);
  const spatial = spatialConstraint(own, background);

  const parameters = [...network.namedParameters()];
  const losses = [cls, add(cls, mul(channel, ALPHA)), spatial];
  const gradients = losses.flatMap((loss) => torchGradients(loss, parameters));
  const [labelsValue, confusingValue, logitsValue, clsValue, channelValue, spatialValue, ...rest] =
    await evaluate([labels, confusing, logits, cls, channel, spatial, ...gradients]);
  assert.deepEqual([...labelsValue], c.labels);
  assert.deepEqual([...confusingValue], c.confusing);
  const names = parameters.map(([name]) => name);
  const gradientsOf = (k: number) => rest.slice(k * names.length, (k + 1) * names.length);
  return {
    logits_train: relativeError(logitsValue, c.logits_train.flat()),
    loss_cls: relativeError(clsValue, [c.loss_cls]),
    loss_channel: relativeError(channelValue, [c.loss_channel]),
    loss_spatial: relativeError(spatialValue, [c.loss_spatial]),
    grads_cls: gradientError(names, gradientsOf(0), c.grads_cls),
    grads_total: gradientError(names, gradientsOf(1), c.grads_total),
    grads_spatial: gradientError(names, gradientsOf(2), c.grads_spatial),
  };
}

/** The gradient of each parameter, convolution weights [R, S, C, K] as PyTorch's [K, C, R, S]. */
function torchGradients(loss: Tensor, parameters: readonly [string, Parameter][]): Tensor[] {
  return grad(loss, parameters.map(([, parameter]) => parameter)).map((gradient, i) =>
    parameters[i][1].layout === "conv" ? permute(gradient, [3, 2, 0, 1]) : gradient
  );
}

/** The largest error over all parameters' gradients of a loss. */
function gradientError(
  names: readonly string[],
  values: readonly ArrayLike<number>[],
  expected: Gradients,
): number {
  assert.deepEqual(names, Object.keys(expected));
  const together = Math.hypot(...Object.values(expected).map(({ norm }) => norm));
  const errors = names.map((name, i) => {
    const { norm } = expected[name];
    const vanishes = norm <= VANISHING * together;
    return fingerprintError(values[i], expected[name], vanishes ? together : norm);
  });
  if (Deno.env.get("DETAIL")) {
    names.map((n, i) =>
      [
        errors[i],
        n,
        expected[n].norm,
        JSON.stringify(expected[n].values),
        JSON.stringify(expected[n].at.map((j) => values[i][j])),
      ] as const
    ).sort((a, b) => b[0] - a[0]).slice(0, 12).forEach((x) => console.log("   ", ...x));
  }
  return Math.max(...errors);
}

async function evaluate(tensors: readonly Tensor[]) {
  return await (await testRuntime()).evaluate(tensors);
}

function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  return Math.sqrt(sum);
}

/** The L2 norm of the difference over that of the expected values. */
function relativeError(actual: ArrayLike<number>, expected: readonly number[]): number {
  assert.equal(actual.length, expected.length);
  return norm(expected.map((value, i) => actual[i] - value)) / norm(expected);
}

/** The largest of the three errors that the header names, relative to `scale`. */
function fingerprintError(
  actual: ArrayLike<number>,
  { norm: expected, at, values }: Fingerprint,
  scale: number,
): number {
  const differences = at.map((index, i) => actual[index] - values[i]);
  const byNorm = Math.abs(norm(actual) - expected);
  const byValues = norm(differences) * Math.sqrt(actual.length / at.length);
  const error = Math.max(byNorm, ...differences.map(Math.abs), byValues);
  return error === 0 ? 0 : error / scale;
}
