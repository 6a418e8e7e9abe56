/** Forms that are no sum over d s / dA: value by loops, gradients by float64 and differences. */

import assert from "node:assert/strict";
import { type FormName, formOf, FORMS } from "../engine/doctor/forms/forms.ts";
import { constraintPenalty } from "../engine/doctor/penalty.ts";
import { grad, Input, logSoftmax, sum, type Tensor } from "../engine/tensor/mod.ts";
import { forward, type StepGraph } from "../engine/train/graph.ts";
import { interpret } from "./reference/interpreter.ts";
import { relativeError } from "./support/check.ts";
import { constraintOf } from "./support/constraint.ts";
import { BATCH, batch, byLayer, checkSlope, LAYERS, masks } from "./support/forms.ts";
import { freshRuntime, SIZE, tinyNet } from "./support/train.ts";

/** The network on a batch, and a layer of it. */
interface Subject {
  readonly graph: StepGraph;
  readonly background: ArrayLike<number>;
  readonly layer: string;
}

/** What each form comes to at a layer, by loops over what the oracle finds: a new one stands here. */
const BY_HAND: Record<Exclude<FormName, "paper" | "share">, (of: Subject) => number> = {
  rrr: ({ graph: { logits, output }, background, layer }) => {
    const [gradient] = at(grad(sum(logSoftmax(logits)), [output(layer)]));
    return perImage(gradient, background, (sums, g, m) => sums.value += (m * g) ** 2)
      .reduce((a, { value }) => a + value, 0) / BATCH;
  },
};

interface Values {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

const at = (tensors: readonly Tensor[]): Values[] =>
  interpret(tensors).map((data, i) => ({ shape: tensors[i].shape, data }));

/** Sums of each image, to which each element adds, with the background's share at its pixel. */
function perImage(
  { shape: [, height, width, channels], data }: Values,
  background: ArrayLike<number>,
  add: (sums: Record<"value" | "all", number>, element: number, background: number) => void,
) {
  const factor = SIZE / height;
  return Array.from({ length: BATCH }, (_, b) => {
    const sums = { value: 0, all: 0 };
    for (let h = 0; h < height; h++) {
      for (let w = 0; w < width; w++) {
        let share = 0;
        for (let y = 0; y < factor; y++) {
          for (let x = 0; x < factor; x++) {
            share += background[(b * SIZE + h * factor + y) * SIZE + w * factor + x] / factor ** 2;
          }
        }
        for (let c = 0; c < channels; c++) {
          add(sums, data[((b * height + h) * width + w) * channels + c], share);
        }
      }
    }
    return sums;
  });
}

for (const [name, byHand] of Object.entries(BY_HAND)) {
  const form = FORMS.find((form) => form.name === name)!;
  const term = "channel" in form ? "channel" : "space";
  Deno.test(`${name}: its value by loops, its gradient by float64 and differences`, async () => {
    const runtime = await freshRuntime();
    const net = tinyNet(3, 0);
    const given = batch();
    const { graph } = forward(net, given, new Input("key", [2], "u32"));
    const constraint = constraintOf({
      ...{ form: form.name, layers: LAYERS, alpha: 0, [term === "channel" ? "alpha" : "beta"]: 1 },
    });
    const { value } = constraintPenalty(net, constraint, byLayer(masks))!.build(graph)[term];
    const named = [...net.namedParameters()];
    const parameters = named.map(([, parameter]) => parameter);
    const background = given.background.initial;
    const total = LAYERS.reduce((sum, layer) => sum + byHand({ graph, background, layer }), 0);

    const tensors = [value, ...grad(value, parameters)];
    const wanted = interpret(tensors);
    assert.ok(total !== 0);
    assert.ok(Math.abs(wanted[0][0] - total) <= 1e-5 * Math.abs(total), `${wanted[0]}: ${total}`);
    (await runtime.evaluate(tensors)).forEach((values, i) => {
      const error = relativeError(values, wanted[i]);
      assert.ok(error < 1e-4, `${i === 0 ? "the value" : named[i - 1][0]} is off by ${error}`);
    });
    checkSlope(value, parameters, wanted.slice(1));
    runtime.destroy();
  });
}

Deno.test("RRR is at the input at the published weight unless told otherwise", () => {
  const { weight, layers } = formOf("space", "rrr");
  assert.deepEqual([weight, layers], [1000, ["input"]]);
});
