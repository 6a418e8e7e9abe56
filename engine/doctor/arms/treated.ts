/** The treatment on trial: further training with the constraint on gradients. */

import { constraintPenalty } from "../penalty.ts";
import { defineArm } from "./arm.ts";

export const treated = defineArm({
  name: "treated",
  words: "trained on with the constraint",
  help: "with the constraint on gradients",
  source: "Feng et al., AAAI 2022",
  needs: [],
  options: {},
  cost: 3,
  recipe: ({ network, treatment, kernels, settings: { noise, noiseCopies } }) => {
    const { constraint, theta, imagesPerClass } = treatment;
    return {
      penalty: constraintPenalty(network, constraint, kernels),
      settings: { constraint, theta, imagesPerClass, noise, noiseCopies },
    };
  },
});
