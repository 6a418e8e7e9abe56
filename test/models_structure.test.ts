/**
 * Every classifier's layers without computing anything: those of the reference name for name and
 * layer for layer, and all of them for other images and classes.
 */

import assert from "node:assert/strict";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { UserError } from "../engine/errors.ts";
import { BatchNorm2d, Dropout, Dropout2d, Identity } from "../engine/nn/layers.ts";
import { summarizeNetwork } from "../engine/nn/summary.ts";
import { type Module, run } from "../engine/nn/module.ts";
import { stateShape } from "../engine/nn/fit.ts";
import { initialize } from "../engine/nn/state.ts";
import { Input } from "../engine/tensor/tensor.ts";
import type { Shape } from "../engine/tensor/shape.ts";
import { createClassifier } from "../models/classifier.ts";
import { classifier, classifiers } from "../models/registry.ts";
import {
  type LeafCall,
  referenceCase,
  referenceModel,
  referenceNetworks,
  referenceNote,
} from "./support/reference.ts";

const CIFAR = { inChannels: 3, numClasses: 10, imageSize: 32 };

/** The graph of a network on two images, and what each of its modules put out. */
function trace(network: Module, { inChannels, imageSize } = CIFAR) {
  const images = new Input("images", [2, imageSize, imageSize, inChannels]);
  const outputs: [name: string, shape: Shape][] = [];
  const { output } = run(network, images, {
    training: true,
    key: new Input("key", [2], "u32"),
    tap: (name, output) => {
      outputs.push([name, output.shape]);
      return output;
    },
  });
  return { output, outputs };
}

/** [N, H, W, C] as PyTorch shows it for one image. */
const torchShape = ([, ...rest]: Shape) =>
  rest.length === 3 ? [1, rest[2], rest[0], rest[1]] : [1, ...rest];

/** The calls of modules without parts, besides those that only name a point. */
function leafCalls(network: Module): LeafCall[] {
  const modules = new Map(network.namedModules());
  return trace(network).outputs
    .map(([name, shape]) => ({ name, shape, module: modules.get(name)! }))
    .filter(({ module }) => module.children().length === 0 && !(module instanceof Identity))
    .map(({ name, shape, module }) => ({
      module: name,
      type: module.constructor.name,
      out: torchShape(shape),
      ...numbersOf(module),
    }));
}

function pick({ eps, momentum, p }: Partial<LeafCall>) {
  if (eps !== undefined) return { eps, momentum };
  return p !== undefined ? { p } : {};
}

/** The numbers of a layer that training depends on and shapes don't show. */
function numbersOf(module: Module) {
  if (module instanceof BatchNorm2d) return { eps: module.eps, momentum: module.momentum };
  return module instanceof Dropout || module instanceof Dropout2d ? { p: module.p } : {};
}

Deno.test(`the reference has its seventeen networks${referenceNote}`, {
  ignore: referenceNetworks.length === 0,
}, () => {
  assert.equal(referenceNetworks.length, 17);
});

for (const name of referenceNetworks) {
  Deno.test(`${name} has the reference's layers, names and shapes`, () => {
    const expected = referenceModel(name);
    const network = classifier(name).create(CIFAR);
    const state = [...network.namedState()].map(([key, p]) => [key, [...stateShape(p)]]);
    assert.deepEqual(state, expected.state);
    const sizes = [...network.namedParameters()].map(([, parameter]) => parameter.size);
    assert.equal(sizes.reduce((a, b) => a + b), expected.parameters);
    const calls = expected.leaf_modules_in_call_order
      .map(({ module, type, out, ...rest }) => ({ module, type, out, ...pick(rest) }));
    assert.deepEqual(leafCalls(network), calls);
    assert.deepEqual(resolveLayers(network, ["last"], ""), [referenceCase(name).last_conv]);
  });
}

for (const entry of classifiers) {
  Deno.test(`${entry.name} takes grey images of 64, 96 and 224 pixels`, () => {
    for (const imageSize of [64, 96, 224]) {
      const options = { inChannels: 1, numClasses: 7, imageSize };
      const { output, outputs } = trace(entry.create(options), options);
      assert.deepEqual(output.shape, [2, 7]);
      const features = outputs.find(([name]) => name === entry.featureLayer);
      assert.equal(features?.[1].length, 4, `${entry.featureLayer} is a feature map`);
    }
  });
}

