/**
 * Averaged weights at a constant learning rate, which keeps moving through the weights that are
 * averaged; see train/average.ts.
 */

import { defineArm } from "./arm.ts";

export const swa = defineArm({
  name: "swa",
  words: "trained on at a constant rate, its weights then averaged",
  help: "the mean of the weights that a constant rate passes through",
  source: "Izmailov et al., UAI 2018",
  needs: [],
  options: {
    swaStart: {
      type: "number",
      min: 0,
      below: 1,
      default: 0.25,
      help: "swa: share of the steps after which the mean begins",
    },
    swaEvery: {
      type: "integer",
      min: 1,
      max: 1e6,
      default: 10,
      help: "swa: steps from one of the averaged weights to the next",
    },
  },
  recipe: (_, { swaStart, swaEvery }) => ({
    average: { start: swaStart, every: swaEvery },
    lrSchedule: "constant",
  }),
});
