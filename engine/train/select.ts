/** Which epoch of a training is kept, by what the validation images say. */

import { type Accuracy, accuracy, type Prediction } from "./predictions.ts";

export const SELECTIONS = ["accuracy", "worst-class", "last"] as const;

/**
 * The highest accuracy, or the highest accuracy of the class that does worst: where a shortcut helps
 * most images, the mean hides those that it misleads, and to see that takes no more than labels. Or
 * the last epoch, whatever validation says: where it has the shortcut too, it would choose that.
 */
export type Selection = typeof SELECTIONS[number];

/** What an epoch's validation says. */
export interface Validation extends Accuracy {
  /** The lowest accuracy of a class; absent in runs of before it was measured. */
  readonly worst_class?: number;
}

export function validate(of: readonly Prediction[]): Validation {
  const classes = Map.groupBy(of, ({ label }) => label);
  const accuracies = classes.values().map((images) => accuracy(images).accuracy);
  return { ...accuracy(of), worst_class: Math.min(...accuracies) };
}

/** Whether `a`, the later epoch, is to be kept and not `b`; what ties is decided by the accuracy, then by the loss. */
export function isBetter(a: Validation, b: Validation, by: Selection): boolean {
  if (by === "last") return true;
  const [first, second] = [a, b].map((one) => [
    ...by === "worst-class" ? [one.worst_class ?? 0] : [],
    ...[one.accuracy, -one.loss],
  ]);
  const at = first.findIndex((value, i) => value !== second[i]);
  return first[at] > second[at];
}
