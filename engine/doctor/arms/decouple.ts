/**
 * Spectral decoupling: the mean squared logit in the place of a hold on the weights, so that a
 * feature that is learnt first doesn't starve the others of gradient.
 */

import { add, mul, square } from "../../tensor/pointwise.ts";
import { mean } from "../../tensor/reduce.ts";
import { classification } from "../../train/loss.ts";
import { defineArm } from "./arm.ts";

export const decouple = defineArm({
  name: "decouple",
  words: "trained on with small logits (spectral decoupling)",
  help: "mean squared logits beside the loss: spectral decoupling",
  source: "Pezeshki et al., NeurIPS 2021",
  needs: [],
  options: {
    decoupling: {
      type: "number",
      above: 0,
      max: 1e6,
      default: 0.1,
      help: "decouple: weight of the mean squared logits",
    },
  },
  recipe: (_, { decoupling }) => ({
    objective: (graph, state) =>
      add(classification(graph, state), mul(mean(square(graph.logits)), decoupling)),
    settings: { decoupling },
  }),
});
