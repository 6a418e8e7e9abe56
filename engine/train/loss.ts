/** What a training minimises: the mean cross entropy or another objective, and penalties beside it. */

import { crossEntropy, logSoftmax } from "../tensor/loss.ts";
import { inLayer } from "../tensor/origin.ts";
import { add, mul, neg } from "../tensor/pointwise.ts";
import { mean, sum } from "../tensor/reduce.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";
import type { StepGraph } from "./graph.ts";
import type { Schedule } from "./schedule.ts";
import type { StepState } from "./state.ts";

/**
 * What is minimised in the place of the mean cross entropy: a scalar.
 * @param state takes up what it remembers from step to step
 */
export type Objective = (graph: StepGraph, state: StepState) => Tensor;

/** A term beside the objective; it is reported unweighted. */
export interface PenaltyTerm {
  readonly value: Tensor;
  readonly weight: number;
  readonly schedule: Schedule;
}

/** What is added to the objective: some terms, by name. */
export interface Penalty {
  build(graph: StepGraph): Readonly<Record<string, PenaltyTerm>>;
}

/** How strong a term is in a step, as a factor of its weight. */
export type Strength = (schedule: Schedule) => number;

export interface LossOptions {
  readonly objective?: Objective;
  readonly penalty?: Penalty;
}

/** A step's loss, and what it is made of. */
export interface Loss {
  readonly value: Tensor;
  /** The penalty's terms, unweighted. */
  readonly terms: readonly (readonly [name: string, value: Tensor])[];
  /** How strong each of them is, and what decides it. */
  readonly strengths: readonly (readonly [Input, Schedule])[];
}

/** The mean cross entropy of the logits against the targets, or where there are none the labels. */
export const classification: Objective = ({ logits, labels, targets }) =>
  targets ? mean(neg(sum(mul(logSoftmax(logits), targets), [1]))) : crossEntropy(logits, labels);

/** The objective with the penalty's terms, each times its weight and its strength. */
export function lossOf(
  graph: StepGraph,
  { objective = classification, penalty }: LossOptions,
  state: StepState,
): Loss {
  const main = inLayer("(loss)", () => objective(graph, state));
  const extra = Object.entries(inLayer("(constraint)", () => penalty?.build(graph) ?? {}));
  const strengths = extra.map(([name]) => new Input(`strength of ${name}`, []));
  const value = inLayer("(loss)", () => {
    const weighted = extra.map(([, { value, weight }], i) => mul(mul(value, weight), strengths[i]));
    return weighted.length > 0 ? add(main, weighted.reduce((sum, term) => add(sum, term))) : main;
  });
  return {
    value,
    terms: extra.map(([name, { value }]) => [name, value]),
    strengths: extra.map(([, { schedule }], i) => [strengths[i], schedule]),
  };
}
