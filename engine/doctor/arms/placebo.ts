/**
 * Placebos: the same constraint, on masks and kernels that know nothing. What a treated model gains
 * beyond them is what its masks and kernels add; what they gain over the control is the constraint's
 * whatever it is told.
 */

import type { Masks } from "../../data/dataset.ts";
import { type ArmSite, defineArm, type Recipe } from "./arm.ts";
import { masksOfOthers, meanKernels, meanMask, otherKernels } from "./misplaced.ts";
import { constrained } from "./treated.ts";

export const placebo = defineArm({
  name: "placebo",
  words: "trained on with the constraint, on masks of other images and kernels drawn by lot",
  help: "the same with masks of other images and random kernels",
  needs: ["evidence"],
  isConstrained: true,
  options: {},
  cost: 3,
  recipe: (site) => {
    const { kernels, settings: { seed } } = site;
    const masks = (of: Masks) => masksOfOthers(of, seed);
    return misled(site, masks, otherKernels(kernels, seed));
  },
});

export const placeboMean = defineArm({
  name: "placebo-mean",
  words: "trained on with the constraint, on one mean mask for all and the same kernels for all",
  help: "the same with one mean mask and mean kernels for all",
  needs: ["evidence"],
  isConstrained: true,
  options: {},
  cost: 3,
  recipe: (site) => misled(site, meanMask, meanKernels(site.kernels)),
});

/** The treated arm's recipe on other masks and kernels. */
function misled(
  site: ArmSite,
  change: (masks: Masks) => Masks,
  kernels: ArmSite["kernels"],
): Recipe {
  const { train } = site.split;
  const masks = train.masks && train.masks.count > 0 ? change(train.masks) : train.masks;
  return { ...constrained({ ...site, kernels }), train: { ...train, masks } };
}
