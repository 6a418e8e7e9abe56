/**
 * Where a training run stands: weights, what steps remember, the best weights so far, and the
 * position. Everything random is a function of seed and step, so a run that is taken up from it
 * gives the same bits as one that was not stopped. Where it is kept is for the caller to say;
 * run/checkpoint_file.ts keeps it in a file.
 */

import type { Settings } from "../io/canonical.ts";
import type { StateDict } from "../nn/state.ts";
import type { Validation } from "./select.ts";

/** An epoch that is finished. */
export interface EpochRecord {
  readonly stage: string;
  /** From 1. */
  readonly epoch: number;
  readonly lr: number;
  readonly train: Readonly<Record<string, number>>;
  readonly validation: Validation;
  /** Wall-clock time, without pauses between a stop and its resumption. */
  readonly seconds: number;
  /** How much of it the next step's images were waited for, since the run was last taken up. */
  readonly waited?: number;
}

export interface Position {
  /** Epochs that are finished. */
  readonly epoch: number;
  /** Steps that are finished in the epoch under way. */
  readonly step: number;
  /** Wall-clock seconds spent on the epoch under way. */
  readonly seconds: number;
  readonly history: readonly EpochRecord[];
  /** The epoch (from 1) that is best so far; see select.ts. 0 before the first. */
  readonly bestEpoch: number;
  /** What the run was asked for; a checkpoint of another run is refused. */
  readonly settings: Settings;
}

export interface Checkpoint extends Position {
  readonly model: StateDict;
  /** What the steps remember beside the network; see state.ts. */
  readonly state: StateDict;
  readonly best: StateDict;
}

/** A place that keeps one checkpoint, to the bit. */
export interface CheckpointStore {
  /** For messages, such as a file's path. */
  readonly name: string;
  /** Puts a checkpoint in the place of the one before. */
  save(checkpoint: Checkpoint): Promise<void>;
  /**
   * The checkpoint, or undefined where there is none.
   * @param settings of the run that takes it up; one of another run is refused
   */
  load(settings: Settings): Promise<Checkpoint | undefined>;
}
