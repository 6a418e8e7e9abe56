/**
 * Networks that PyTorch exported, against what it computes of them in float64: logits, and every
 * weight's gradient of first and of second order. Three are of models/ (onnx_classifiers has them all),
 * seven nobody here wrote the layers of. test/reference/onnx_networks.py makes them.
 */

import assert from "node:assert/strict";
import { scoreGradients } from "../engine/doctor/score.ts";
import { observe } from "../engine/nn/observe.ts";
import { inside, outside } from "../engine/nn/state.ts";
import { featureLayer } from "../engine/onnx/features.ts";
import type { OnnxNetwork } from "../engine/onnx/network.ts";
import { float64 } from "../engine/reference/float64.ts";
import {
  abs,
  crossEntropy,
  gradients,
  logSoftmax,
  sum,
  type Tensor,
  Variable,
} from "../engine/tensor/mod.ts";
import { forward, trainingStep } from "./support/constrained.ts";
import { exportedNetwork } from "./support/onnx_reference.ts";
import {
  norm,
  referenceImages,
  referenceState,
  standInCase,
  standIns,
} from "./support/reference.ts";

const FOLDER = new URL("reference/onnx/", import.meta.url);

/** Largest relative error of the graph in float64: an exported file has its constants in float32. */
const GRAPH = 1e-8;

/** The formula's weights, as variables' values. */
function formulaWeights(network: OnnxNetwork, seed: number) {
  const state = referenceState(network, seed);
  return new Map<Tensor, ArrayLike<number>>(
    [...network.namedState()].map(([name, parameter]) => [
      parameter,
      inside(parameter, state.get(name)!),
    ]),
  );
}

function assertClose(
  what: string,
  found: ArrayLike<number>,
  wanted: readonly number[],
  scale = norm(wanted),
) {
  const error = norm(wanted.map((value, i) => found[i] - value)) / scale;
  assert.ok(error <= GRAPH, `${what}: the relative error is ${error}`);
}

for (const name of standIns) {
  Deno.test(`${name}, exported: PyTorch's logits and losses of the registered network`, async () => {
    const network = await exportedNetwork(name);
    const c = standInCase(name);
    const evaluated = forward(network, c, false).logits;
    const { values: { logits, cls, channel, spatial } } = trainingStep(network, c);
    const { values } = float64(
      [evaluated, logits, cls, channel, spatial],
      formulaWeights(network, c.seed),
    );
    const losses = [c.loss_cls, c.loss_channel, c.loss_spatial].map((loss) => [loss]);
    const wanted = [c.logits_eval.flat(), c.logits_train.flat(), ...losses];
    wanted.forEach((numbers, i) => assertClose(`value ${i}`, values[i], numbers));
  });
}

interface Reference {
  readonly seed: number;
  readonly batch: number;
  readonly size: number;
  readonly layer: string;
  readonly labels: readonly number[];
  readonly log_softmax: readonly (readonly number[])[];
  readonly cross_entropy: Loss;
  readonly penalty: Loss;
}

interface Loss {
  readonly loss: number;
  /** The norm, and the element in the middle; null where none reaches the weight. */
  readonly gradients: Readonly<Record<string, readonly [number, number] | null>>;
}

const FEATURES: Readonly<Record<string, string>> = {
  convnext: "5.Add_1",
  regnet: "2.Mul",
  ghostnet: "6.PRelu",
  unet: "AveragePool",
  transposed: "conv.2.Mul",
  keras: "conv2.2.Relu",
  attention: "conv.2.Relu",
};

for (const name of Object.keys(FEATURES)) {
  Deno.test(`${name}: PyTorch's logits and gradients of both orders`, async () => {
    const c: Reference = JSON.parse(await Deno.readTextFile(new URL(`${name}.json`, FOLDER)));
    const network = await exportedNetwork(name);
    const { batch, size } = c;
    const pixels = referenceImages({ ...c, in_channels: 3 }, size);
    const images = new Variable("images", [batch, size, size, 3], pixels);
    const labels = new Variable("labels", [batch], Uint32Array.from(c.labels));
    const evaluated = observe(network, images, { training: false }).logits;
    const { logits, layer } = observe(network, images, { training: true });
    const [own] = scoreGradients(logSoftmax(logits), labels, [layer(c.layer)]);
    const losses = { cross_entropy: crossEntropy(logits, labels), penalty: sum(abs(own)) };

    const named = [...network.namedParameters()];
    const found = Object.values(losses).map((loss) => gradients(loss, named.map(([, p]) => p)));
    const wanted = [logSoftmax(evaluated), ...Object.values(losses)];
    const flat = found.flat().filter((g) => g !== undefined);
    const { values } = float64([...wanted, ...flat], formulaWeights(network, c.seed));
    assertClose("logits", values[0], c.log_softmax.flat());
    let next = wanted.length;
    for (const [k, key] of (["cross_entropy", "penalty"] as const).entries()) {
      const { loss, gradients: expected } = c[key];
      assertClose(key, values[1 + k], [loss]);
      assert.deepEqual(named.map(([name]) => name).toSorted(), Object.keys(expected).toSorted());
      const scale = norm(Object.values(expected).flatMap((g) => g ?? []));
      for (const [i, [name, parameter]] of named.entries()) {
        const value = found[k][i] ? values[next++] : new Float64Array(parameter.size);
        const [size, middle] = expected[name] ?? [0, 0];
        const { data } = outside(parameter, Float32Array.from(value));
        assertClose(`${key} at ${name}`, [norm(value)], [size], scale);
        const error = Math.abs(Number(data[data.length >> 1]) - middle);
        assert.ok(error <= 1e-6 * scale, `${key} at ${name}: ${error}`);
      }
    }
  });

  Deno.test(`${name}: its features are found`, async () => {
    assert.equal(featureLayer(await exportedNetwork(name), [16, 16, 3]), FEATURES[name]);
  });
}
