/** What arms can't do without, and what is said where it is missing. */

import type { DataSet } from "../../data/dataset.ts";
import { type Constraint, termsOf } from "../constraint.ts";
import type { ArmNeed } from "./arm.ts";

/** What is lacking, for the end of a sentence, or undefined. */
type Check = (set: DataSet, constraint: Constraint) => string | undefined;

const CHECKS: Readonly<Record<ArmNeed, Check>> = {
  constraint: (_, constraint) =>
    termsOf(constraint).length > 0 ? undefined : "there is no constraint: its weights are 0",
  masks: ({ train }) => train.masks?.count ? undefined : "the training images have no masks",
  groups: ({ train }) =>
    train.backgrounds ? undefined : "the training images' groups (their backgrounds) are not known",
};

/** What of an arm's needs the data or the constraint lacks first; undefined where it can be had. */
export function lackingForArm(
  needs: readonly ArmNeed[],
  set: DataSet,
  constraint: Constraint,
): string | undefined {
  return needs.map((need) => CHECKS[need](set, constraint)).find((why) => why !== undefined);
}