Deno.test("perceptrons have the sizes that their names say, and start as their papers' do", () => {
  const digits = { inChannels: 1, numClasses: 10, imageSize: 28 };
  const coloured = { inChannels: 2, numClasses: 2, imageSize: 14 };
  const startOf = (name: string, options: typeof digits) => {
    const network = classifier(name).create(options);
    initialize(network, 0);
    return [...network.namedState()].map(([, { shape, initial }]) => {
      const [count, values] = [initial.length, Array.from(initial)];
      const deviation = Math.sqrt(values.reduce((sum, w) => sum + w * w, 0) / count);
      return { shape, deviation, largest: values.reduce((a, w) => Math.max(a, Math.abs(w)), 0) };
    });
  };
  const shapes = (name: string, options: typeof digits) =>
    startOf(name, options).map(({ shape }) => shape.join(" x "));
  assert.deepEqual(shapes("mlp-50-30", digits), [
    ...["50 x 784", "50", "30 x 50", "30", "10 x 30", "10"],
  ]);
  assert.deepEqual(shapes("mlp-512", digits), ["512 x 784", "512", "10 x 512", "10"]);
  assert.deepEqual(shapes("mlp-256-256", coloured), [
    ...["256 x 392", "256", "256 x 256", "256", "2 x 256", "2"],
  ]);
  const [weight, , second] = startOf("mlp-50-30", digits);
  assert.ok(Math.abs(weight.deviation - 0.1) < 0.002 && Math.abs(second.deviation - 0.1) < 0.006);
  assert.ok(weight.largest > 0.35, "the tails of a normal distribution");
  const [glorot, bias] = startOf("mlp-390-390", coloured);
  assert.ok(Math.abs(glorot.largest - Math.sqrt(6 / (392 + 390))) < 1e-4);
  assert.equal(bias.largest, 0);
  const [torch, torchBias] = startOf("mlp-512", digits);
  assert.ok(Math.abs(torch.largest - 1 / 28) < 1e-5 && torchBias.largest > 0.9 / 28);
});

Deno.test("a perceptron's hidden layers are what convolutions are elsewhere", () => {
  const network = classifier("mlp-512-512-512").create(CIFAR);
  assert.deepEqual(resolveLayers(network, ["convs"], "features"), [
    ...["features.0", "features.2", "features.4"],
  ]);
  assert.deepEqual(resolveLayers(network, ["last"], "features"), ["features.4"]);
});

Deno.test("widths scale every layer's channels but leave images and classes alone", () => {
  const parameters = (name: string, width?: number) => {
    const network = createClassifier(classifier(name), { ...CIFAR, width });
    assert.deepEqual(trace(network).output.shape, [2, 10], name);
    return summarizeNetwork(network, [32, 32, 3]).parameters;
  };
  for (const { name, widths } of classifiers) {
    if (!widths) {
      assert.throws(() => parameters(name, 0.5), new RegExp(`${name} does not come 0.5 times`));
      continue;
    }
    const whole = parameters(name);
    assert.equal(parameters(name, 1), whole);
    for (const width of widths === "any" ? [0.25, 0.5, 1.25, 2] : widths) {
      // Most weights are squares of widths; the last ones of MobileNets only lose a factor.
      const share = parameters(name, width) / whole;
      const [low, high] = width < 1 ? [0.6 * width ** 2, width] : [width, 1.3 * width ** 2];
      assert.ok(low < share && share < high, `${name} at ${width}: ${share}`);
    }
  }
});

Deno.test("an image size that a network can't take is refused by name", () => {
  const tooSmall = {
    squeezenet: 4,
    lenet256: 15,
    torchvision_vgg16_bn: 31,
    densenet121: 4,
    simplenetv1: 28,
    inceptionv3: 8,
  };
  const indivisible = { alexnet: 40, vgg16: 48 };
  for (const [name, imageSize] of Object.entries({ ...tooSmall, ...indivisible })) {
    assert.throws(
      () => classifier(name).create({ ...CIFAR, imageSize }),
      (error) =>
        error instanceof UserError && error.message.includes(name) &&
        error.message.includes(`${imageSize}`),
    );
  }
});
