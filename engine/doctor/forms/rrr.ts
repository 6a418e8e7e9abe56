/**
 * "Right for the right reasons" (Ross, Hughes and Doshi-Velez, IJCAI 2017): the squared gradient of
 * the summed log-probabilities on the background,
 *
 *     L = 1/B sum_b sum_hwj (m d(sum_k log p_bk) / dA)^2,
 *
 * at the input as published. Of all classes, so that it asks nothing of the label. The published
 * weight is 1000, beside a cross entropy that is summed over the batch as this is; to the means of
 * both, as here, it is the same.
 */

import { logSoftmax } from "../../tensor/loss.ts";
import { mul, square } from "../../tensor/pointwise.ts";
import { sum } from "../../tensor/reduce.ts";
import { gradientsAt } from "../score.ts";
import type { Form } from "./form.ts";
import { backgroundAt } from "./outside.ts";

export const rrr = {
  name: "rrr",
  words: "as right for the right reasons",
  help: "the squared gradient of all log-probabilities on the background (RRR)",
  space: {
    weight: 1000,
    layers: ["input"],
    needs: ["background", "pixels"],
    build: ({ graph: { logits, labels, output, background }, layers }) =>
      gradientsAt(sum(logSoftmax(logits)), layers.map(output)).map((gradient) => {
        const outside = mul(gradient, backgroundAt(background!, gradient));
        return mul(sum(square(outside)), 1 / labels.size);
      }),
  },
} as const satisfies Form;
