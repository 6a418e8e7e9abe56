/**
 * Every classifier of models/ as PyTorch exported it from a class in test/reference/nets: with the
 * names and shapes of the registered network's weights, and its graph, node by node: forward, the
 * gradients of cross entropy, and of both constraints. So it has the registered one's logits, first
 * and second derivatives to the bit, and a step takes the same kernels. Where layers are written
 * otherwise in ONNX, the numbers of both graphs are compared, in float64. (models_cases holds the
 * registered ones to PyTorch's numbers, onnx_networks exported ones.)
 */

import assert from "node:assert/strict";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { scoreGradients } from "../engine/doctor/score.ts";
import { stateShape } from "../engine/nn/fit.ts";
import { type Module, run } from "../engine/nn/module.ts";
import { inside } from "../engine/nn/state.ts";
import { schedule } from "../engine/plan/schedule.ts";
import { simplify } from "../engine/plan/simplify.ts";
import { namedTargets, type Target } from "../engine/gpu/kernels/target.ts";
import { float64 } from "../engine/reference/float64.ts";
import {
  abs,
  crossEntropy,
  gradOrZeros,
  sum,
  type Tensor,
  Variable,
} from "../engine/tensor/mod.ts";
import { type ClassifierEntry, createClassifier } from "../models/classifier.ts";
import { classifier, classifiers } from "../models/registry.ts";
import { forward, trainingStep } from "./support/constrained.ts";
import { whyNot } from "./support/models.ts";
import { exportedNetwork } from "./support/onnx_reference.ts";
import {
  norm,
  referenceImages,
  referenceLabels,
  referenceState,
  standInCase,
  standIns,
} from "./support/reference.ts";
import { Numbering } from "./support/same_graph.ts";

const CASE = { seed: 7, batch: 2, in_channels: 3, num_classes: 10 };

/** Largest relative error of two ways in float64 to one number. */
const ROUNDING = 1e-9;

/**
 * What is the same by another way. Behind images, `Linear` has its weights in the order in which
 * images lie, where the file has the images brought to the weights' order; ShuffleNet's halves are
 * shuffled by one concatenation, where the file has one and a transposition.
 */
const isOtherwise = ({ name }: ClassifierEntry) => /^(small|lenet|mlp|shufflenet)/.test(name);

/** Its file, half a GiB when it is unpacked, is for a machine with nothing else to do. */
const LARGE = "torchvision_vgg16_bn";
const always = classifiers.map(({ name }) => name).filter((name) => name !== LARGE);

/** How wide the exported one is, and the images that it is for. */
function exportedAs({ name, widths, imageSize = 32 }: ClassifierEntry) {
  if (standIns.includes(name)) {
    const { width, image_size } = standInCase(name);
    return { width, imageSize: image_size! };
  }
  const small = name !== LARGE && imageSize > 64 ? 64 : imageSize;
  return { width: widths === "any" ? 1 / 8 : widths?.[0], imageSize: small };
}

const isCounter = (name: string) => name.endsWith("num_batches_tracked");
const byName = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]) => a < b ? -1 : 1;

const imagesOf = (size: number) =>
  new Variable("images", [CASE.batch, size, size, 3], referenceImages(CASE, size));

/** The running averages that a step leaves, by their names. */
function averages(network: Module, imageSize: number): [string, Tensor][] {
  const images = imagesOf(imageSize);
  const names = new Map<Tensor, string>(
    [...network.namedState()].map(([name, parameter]) => [parameter, name]),
  );
  return run(network, images, { training: true }).updates
    .map(([target, value]): [string, Tensor] => [names.get(target)!, value])
    .filter(([name]) => !isCounter(name));
}

/** What is computed with a network: logits, losses, gradients of both orders, running averages. */
function computed(network: Module, layer: string, imageSize: number): Tensor[] {
  const c = { ...CASE, last_conv: layer, image_size: imageSize };
  const { names, values: { logits, cls, channel, spatial }, gradients } = trainingStep(network, c);
  const named = Object.values(gradients).flatMap((all) =>
    all.map((gradient, i) => [names[i], gradient] as const).toSorted(byName)
  );
  return [
    ...[forward(network, c, false).logits, logits, cls, channel, spatial],
    ...[...named, ...averages(network, imageSize).toSorted(byName)].map(([, tensor]) => tensor),
  ];
}

