/** The learning rate over the epochs. */

import { cosineRate } from "./schedule.ts";

export const LR_SCHEDULES = ["cosine", "constant"] as const;
export type LrSchedule = typeof LR_SCHEDULES[number];

/** The learning rate of an epoch (from 0): falling to zero along a cosine, or `base` in all. */
export function learningRate(
  schedule: LrSchedule,
  base: number,
  epoch: number,
  epochs: number,
): number {
  return schedule === "constant" ? base : cosineRate(base, epoch, epochs);
}
