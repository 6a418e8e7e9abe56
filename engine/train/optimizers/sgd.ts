/** Stochastic gradient descent with momentum and weight decay, as PyTorch's `SGD` computes it. */

import { add, mul, sub } from "../../tensor/pointwise.ts";
import type { AssignmentPair } from "../../tensor/tensor.ts";
import type { Optimizer } from "./optimizer.ts";

/** v = momentum v + (g + weightDecay w);  w = w - lr v */
export const sgd: Optimizer<"sgd"> = {
  name: "sgd",
  help: "with momentum",
  update: (trained, lr, { momentum, weightDecay }, state) =>
    trained.flatMap(({ name, parameter, value, gradient }): AssignmentPair[] => {
      const velocity = state.keep(`velocity of ${name}`, parameter.shape);
      const decayed = add(gradient, mul(value, weightDecay));
      const next = add(mul(velocity, momentum), decayed);
      return [[velocity, next], [parameter, sub(value, mul(next, lr))]];
    }),
};
