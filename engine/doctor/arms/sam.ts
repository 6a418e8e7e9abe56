/** Sharpness-aware minimisation; see train/optimizers/sam.ts. */

import { defineArm } from "./arm.ts";

export const sam = defineArm({
  name: "sam",
  words: "trained on by sharpness-aware minimisation",
  help: "sharpness-aware minimisation, at twice the cost",
  source: "Foret et al., ICLR 2021",
  needs: [],
  options: {
    samRho: {
      type: "number",
      above: 0,
      max: 100,
      default: 0.05,
      help: "sam: how far the weights are moved, as the length of all together",
    },
  },
  cost: 2,
  room: { sam: { rho: 0.05 } },
  recipe: (_, { samRho }) => ({ sam: { rho: samRho } }),
});
