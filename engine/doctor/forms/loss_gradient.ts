/**
 * The squared norm of the loss's gradient (double backpropagation, Drucker and LeCun, 1992),
 *
 *     L = 1/B sum_b |d CE_b / dA|^2,
 *
 * at the input unless told otherwise. It knows of no masks and of no kernels: what a form with masks
 * gains beyond it is the masks'.
 */

import { crossEntropyPerSample } from "../../tensor/loss.ts";
import { mul, square } from "../../tensor/pointwise.ts";
import { sum } from "../../tensor/reduce.ts";
import { gradientsAt } from "../score.ts";
import { BY_RATIO, type Form } from "./form.ts";

export const lossGradient = {
  name: "loss-gradient",
  words: "as the squared gradient of the loss",
  help: "the squared gradient of the loss, without masks",
  space: {
    ...BY_RATIO,
    weight: 0.03,
    layers: ["input"],
    needs: [],
    build: ({ graph: { logits, labels, output }, layers }) =>
      gradientsAt(sum(crossEntropyPerSample(logits, labels)), layers.map(output))
        .map((gradient) => mul(sum(square(gradient)), 1 / labels.size)),
  },
} as const satisfies Form;
