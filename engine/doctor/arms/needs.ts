/** What arms can't do without, and what is said where it is missing. */

import type { DataSet } from "../../data/dataset.ts";
import type { Module } from "../../nn/module.ts";
import { type Constraint, termsOf } from "../constraint.ts";
import { headOf } from "../head.ts";
import { restsOn } from "../penalty.ts";
import type { ArmNeed } from "./arm.ts";

/** What an arm is to be trained on. */
export interface ArmSubject {
  readonly network: Module;
  readonly set: DataSet;
  readonly constraint: Constraint;
  /** Images of which gradients are taken at a time, where that is not the batch. */
  readonly microBatch?: number;
}

/** What is lacking, for the end of a sentence, or undefined. */
const CHECKS: Readonly<Record<ArmNeed, (subject: ArmSubject) => string | undefined>> = {
  constraint: ({ constraint }) =>
    termsOf(constraint).length > 0 ? undefined : "there is no constraint: its weights are 0",
  evidence: ({ network, set, constraint }) => {
    const { masks, kernels } = restsOn(network, set, constraint);
    if (kernels || (masks && set.train.masks!.count > 1)) return undefined;
    return "no term of the constraint rests on kernels or on masks that could be exchanged";
  },
  masks: ({ set: { train } }) =>
    train.masks?.count ? undefined : "the training images have no masks",
  groups: ({ set: { train } }) =>
    train.backgrounds ? undefined : "the training images' groups (their backgrounds) are not known",
  "scalable head": ({ network, set }) => {
    const { parameters, scales } = headOf(network, set);
    if (scales) return undefined;
    return `a temperature can't be folded into ${[...parameters.keys()].join(" and ")}: ` +
      "the logits are not in proportion to them";
  },
  "whole batches": ({ microBatch }) =>
    microBatch === undefined
      ? undefined
      : "its loss is none of single images, so a batch has no parts",
};

/** What of an arm's needs is lacking first; undefined where it can be had. */
export const lackingOf = (needs: readonly ArmNeed[], subject: ArmSubject): string | undefined =>
  needs.map((need) => CHECKS[need](subject)).find((why) => why !== undefined);
