/**
 * The constraints as the authors write them. In the channel-wise one 1/B stands twice, as in their
 * code: in the score, a mean over the batch, and in the mean of the constraint; so at twice the batch
 * the same weight counts for half as much.
 */

import { gatherRows } from "../../tensor/indexing.ts";
import { abs, add, mul } from "../../tensor/pointwise.ts";
import { sum } from "../../tensor/reduce.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { aggregate, confusingClass, scoreGradients } from "../score.ts";
import type { ClassKernels, Form } from "./form.ts";
import { backgroundAt, foreignKernels } from "./outside.ts";

export const paper = {
  name: "paper",
  words: "as published",
  help: "as published",
  channel: {
    weight: 0.1,
    needs: [],
    build({ graph: { logits, labels, output, share = 1 }, layers, kernels }) {
      const outputs = layers.map(output);
      const own = scoreGradients(logits, labels, outputs);
      const confusing = confusingClass(logits, labels);
      const other = scoreGradients(logits, confusing, outputs);
      return layers.map((layer, i) => {
        const [a, b] = [own[i], other[i]].map(aggregate);
        const value = channelConstraint(a, b, kernels.get(layer)!, labels, confusing);
        // The second 1/B is of the step's images, of which these may be a part.
        return mul(value, share);
      });
    },
  },
  space: {
    // It lowered accuracy at every weight that was tried.
    weight: 0,
    needs: ["background", "pixels"],
    build: ({ graph: { logits, labels, output, background }, layers }) =>
      scoreGradients(logits, labels, layers.map(output)).map((gradient) =>
        spatialConstraint(gradient, backgroundAt(background!, gradient))
      ),
  },
} as const satisfies Form;

/**
 * The channel-wise constraint at one layer,
 *
 *     L = 1/B sum_b sum_j  aggregate(d s(k) / d A)[b, j] mask[k_b, j]
 *                        + aggregate(d s(c) / d A)[b, j] (1 - mask[c_b, j]),
 *
 * c the label and k the confusing class: less response of the confusing class on its own kernels,
 * and of the true class on kernels that are not its own. Where a class's own kernels are not known
 * (it had no image that was classified right), no kernel is taken for foreign: the empty mask would
 * suppress every response of the classes that do worst.
 * @param own aggregated gradient of the label's score [B, C]
 * @param other aggregated gradient of the confusing class' score [B, C]
 */
export function channelConstraint(
  own: Tensor,
  other: Tensor,
  kernels: ClassKernels,
  labels: Tensor,
  confusing: Tensor,
): Tensor {
  const confused = mul(other, gatherRows(kernels.mask, confusing));
  const stray = mul(own, foreignKernels(kernels, labels));
  return mul(sum(add(confused, stray)), 1 / labels.size);
}

/**
 * The space-wise constraint at one layer, L = sum |background * d s(c) / d A|: no response outside
 * of the figure.
 * @param gradient d s(c) / d A [B, H, W, C]
 * @param background share of background in each pixel [B, H, W, 1]; see `backgroundAt`
 */
export function spatialConstraint(gradient: Tensor, background: Tensor): Tensor {
  return sum(abs(mul(gradient, background)));
}
