/** What a trial is asked for: how models are trained, and what the treated one is treated by. */

import type { StateDict } from "../nn/state.ts";
import type { OptimizerName } from "../train/optimizers/optimizers.ts";
import type { WeightsFormat } from "../run/run_folder.ts";
import type { StepSize } from "../train/parts.ts";
import type { LrSchedule } from "../train/rate.ts";
import type { Selection } from "../train/select.ts";
import type { Constraint } from "./constraint.ts";

/** What a model is treated by: the constraint, and how the kernels that it rests on are found. */
export interface Treatment {
  readonly constraint: Constraint;
  /** Share of a class's range of responses from which a kernel is its own. */
  readonly theta: number;
  /** Images that a class is diagnosed by. */
  readonly imagesPerClass: number;
}

/**
 * Where control and treated start: at the baseline's weights, or, as in the authors' scripts, at
 * untrained ones; what the baseline is needed for is then its diagnosis alone.
 */
export const STARTS = ["baseline", "scratch"] as const;

export interface StageSettings extends StepSize {
  /** The classifier's name. */
  readonly model: string;
  /** Epochs of the baseline, unless weights are given. */
  readonly epochs: number;
  /** Further epochs, with and without the constraint. */
  readonly treatEpochs: number;
  readonly start: typeof STARTS[number];
  readonly lr: number;
  readonly treatLr: number;
  readonly lrSchedule?: LrSchedule;
  readonly select?: Selection;
  readonly optimizer?: OptimizerName;
  readonly momentum: number;
  readonly weightDecay: number;
  /** Half width of the feature noise in the diagnosis. */
  readonly noise: number;
  readonly noiseCopies: number;
  readonly seed: number;
  /** Training images to use, before the validation split; all of them where absent. */
  readonly limit?: number;
  /** Share of the training images that is kept for validation. */
  readonly validation: number;
  /** How the weights are written. */
  readonly format?: WeightsFormat;
  /** Trained weights to start from instead of training a baseline. */
  readonly weights?: { readonly path: string; readonly state: StateDict };
}

/** How many images are looked at at a time where none are trained on: what a step has room for. */
export const imagesAtATime = ({ batch, microBatch = batch }: StepSize): number => microBatch;
