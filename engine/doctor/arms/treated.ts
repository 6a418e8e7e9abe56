/** The treatment on trial: further training with the constraint on gradients. */

import { constraintPenalty } from "../penalty.ts";
import { type ArmSite, defineArm, type Recipe } from "./arm.ts";

export const treated = defineArm({
  name: "treated",
  words: "trained on with the constraint",
  help: "with the constraint on gradients",
  source: "Feng et al., AAAI 2022",
  needs: [],
  isConstrained: true,
  options: {},
  cost: 3,
  recipe: (site) => constrained(site),
});

/** Further training with the constraint, on the masks and kernels that there are. */
export function constrained({ network, treatment, kernels, settings }: ArmSite): Recipe {
  const { constraint, theta, imagesPerClass } = treatment;
  const { noise, noiseCopies } = settings;
  return {
    penalty: constraintPenalty(network, constraint, kernels),
    settings: { constraint, theta, imagesPerClass, noise, noiseCopies },
  };
}
