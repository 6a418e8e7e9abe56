/** What a training is asked for, what it tells while it runs, and what it ends with. */

import type { DataSet, Split } from "../data/dataset.ts";
import type { Settings } from "../io/canonical.ts";
import type { AverageOptions } from "./average.ts";
import type { CheckpointStore, EpochRecord } from "./checkpoint.ts";
import type { Order } from "./order.ts";
import type { LrSchedule } from "./rate.ts";
import type { Selection } from "./select.ts";
import type { StepOptions } from "./step.ts";

/**
 * A training of a network. Left to their defaults, its parts make it SGD on the cross entropy of
 * shuffled images; a treatment puts others in the place of some.
 */
export interface TrainOptions extends StepOptions {
  /** "baseline", "control", "treated": for progress, metrics and messages. */
  readonly stage: string;
  readonly set: DataSet;
  readonly train: Split;
  readonly validation: Split;
  readonly epochs: number;
  /** Learning rate at the start. */
  readonly lr: number;
  /** What becomes of it over the epochs; it falls to zero along a cosine if absent. */
  readonly lrSchedule?: LrSchedule;
  /** Which images each epoch's steps see; all in random order if absent. */
  readonly order?: Order;
  /** Ends with the mean of the weights, which the last epoch's validation is of. */
  readonly average?: AverageOptions;
  /** What decides which epoch is kept; the accuracy on the validation images if absent. */
  readonly select?: Selection;
  /** What is done to the network of the epoch that is kept, such as to calibrate it. */
  readonly finish?: () => Promise<void>;
  /** Where the run's state is kept while it is under way; nowhere if absent. */
  readonly checkpoint?: CheckpointStore;
  /**
   * What decides the result besides the numbers above, functions among the options included: only
   * the same run takes a checkpoint up.
   */
  readonly settings?: Settings;
  readonly signal?: AbortSignal;
  /** Told why steps are done again to find where the training diverged, before they are. */
  readonly onReplay?: (why: string) => void;
  /** Told the epochs that are already there when a checkpoint is taken up. */
  readonly onResume?: (history: readonly EpochRecord[]) => void;
  readonly onProgress?: (progress: TrainProgress) => void;
  readonly onEpoch?: (record: EpochRecord) => void | Promise<void>;
}

export interface TrainProgress {
  readonly epoch: number;
  readonly epochs: number;
  readonly step: number;
  readonly steps: number;
  readonly batch: number;
  /** Means over the epoch so far: loss, accuracy and the penalty's terms; {} as it begins. */
  readonly metrics: Readonly<Record<string, number>>;
}

export interface TrainResult {
  readonly history: readonly EpochRecord[];
  /** From 1. */
  readonly bestEpoch: number;
}

/** Everything that decides what a training ends with. */
export function trainSettings(options: TrainOptions): Settings {
  const { stage, set, epochs, batch, microBatch, lr, momentum, weightDecay, seed, settings } =
    options;
  const { optimizer = "sgd", lrSchedule = "cosine", select = "accuracy" } = options;
  const { sam, average, trainable } = options;
  const images = {
    train: options.train.labels.length,
    validation: options.validation.labels.length,
  };
  return {
    ...settings,
    ...{ stage, data: set.name, images, epochs, batch, microBatch, seed },
    ...{ optimizer, lr, lrSchedule, momentum, weightDecay, sam, average, select },
    trainable: trainable && { ...trainable, names: [...trainable.names] },
  };
}
