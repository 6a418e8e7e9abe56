/** Constraints in short: both terms have the same form, layers and schedule unless told otherwise. */

import type { Constraint, Term } from "../../engine/doctor/constraint.ts";
import { ALWAYS } from "../../engine/train/schedule.ts";

export interface Short extends Partial<Omit<Term, "weight">> {
  readonly alpha?: number;
  readonly beta?: number;
  /** Where the space-wise term differs. */
  readonly space?: Partial<Term>;
}

export function constraintOf({ alpha = 1, beta = 0, space, ...more }: Short): Constraint {
  const both = { form: "paper", layers: [], schedule: ALWAYS, ...more } as const;
  return { channel: { ...both, weight: alpha }, space: { ...both, weight: beta, ...space } };
}
