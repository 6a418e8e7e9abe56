/** The flags of training on with a constraint, and those of `treat`, which `table` has too. */

import { armOptions, ARMS, needsConstraint, USUAL_ARMS } from "../engine/doctor/arms/arms.ts";
import { BUDGETS } from "../engine/doctor/arms/budget.ts";
import { probeOptions, PROBES } from "../engine/doctor/probes/probes.ts";
import { STARTS } from "../engine/doctor/treatment.ts";
import type { OptionTable } from "../engine/options.ts";
import { dataFlags, masksFlag } from "./data.ts";
import { diagnosisFlags } from "./kernel_flags.ts";
import { formatFlag, MAX_EPOCHS, MAX_IMAGES, seedsFlag, trainFlags } from "./train_flags.ts";
import { modelFlags, newHeadFlag, ownWeights } from "./model_flags.ts";
import { constraintFlags } from "./constraint_flags.ts";
import { flagTable } from "./framework/flags.ts";
import { needs } from "./framework/rules.ts";

/** What `treat` and `study sweep` share. */
export const furtherFlags = flagTable({
  epochs: {
    type: "integer",
    min: 1,
    max: MAX_EPOCHS,
    default: 5,
    help: "epochs of the baseline",
    need: needs.absent("weights"),
  },
  treatEpochs: {
    type: "integer",
    min: 1,
    max: MAX_EPOCHS,
    default: 2,
    help: "further epochs of every arm",
  },
  treatLr: {
    type: "number",
    above: 0,
    max: 100,
    default: 0.01,
    help: "learning rate of those epochs",
  },
  weights: {
    type: "string",
    value: "FILE",
    follows: ownWeights,
    help: "trained weights (.safetensors, .pth, .onnx) instead of a baseline (default those of " +
      "--model, where it is an .onnx)",
  },
  start: {
    type: "choice",
    choices: STARTS,
    default: "baseline",
    help:
      "where the arms start: the baseline's weights, or untrained ones, those that the baseline " +
      "started from (scratch)",
  },
});

/** Options of the constraint have no effect where no arm is trained with it. */
function inAnArm<T extends OptionTable>(flags: T): T {
  const needing = Object.entries(flags).map(([key, { need = [], ...flag }]) => [
    key,
    { ...flag, need: [need, needsConstraint].flat() },
  ]);
  return Object.fromEntries(needing);
}

export const treatFlags = flagTable({
  ...modelFlags,
  ...newHeadFlag,
  ...dataFlags,
  ...masksFlag,
  ...furtherFlags,
  ...trainFlags,
  ...formatFlag,
  testLimit: {
    type: "integer",
    min: 1,
    max: MAX_IMAGES,
    help: "test images to use (default all; with --limit as many as that, but 1000 at least)",
  },
  arms: {
    type: "list",
    of: "string",
    choices: ARMS.map(({ name }) => name),
    what: "arm",
    default: USUAL_ARMS,
    help: "what is trained on from the baseline and compared; the control always is. " +
      ARMS.map(({ name, help }) => `${name} (${help})`).join(", "),
  },
  ...armOptions,
  budget: {
    type: "choice",
    choices: BUDGETS,
    default: "steps",
    help: "what is the same for all arms: steps, or compute; then arms whose steps cost less are " +
      "trained for more epochs, the dearest for --treat-epochs",
  },
  ...inAnArm(constraintFlags),
  ...diagnosisFlags,
  ...seedsFlag(1, "runs with --seed, the next one and so on, and what they say together"),
  measures: {
    type: "list",
    of: "string",
    choices: [...PROBES.map(({ name }) => name), "none"],
    alone: "none",
    default: PROBES.filter(({ usual }) => usual).map(({ name }) => name),
    help: "what takes passes of its own: " +
      PROBES.map(({ name, help }) => `${name} (${help})`).join(", ") + "; or none",
  },
  measureImages: {
    type: "integer",
    min: 1,
    max: MAX_IMAGES,
    default: 200,
    help: "test images for those measures",
    need: needs.otherThan("measures", "none"),
  },
  ...probeOptions,
});
