/**
 * What float32 costs: each network's training step on the GPU against the same graph in float64.
 *
 * - In float64, the graph has PyTorch's gradients to ten digits: layers, wiring, gradient rules of
 *   both orders are right.
 * - With the decisions of the GPU's run (see engine/reference/float64.ts) float64 has the GPU's gradients to
 *   three digits and more: kernels and plans are right, and what a gradient is off by beyond that
 *   is the doing of single gates that rounding has turned.
 *
 * The small network always runs, and of three narrow ones the graph. MODEL_DOCTOR_FLOAT64=1 runs
 * all (an hour or two), or name,name some.
 */

import assert from "node:assert/strict";
import type { Module } from "../engine/nn/module.ts";
import type { Runtime } from "../engine/plan/runtime.ts";
import { testRuntime } from "./support/check.ts";
import { forward, referenceNetwork, trainingStep } from "./support/constrained.ts";
import { decisions, float64, type Float64Run } from "../engine/reference/float64.ts";
import {
  type CaseInputs,
  fingerprintError,
  type Gradients,
  gradientScales,
  norm,
  referenceCase,
  referenceNetworks,
  standInCase,
  standIns,
} from "./support/reference.ts";

/** Largest errors of a parameter's gradient, relative L2: of the graph and of float32. */
const GRAPH = 1e-9;
/** Rounding alone adds up with depth: 2e-4 through ResNet-50, 2e-5 through ResNet-34. */
const FLOAT32 = 3e-4;

/** The images of two networks end as single pixels: normalising eight numbers magnifies errors. */
const SINGLE_PIXELS: Readonly<Record<string, number>> = { mnasnet: 1e-3, efficientnetv2s: 1e-3 };

const SMALL: CaseInputs = {
  seed: 1,
  batch: 8,
  in_channels: 3,
  num_classes: 10,
  last_conv: "features.8",
};

const ASKED = (Deno.env.get("MODEL_DOCTOR_FLOAT64") ?? "").split(",");
const asked = (name: string) => ASKED.includes("1") || ASKED.includes(name);
const note = (runs: boolean) => runs ? "" : " (skipped: set MODEL_DOCTOR_FLOAT64=1)";

const title = (name: string) => `${name}: float32's gradients are float64's with the same gates`;

Deno.test(title("small"), () => compare("small", SMALL));
for (const name of standIns) {
  Deno.test(`${name}, small: the graph in float64 has PyTorch's numbers`, async () => {
    const c = standInCase(name);
    const runtime = await testRuntime();
    try {
      const network = referenceNetwork(name, c, runtime);
      const { names, values: { logits, cls, channel, spatial }, gradients } = trainingStep(
        network,
        c,
      );
      const evaluation = forward(network, c, false).logits;
      const given = await stateOf(network, runtime);
      const tensors = [evaluation, logits, cls, channel, spatial];
      const { values, turned } = float64([...tensors, ...Object.values(gradients).flat()], given);
      const losses = [c.loss_cls, c.loss_channel, c.loss_spatial].map((loss) => [loss]);
      const expected = [c.logits_eval.flat(), c.logits_train.flat(), ...losses];
      for (const [i, wanted] of expected.entries()) {
        const error = norm(wanted.map((value, j) => values[i][j] - value)) / norm(wanted);
        assert.ok(error <= GRAPH, `${tensors[i].operation.name}: the relative error is ${error}`);
      }
      checkGraph(names, { values: values.slice(tensors.length), turned }, c);
    } finally {
      runtime.destroy();
    }
  });
}
for (const name of referenceNetworks) {
  const runs = asked(name);
  Deno.test(`${title(name)}${note(runs)}`, { ignore: !runs }, () => {
    const c = referenceCase(name);
    return compare(name, c, c);
  });
}

async function compare(name: string, c: CaseInputs, expected?: Expected): Promise<void> {
  const runtime = await testRuntime();
  const network = referenceNetwork(name, c, runtime);
  try {
    const { names, gradients } = trainingStep(network, c);
    const tensors = Object.values(gradients).flat();
    const deciding = decisions(tensors);
    const given = await stateOf(network, runtime);
    const found = await runtime.evaluate([...tensors, ...deciding]);
    const decided = new Map(deciding.map((node, i) => [node, found[tensors.length + i]]));

    if (expected) checkGraph(names, float64(tensors, given), expected);
    const { values, turned } = float64(tensors, given, decided);
    const scales = Object.keys(gradients).flatMap((_, k) =>
      gradientScales(values.slice(k * names.length, (k + 1) * names.length).map(norm))
    );
    const errors = values.map((value, i) => {
      const error = norm(value.map((exact, j) => found[i][j] - exact));
      return error === 0 ? 0 : error / scales[i];
    });
    const worst = Math.max(...errors);
    const count = deciding.reduce((sum, node) => sum + node.size, 0);
    console.log(`${name}: ${worst.toExponential(1)}, with ${turned} of ${count} gates turned`);
    const at = names[errors.indexOf(worst) % names.length];
    assert.ok(worst <= (SINGLE_PIXELS[name] ?? FLOAT32), `${at}: the relative error is ${worst}`);
  } finally {
    runtime.destroy();
  }
}

/** The network's tensors as the device has them. */
async function stateOf(network: Module, runtime: Runtime) {
  const state = [...network.namedState()].map(([, parameter]) => parameter);
  return new Map((await runtime.read(state)).map((value, i) => [state[i], value]));
}

type Expected = Readonly<Record<"grads_cls" | "grads_total" | "grads_spatial", Gradients>>;

/** Asserts that the graph in float64 has the reference's gradients. */
function checkGraph(
  names: readonly string[],
  { values }: Float64Run,
  { grads_cls, grads_total, grads_spatial }: Expected,
): void {
  for (const [k, gradients] of [grads_cls, grads_total, grads_spatial].entries()) {
    const scales = gradientScales(names.map((name) => gradients[name].norm));
    for (const [i, name] of names.entries()) {
      const value = values[k * names.length + i];
      const error = fingerprintError(value, gradients[name], scales[i]);
      assert.ok(error <= GRAPH, `${name}: the graph's relative error is ${error}`);
    }
  }
}

const chaotic = "efficientnetv2s";
const runsChaotic = asked(chaotic) && referenceNetworks.includes(chaotic);
Deno.test(`${chaotic}'s evaluation is beyond float32${note(runsChaotic)}`, {
  ignore: !runsChaotic,
}, async () => {
  const c = referenceCase(chaotic);
  const runtime = await testRuntime();
  try {
    const network = referenceNetwork(chaotic, c, runtime);
    const given = await stateOf(network, runtime);
    const { logits } = forward(network, c, false);
    const expected = c.logits_eval.flat();
    const error = ([logits]: ArrayLike<number>[]) =>
      norm(expected.map((value, i) => logits[i] - value)) / norm(expected);
    assert.ok(error(float64([logits], given).values) <= 1e-6);
    const rounded = error(float64([logits], given, undefined, { rounded: true }).values);
    console.log(`every operation exact but for one rounding to float32: off by ${rounded}`);
    assert.ok(rounded > 0.01);
  } finally {
    runtime.destroy();
  }
});
