/** The flags of training on with a constraint, which `treat` and `study sweep` share. */

import { STARTS } from "../engine/doctor/stages.ts";
import { COURSES, type Strength } from "../engine/train/schedule.ts";
import { flagTable, type Values } from "./framework/flags.ts";

export const furtherFlags = flagTable({
  epochs: { type: "integer", min: 1, default: 5, help: "epochs of the baseline" },
  treatEpochs: {
    type: "integer",
    min: 1,
    default: 2,
    help: "further epochs, of the control and of each treated model",
  },
  treatLr: { type: "number", above: 0, default: 0.01, help: "learning rate of those epochs" },
  weights: {
    type: "string",
    value: "FILE",
    help: "trained weights (.safetensors, .pth) instead of a baseline",
  },
  start: {
    type: "choice",
    choices: STARTS,
    default: "baseline",
    help:
      "where control and treated start: the baseline's weights, or untrained ones, those that " +
      "the baseline started from (scratch)",
  },
  warmup: {
    type: "number",
    min: 0,
    default: 0,
    help: "further epochs over which the constraint grows to its weight",
  },
  course: {
    type: "choice",
    choices: COURSES,
    default: "constant",
    help: "what its weight does then: stay, or fall to zero along a cosine",
  },
});

/** The constraint's strength over the epochs; undefined where it is always the same. */
export function strengthOf(
  { warmup, course }: Pick<Values<typeof furtherFlags>, "warmup" | "course">,
): Strength | undefined {
  return warmup > 0 || course !== "constant" ? { warmup, course } : undefined;
}
