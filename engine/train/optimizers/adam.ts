/**
 * Adam (Kingma and Ba, ICLR 2015) with weight decay in the gradient, as PyTorch's `Adam` computes it
 * with its default constants:
 *
 *     m = a m + (1 - a) g        a = 0.9       g holds the weight decay
 *     v = b v + (1 - b) g^2      b = 0.999
 *     w = w - lr (m / (1 - a^t)) / (sqrt(v / (1 - b^t)) + 1e-8)
 *
 * The corrections 1 - a^t and 1 - b^t are what the same averages make of ones, and so they are kept:
 * as a difference, 1 - 0.999 would have lost five of float32's seven digits.
 */

import { add, div, mul, sqrt, square, sub } from "../../tensor/pointwise.ts";
import { type AssignmentPair, constant, type Tensor } from "../../tensor/tensor.ts";
import type { Optimizer } from "./optimizer.ts";

/** Share of each moving average that is kept. */
const [FIRST, SECOND] = [0.9, 0.999];
const EPSILON = 1e-8;

const average = (old: Tensor, now: Tensor, kept: number) => add(mul(old, kept), mul(now, 1 - kept));

export const adam: Optimizer<"adam"> = {
  name: "adam",
  help: "which measures each weight's steps by its gradients",
  update: (trained, lr, { weightDecay }, state) => {
    const ones = constant(1);
    const counts = [FIRST, SECOND].map((kept) => {
      const old = state.keep(`average of ones at ${kept}`, []);
      return [old, average(old, ones, kept)] as const;
    });
    const [[, first], [, second]] = counts;
    const updates = trained.flatMap(({ name, parameter, value, gradient }): AssignmentPair[] => {
      const decayed = add(gradient, mul(value, weightDecay));
      const [m, v] = ["first", "second"].map((which) =>
        state.keep(`${which} moment of ${name}`, parameter.shape)
      );
      const [mean, spread] = [
        average(m, decayed, FIRST),
        average(v, square(decayed), SECOND),
      ];
      const size = add(sqrt(div(spread, second)), EPSILON);
      const step = div(mul(mean, div(lr, first)), size);
      return [[m, mean], [v, spread], [parameter, sub(value, step)]];
    });
    return [...counts, ...updates];
  },
};
