/** Label smoothing: targets (1 - e) one-hot + e / K, so that no logit has to grow without end. */

import { oneHot } from "../../tensor/indexing.ts";
import { add, mul } from "../../tensor/pointwise.ts";
import type { Transform } from "../../train/graph.ts";
import { defineArm } from "./arm.ts";

export const smooth = defineArm({
  name: "smooth",
  words: "trained on with smoothed labels",
  help: "label smoothing",
  source: "Szegedy et al., CVPR 2016",
  needs: [],
  options: {
    smoothing: {
      type: "number",
      above: 0,
      below: 1,
      default: 0.1,
      help: "smooth: share of the target that all classes have alike",
    },
  },
  recipe: ({ set }, { smoothing }) => ({
    transform: smoothed(set.classes.length, smoothing),
    settings: { smoothing },
  }),
});

const smoothed = (classes: number, share: number): Transform => (batch) => ({
  ...batch,
  targets: add(mul(oneHot(batch.labels, classes), 1 - share), share / classes),
});
