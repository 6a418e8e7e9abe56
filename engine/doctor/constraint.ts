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
  /** Names of modules, or "input". */
  readonly layers: readonly string[];
  /** How strong it is over the epochs, as a factor of its weight. */
  readonly schedule: Schedule;
}

/** The channel-wise term's layers are diagnosed even where it is off. */
export type Constraint = Readonly<Record<TermName, Term>>;

/** A term that is not used. */
export const OFF: Term = { form: "paper", weight: 0, layers: [], schedule: ALWAYS };

/** The terms that are used, in order. */
export const termsOf = (constraint: Constraint): TermName[] =>
  TERMS.filter((term) => constraint[term].weight !== 0);

/** Each term's form, weight, layers and schedule, for a reader. */
export function constraintInWords(constraint: Constraint): string {
  const words = termsOf(constraint).map((name) => {
    const { form, weight, layers, schedule } = constraint[name];
    const grows = scheduleInWords(schedule);
    return `${name}-wise ${formWords(form)} at weight ${weight} on ${layers.join(", ")}` +
      (grows && `, ${grows}`);
  });
  return words.join("; ") || "none";
}