/** The same of a perceptron, which the constraint has at its images: it has no other maps. */
function computedAtImages(network: Module, imageSize: number): Tensor[] {
  const images = imagesOf(imageSize);
  const labels = new Variable("labels", [CASE.batch], referenceLabels({ ...CASE, last_conv: "" }));
  const { output: logits } = run(network, images, { training: true });
  const losses = [
    crossEntropy(logits, labels),
    sum(abs(scoreGradients(logits, labels, [images])[0])),
  ];
  const parameters = [...network.namedParameters()].toSorted(byName).map(([, p]) => p);
  return [logits, ...losses, ...losses.flatMap((loss) => gradOrZeros(loss, parameters))];
}

/** Outputs in float64, with the formula's weights. */
function numbers(network: Module, outputs: readonly Tensor[]) {
  const state = referenceState(network, CASE.seed);
  const weights = [...network.namedState()].filter(([name]) => state.has(name));
  const values = weights.map(([name, p]) => [p, inside(p, state.get(name)!)] as const);
  return float64(outputs, new Map<Tensor, ArrayLike<number>>(values)).values;
}

/** The kernels of a step with both constraints, as they are dispatched for a target. */
function kernels(outputs: readonly Tensor[], target: Target): string[] {
  return schedule(outputs, [], target).dispatches.map(({ kernel }) =>
    JSON.stringify([kernel.label, kernel.constants, kernel.slots, kernel.workgroups])
  ).sort();
}

const shapes = (network: Module) =>
  Object.fromEntries(
    [...network.namedState()]
      .filter(([name]) => !isCounter(name))
      .map(([name, parameter]) => [name, stateShape(parameter)]),
  );

async function bothOf(entry: ClassifierEntry) {
  const { width, imageSize } = exportedAs(entry);
  const own = createClassifier(entry, { inChannels: 3, numClasses: 10, imageSize, width });
  const imported = await exportedNetwork(entry.name);
  assert.deepEqual(shapes(imported), shapes(own));
  const [layer] = resolveLayers(own, ["last"], entry.featureLayer);
  const outputs = (network: Module) =>
    entry.name.startsWith("mlp")
      ? computedAtImages(network, imageSize)
      : computed(network, layer, imageSize);
  return { own, imported, outputs };
}

for (const entry of classifiers.filter((entry) => !isOtherwise(entry))) {
  const note = whyNot(entry.name, always);
  const ignore = note !== "";
  Deno.test(`${entry.name}, exported by PyTorch: the registered graph, node by node${note}`, {
    ignore,
  }, async () => {
    const { own, imported, outputs } = await bothOf(entry);
    const numbering = new Numbering();
    const [wanted, found] = [own, imported].map((network) => {
      const tensors = outputs(network);
      const graph = simplify(tensors);
      return numbering.of(network, tensors.map((tensor) => graph.of(tensor)));
    });
    assert.deepEqual(found, wanted);
  });
}

for (const entry of classifiers.filter(isOtherwise)) {
  Deno.test(`${entry.name}, exported by PyTorch: the registered network's numbers`, async () => {
    const { own, imported, outputs } = await bothOf(entry);
    const [wanted, found] = [own, imported].map((network) => numbers(network, outputs(network)));
    assert.equal(found.length, wanted.length);
    wanted.forEach((of, i) => {
      const error = norm(Array.from(of, (value, k) => found[i][k] - value)) / norm(of);
      assert.ok(norm(of) === 0 ? norm(found[i]) === 0 : error <= ROUNDING, `output ${i}: ${error}`);
    });
  });
}

for (const [name, target] of Object.entries(namedTargets)) {
  Deno.test(`a step of an imported ResNet-34 dispatches the registered one's kernels (${name})`, async () => {
    const { own, imported, outputs } = await bothOf(classifier("torchvision_resnet34"));
    assert.deepEqual(kernels(outputs(imported), target), kernels(outputs(own), target));
  });
}
