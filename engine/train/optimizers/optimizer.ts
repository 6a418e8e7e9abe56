/**
 * What an optimizer is: from the gradients of a batch the parameters' new values. An optimizer is
 * one file here and a line in the table (optimizers.ts); flags, help and checkpoints follow.
 */

import type { AssignmentPair, Tensor, Variable } from "../../tensor/tensor.ts";
import type { StepState } from "../state.ts";

/** The constants of the update rules. */
export interface OptimizerOptions {
  /** Share of SGD's velocity that is kept, in 0 .. 1. */
  readonly momentum: number;
  /** Weight of the squared parameters in the loss, halved; added to the gradient. */
  readonly weightDecay: number;
}

/** A parameter in training. */
export interface Trained {
  /** In the state dict. */
  readonly name: string;
  readonly parameter: Variable;
  /** What is updated: the parameter, or where it stood before SAM moved it. */
  readonly value: Tensor;
  /** Of the loss, in the parameter. */
  readonly gradient: Tensor;
}

export interface Optimizer<Name extends string = string> {
  readonly name: Name;
  /** A few words of help. */
  readonly help: string;
  /**
   * New values of the parameters, and of what is remembered of them.
   * @param lr the learning rate []
   * @param state takes up what is remembered
   */
  update(
    trained: readonly Trained[],
    lr: Tensor,
    options: OptimizerOptions,
    state: StepState,
  ): AssignmentPair[];
}
