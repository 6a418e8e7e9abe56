/**
 * The share of an image's class activation map that lies on the background,
 *
 *     map_hw = relu(sum_j g_hwj A_hwj),   g = B d s_c / dA          (HiResCAM, Draelos and Carin)
 *     L = 1/B sum_b  sum m map / sum map
 *
 * Where the head averages its map, g is the same at every pixel and no share of |g| can be moved
 * (share.ts); this map is moved by the activations.
 */

import { add, div, mul, relu } from "../../tensor/pointwise.ts";
import { mean, sum } from "../../tensor/reduce.ts";
import { scoreGradients } from "../score.ts";
import { BY_RATIO, type Form } from "./form.ts";
import { backgroundAt } from "./outside.ts";

/** Evidence of less than so much of a logit counts as none: a share of nothing has no direction. */
const LEAST_EVIDENCE = 0.01;

export const cam = {
  name: "cam",
  words: "as a share of the class activation map",
  help: "the share of the class activation map on the background",
  space: {
    ...BY_RATIO,
    weight: 0.3,
    layers: ["features"],
    needs: ["background", "pixels"],
    build: ({ graph: { logits, labels, output, background }, layers }) => {
      const outputs = layers.map(output);
      return scoreGradients(logits, labels, outputs).map((gradient, l) => {
        const evidence = mul(mul(gradient, labels.size), outputs[l]);
        const map = relu(sum(evidence, [3], { keepDims: true }));
        const outside = sum(mul(map, backgroundAt(background!, map)), [1, 2, 3]);
        return mean(div(outside, add(sum(map, [1, 2, 3]), LEAST_EVIDENCE)));
      });
    },
  },
} as const satisfies Form;
