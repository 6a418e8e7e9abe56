/**
 * The constraint on gradients that a network is treated by, as a value: training minimises
 *
 *     cross entropy + alpha channel-wise term + beta space-wise term,
 *
 * where each term has a form (forms/), a weight, the layers that it holds at, and a schedule. It
 * stands like this in result.json, and wherever it is handed on.
 */

import { ALWAYS, type Schedule, scheduleInWords } from "../train/schedule.ts";
import { type FormName, formWords } from "./forms/forms.ts";
import { type TermName, TERMS } from "./terms.ts";

export interface Term {
  readonly form: FormName;
  /** 0 where the term is off. */
  readonly weight: number;
  /** Whether the weight is kappa, a ratio of losses that is yet to be measured; see ratio.ts. */
  readonly relative?: boolean;
  /** Names of modules, or "input". */
  readonly layers: readonly string[];
  /** How strong it is over the epochs, as a factor of its weight. */
  readonly schedule: Schedule;
}

/** The channel-wise term's layers are diagnosed even where it is off. */
export type Constraint = Readonly<Record<TermName, Term>>;

/** Of the terms of which the weight is a ratio what it came to, where that is known. */
export type Weights = Readonly<Partial<Record<TermName, number>>>;

/** A term that is not used. */
export const OFF: Term = { form: "paper", weight: 0, layers: [], schedule: ALWAYS };

/** The terms that are used, in order. */
export const termsOf = (constraint: Constraint): TermName[] =>
  TERMS.filter((term) => constraint[term].weight !== 0);

/** Each term's form, weight, layers and schedule, for a reader. */
export function constraintInWords(constraint: Constraint, weights: Weights = {}): string {
  const words = termsOf(constraint).map((name) => {
    const { form, layers, schedule } = constraint[name];
    const grows = scheduleInWords(schedule);
    return `${name}-wise ${formWords(form)} at ` +
      `${weightInWords(constraint[name], weights[name])} on ${layers.join(", ")}` +
      (grows && `, ${grows}`);
  });
  return words.join("; ") || "none";
}

/** "weight 0.1", "kappa 0.3", or "weight 0.423 (kappa 0.3)". @param measured what kappa came to */
export function weightInWords({ weight, relative }: Term, measured?: number): string {
  if (!relative) return `weight ${weight}`;
  return measured === undefined ? `kappa ${weight}` : `weight ${measured} (kappa ${weight})`;
}
