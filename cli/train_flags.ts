/** Flags of training: which images, for how long, how; and what decides everything random. */

import { OPTIMIZERS } from "../engine/train/optimizers/optimizers.ts";
import { LR_SCHEDULES } from "../engine/train/rate.ts";
import { SELECTIONS } from "../engine/train/select.ts";
import { WEIGHTS_FORMATS } from "../engine/run/run_folder.ts";
import { activationsFlag, exactFlag } from "./exact.ts";
import { microBatchFlag } from "./parts.ts";
import { flagTable } from "./framework/flags.ts";
import { needs } from "./framework/rules.ts";

const MAX_SEED = 2 ** 32 - 1;

export const seedFlag = flagTable({
  seed: {
    type: "integer",
    min: 0,
    max: MAX_SEED,
    default: 0,
    help: "decides everything random",
  },
});

/** How many seeds, from --seed on. */
export const seedsFlag = <const Default extends number>(of: Default, help: string) =>
  flagTable({
    seeds: {
      type: "integer",
      min: 1,
      max: 1000,
      default: of,
      help,
      rule: ({ seed, seeds }) =>
        Number(seed) + Number(seeds) - 1 > MAX_SEED
          ? `${seeds} from --seed ${seed} on go past the largest seed, ${MAX_SEED}`
          : undefined,
    },
  });

export const batchFlag = flagTable({
  batch: { type: "integer", min: 1, max: 65536, default: 64, help: "images in a step" },
});

/** Bounds that no sensible command line meets: beyond them a number is a slip of the hand. */
export const MAX_IMAGES = 1e9, MAX_EPOCHS = 1e5, MAX_WEIGHT = 1e6;

/** Which training images are looked at, and the folder for what is found in them. */
export const trainingImagesFlags = flagTable({
  limit: {
    type: "integer",
    min: 20,
    max: MAX_IMAGES,
    help: "training images to use (default all)",
  },
  validation: {
    type: "number",
    min: 0,
    below: 1,
    default: 0.1,
    help: "share of the training images to leave out, as training did",
  },
  out: {
    type: "string",
    value: "DIR",
    help: "the folder for it (default a new one in runs/)",
    writes: { what: "folder", otherwise: "runs" },
  },
});

export const trainFlags = flagTable({
  ...batchFlag,
  ...microBatchFlag,
  ...seedFlag,
  lr: {
    type: "number",
    above: 0,
    max: 100,
    default: 0.01,
    help: "learning rate at the start",
    // Where a trained network is given, --treat-lr is what is left.
    need: needs.absent("weights"),
  },
  lrSchedule: {
    type: "choice",
    choices: LR_SCHEDULES,
    default: "cosine",
    help: "the learning rate over the epochs: down to 0 along a cosine, or the same in all",
  },
  optimizer: {
    type: "choice",
    choices: OPTIMIZERS.map(({ name }) => name),
    default: "sgd",
    help: "how weights follow gradients: " +
      OPTIMIZERS.map(({ name, help }) => `${name} (${help})`).join(", "),
  },
  momentum: {
    type: "number",
    min: 0,
    below: 1,
    default: 0.9,
    help: "momentum of SGD",
    need: needs.oneOf("optimizer", "sgd"),
  },
  weightDecay: { type: "number", min: 0, max: 1, default: 5e-4, help: "weight decay" },
  validation: {
    type: "number",
    above: 0,
    below: 1,
    default: 0.1,
    help: "share of the training images on which the best epoch is chosen",
  },
  select: {
    type: "choice",
    choices: SELECTIONS,
    default: "accuracy",
    help:
      "which epoch is kept: the best in accuracy, in that of the class that does worst, or the " +
      "last one",
  },
  limit: {
    type: "integer",
    min: 20,
    max: MAX_IMAGES,
    help: "training images to use (default all)",
  },
  ...exactFlag,
  ...activationsFlag,
  out: {
    type: "string",
    value: "DIR",
    help: "the run folder (default a new one in runs/)",
    writes: { what: "folder", otherwise: "runs" },
  },
  resume: {
    type: "string",
    value: "DIR",
    writes: { what: "folder" },
    help: "continue the run in this folder, with its own settings",
  },
});

/** Of the commands that leave weights. */
export const formatFlag = flagTable({
  format: {
    type: "choice",
    choices: WEIGHTS_FORMATS,
    default: "safetensors",
    help: "how weights are written: as .safetensors, or as .pth too, which torch.load takes",
  },
});
