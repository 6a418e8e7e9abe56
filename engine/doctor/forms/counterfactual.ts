/**
 * How much the decision goes by what the background changes: the squared cosine between the margin's
 * gradient and the way that the layer's output goes when the image gets another background,
 *
 *     d = A(x on another background) - A(x),   g = d(s_c - s_k) / dA,   k the strongest wrong class
 *     L = 1/B sum_b <g, d>^2 / (|g|^2 |d|^2)
 *
 * No gradient goes through d: the features may tell of the background, the decision should not. It
 * asks for no place in the map, so that it holds behind a global average too, and where a background
 * is a colour. The other image's figure is filled in by texture, or d would be of figures too.
 * (RR-ClArC, AAAI 2024, has concept vectors in the place of d.)
 */

import { gather } from "../../tensor/indexing.ts";
import { detach, flatten } from "../../tensor/movement.ts";
import { add, div, mul, square, sub } from "../../tensor/pointwise.ts";
import { mean, sum } from "../../tensor/reduce.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { onOtherBackgrounds, ownTexture } from "../exchange.ts";
import { confusingClass, gradientsAt } from "../score.ts";
import { BY_RATIO, type Form } from "./form.ts";

export const counterfactual = {
  name: "counterfactual",
  words: "against what other backgrounds change",
  help: "the squared cosine of the margin's gradient with what another background changes",
  space: {
    ...BY_RATIO,
    weight: 1,
    layers: ["features"],
    needs: ["background"],
    build: ({ graph, layers }) => {
      const { logits, labels, background, output } = graph;
      const margin = sub(gather(logits, labels), gather(logits, confusingClass(logits, labels)));
      const other = graph.again(onOtherBackgrounds(output("input"), background!, 1, ownTexture));
      return gradientsAt(sum(margin), layers.map(output)).map((gradient, l) => {
        const change = detach(sub(other.output(layers[l]), output(layers[l])));
        return mean(squaredCosines(gradient, change));
      });
    },
  },
} as const satisfies Form;

/** Of each sample's elements in two tensors [B, ...]: [B]; 0 where one of them is 0. */
function squaredCosines(a: Tensor, b: Tensor): Tensor {
  const dot = (x: Tensor, y: Tensor) => sum(mul(flatten(x), flatten(y)), [1]);
  return div(square(dot(a, b)), add(mul(dot(a, a), dot(b, b)), 1e-12));
}
