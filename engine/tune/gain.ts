/**
 * Whether a variant that was found to be the fastest of many is faster than the rule's choice. The
 * fastest of many was lucky too, so the times that chose it can't say; the two are timed anew, in
 * turns. Of 15 rounds the median ratio lies between the fourth and the twelfth in 96 of 100 cases,
 * whatever disturbs the machine (the sign test).
 */

import { median } from "../averages.ts";

/** Rounds in which two variants are timed anew. */
export const ROUNDS = 15;
/** So many rounds may say otherwise at each end. */
const OUTSIDE = 3;
/** A variant that is faster by less than this is not preferred. */
const MARGIN = 0.02;

export interface Gain {
  /** How many times as long the rule's choice takes: the median of the rounds' ratios. */
  readonly ratio: number;
  /** Where that surely lies. */
  readonly low: number;
  readonly high: number;
  /** It is worth to be kept. */
  readonly isStable: boolean;
}

/** @param untuned times of the rule's choice and @param own of the other, round by round */
export function gainOf(untuned: readonly number[], own: readonly number[]): Gain {
  const ratios = untuned.map((time, k) => time / own[k]).sort((a, b) => a - b);
  const [low, high] = [ratios[OUTSIDE], ratios.at(-1 - OUTSIDE)!];
  return { ratio: median(ratios), low, high, isStable: low > 1 + MARGIN };
}
