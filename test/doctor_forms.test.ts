/** Forms that are no sum over d s / dA: value by loops, gradients by float64 and differences. */

import assert from "node:assert/strict";
import { onOtherBackgrounds, ownTexture } from "../engine/doctor/exchange.ts";
import { type FormName, formOf, FORMS } from "../engine/doctor/forms/forms.ts";
import { constraintPenalty } from "../engine/doctor/penalty.ts";
import {
  crossEntropy,
  gradOrZeros,
  Input,
  logSoftmax,
  mul,
  sub,
  sum,
  type Tensor,
  Variable,
} from "../engine/tensor/mod.ts";
import { forward, type StepGraph } from "../engine/train/graph.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { relativeError } from "./support/check.ts";
import { constraintOf } from "./support/constraint.ts";
import { BATCH, batch, byLayer, checkSlope, LAYERS, masks } from "./support/forms.ts";
import { CLASSES, freshRuntime, SIZE, tinyNet } from "./support/train.ts";

/** The network on a batch, and a layer of it. */
interface Subject {
  readonly given: ReturnType<typeof batch>;
  readonly graph: StepGraph;
  readonly layer: string;
}

/** What each form comes to at a layer, by loops over what the oracle finds: a new one stands here. */
const BY_HAND: Record<Exclude<FormName, "paper" | "share">, (of: Subject) => number> = {
  rrr: (of) => {
    const [gradient] = at(of, [gradientOf(sum(logSoftmax(of.graph.logits)), of)]);
    return average(places(of, gradient), ({ element, background }) => (background * element) ** 2);
  },
  counterfactual: (of) => {
    const { graph: { logits, output }, given, layer } = of;
    const labels = given.labels.initial;
    const [values] = at(of, [logits]);
    const strongest = Array.from(labels, (label, b) => {
      const row = Array.from(values.subarray(b * CLASSES, (b + 1) * CLASSES));
      const others = row.with(label, -Infinity);
      return others.indexOf(Math.max(...others));
    });
    const margin = sub(chosen(logits, labels), chosen(logits, strongest));
    const [gradient, before] = at(of, [gradientOf(margin, of), output(layer)]);
    const [after] = at(of, [output(layer)], exchanged(given));
    const size = gradient.length / BATCH;
    return mean(Array.from({ length: BATCH }, (_, b) => {
      let [dot, g, d] = [0, 0, 0];
      for (let i = b * size; i < (b + 1) * size; i++) {
        const change = after[i] - before[i];
        dot += gradient[i] * change;
        g += gradient[i] ** 2;
        d += change ** 2;
      }
      return dot ** 2 / (g * d);
    }));
  },
  "loss-gradient": (of) => {
    const { logits, labels } = of.graph;
    const [gradient] = at(of, [gradientOf(mul(crossEntropy(logits, labels), BATCH), of)]);
    return average(places(of, gradient), ({ element }) => element ** 2);
  },
};

/** Values by the oracle, of the batch's images or of others in their place. */
const at = ({ given }: Subject, tensors: readonly Tensor[], images?: Float64Array) =>
  interpret(tensors, images && new Map<Tensor, ArrayLike<number>>([[given.images, images]]));

const gradientOf = (value: Tensor, { graph, layer }: Subject) =>
  gradOrZeros(value, [graph.output(layer)])[0];

/** The sum of the batch's logits at labels. */
const chosen = (logits: Tensor, labels: ArrayLike<number>) =>
  sum(mul(
    logits,
    new Variable(
      "pick",
      [BATCH, CLASSES],
      Float32Array.from(
        { length: BATCH * CLASSES },
        (_, i) => labels[Math.floor(i / CLASSES)] === i % CLASSES ? 1 : 0,
      ),
    ),
  ));

interface Place {
  readonly element: number;
  /** The share of background at its pixel. */
  readonly background: number;
}

/** A layer's elements, image by image, each with what the mask says of its place. */
function places({ graph, layer, given }: Subject, values: Float64Array): Place[][] {
  const [, height, width, channels] = graph.output(layer).shape;
  const factor = SIZE / height;
  const size = height * width * channels;
  return Array.from({ length: BATCH }, (_, b) =>
    Array.from({ length: size }, (_, i) => {
      const pixel = Math.floor(i / channels);
      const [h, w] = [Math.floor(pixel / width), pixel % width];
      let background = 0;
      for (let y = 0; y < factor; y++) {
        for (let x = 0; x < factor; x++) {
          const under = (b * SIZE + h * factor + y) * SIZE + w * factor + x;
          background += given.background.initial[under] / factor ** 2;
        }
      }
      return { element: values[b * size + i], background };
    }));
}

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** The mean over the images of a sum over their elements. */
const average = (images: readonly Place[][], of: (place: Place) => number) =>
  mean(images.map((image) => image.reduce((sum, place) => sum + of(place), 0)));

/** The batch's images on the backgrounds of the next ones; its own test holds it. */
const exchanged = ({ images, background }: ReturnType<typeof batch>) =>
  interpret([onOtherBackgrounds(images, background, 1, ownTexture)])[0];

for (const [name, byHand] of Object.entries(BY_HAND)) {
  const form = FORMS.find((form) => form.name === name)!;
  Deno.test(`${name}: its value by loops, its gradient by float64 and differences`, async () => {
    const runtime = await freshRuntime();
    const net = tinyNet(3, 0);
    const given = batch();
    const { graph } = forward(net, given, new Input("key", [2], "u32"));
    const constraint = constraintOf({
      ...{ form: form.name, layers: LAYERS, alpha: 0, beta: 1 },
    });
    const { value } = constraintPenalty(net, constraint, byLayer(masks))!.build(graph).space;
    const named = [...net.namedParameters()];
    const parameters = named.map(([, parameter]) => parameter);
    const total = LAYERS.reduce((sum, layer) => sum + byHand({ given, graph, layer }), 0);

    const tensors = [value, ...gradOrZeros(value, parameters)];
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

Deno.test("the network applied to other images: the same dropout, and no part in averages", () => {
  const net = tinyNet(3, 0.5);
  const given = batch();
  const key = new Input("key", [2], "u32");
  const { graph, updates } = forward(net, given, key);
  const before = updates.length;
  const { logits } = graph.again(given.images);
  const [first, again] = interpret([graph.logits, logits], new Map([[key, [1, 2]]]));
  assert.notEqual(logits, graph.logits);
  assert.deepEqual(again, first);
  assert.equal(updates.length, before);
});
