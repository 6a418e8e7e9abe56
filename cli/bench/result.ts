/**
 * What a benchmark leaves: a list of results, each of some work by some engine, in JSON. The work is
 * told as data, so that another program (pytorch.py) can do the same and answer with the same list.
 */

import type { ConvShape, Face } from "../../engine/gpu/kernels/conv_shape.ts";
import { geometricMean } from "../../engine/averages.ts";
import type { Roofline } from "../../engine/gpu/roofline.ts";

/** A piece of work, completely. All images are 32 x 32 x 3 and all values float32. */
export type WorkSpec =
  | { readonly kind: "face"; readonly face: Face; readonly shape: ConvShape }
  | { readonly kind: "product"; readonly size: number }
  | { readonly kind: "convolution"; readonly gradients: boolean; readonly shape: ConvShape }
  | PlainStepSpec
  | {
    readonly kind: "step";
    readonly model: string;
    readonly batch: number;
    readonly classes: number;
    readonly treat: boolean;
  }
  | {
    readonly kind: "evaluation";
    readonly model: string;
    readonly batch: number;
    readonly classes: number;
  };

/** A step of plain gradient descent of convolutions with bias, ReLU, max pool, and a linear head. */
export interface PlainStepSpec {
  readonly kind: "plain step";
  readonly batch: number;
  readonly size: number;
  /** Of the images, then of each convolution. */
  readonly channels: readonly number[];
  readonly classes: number;
  readonly lr: number;
}

export interface Result {
  readonly group: string;
  readonly name: string;
  readonly work: WorkSpec;
  readonly engine: string;
  /** Median of the rounds. */
  readonly seconds: number;
  readonly rounds: readonly number[];
  /** Operations, a multiply-add as two; absent for steps of networks. */
  readonly flops?: number;
  /** Largest relative L2 error against what checked it; absent for the one that checks. */
  readonly error?: number;
}

/** How many times as long the second takes as the first: of medians, and what rounds leave open. */
export interface Ratio {
  readonly ratio: number;
  readonly low: number;
  readonly high: number;
  /** The fewer rounds of the two. */
  readonly rounds: number;
}

/** A figure over several results. */
export interface Summary extends Ratio {
  /** It names both sides: "treat step over plain training step". */
  readonly what: string;
}

export interface Report {
  readonly adapter: string;
  readonly system: string;
  readonly roofline?: Roofline;
  readonly results: readonly Result[];
  readonly summaries: readonly Summary[];
}

type Timed = Pick<Result, "seconds" | "rounds">;

/** Of two that were timed in turns: the least and the most of the rounds, each within itself. */
export function ratioInTurns(first: Timed, second: Timed): Ratio {
  const ratios = second.rounds.map((seconds, k) => seconds / first.rounds[k]);
  return {
    ratio: second.seconds / first.seconds,
    ...{ low: Math.min(...ratios), high: Math.max(...ratios), rounds: ratios.length },
  };
}

/** Of two that were timed at different times: from the least over the most to the most over the least. */
export function ratioApart(first: Timed, second: Timed): Ratio {
  return {
    ratio: second.seconds / first.seconds,
    low: Math.min(...second.rounds) / Math.max(...first.rounds),
    high: Math.max(...second.rounds) / Math.min(...first.rounds),
    rounds: Math.min(first.rounds.length, second.rounds.length),
  };
}

/** The geometric mean of ratios; its spread is that of the ratios' ends. */
export function meanRatio(ratios: readonly Ratio[]): Ratio {
  return {
    ratio: geometricMean(ratios.map(({ ratio }) => ratio)),
    low: geometricMean(ratios.map(({ low }) => low)),
    high: geometricMean(ratios.map(({ high }) => high)),
    rounds: Math.min(...ratios.map(({ rounds }) => rounds)),
  };
}

/** Fewer rounds than these have no spread to speak of. */
const FEWEST = 3;

/** What a ratio says of the second. */
export function verdictOf({ low, high, rounds }: Ratio): string {
  if (rounds < FEWEST) return "too few rounds to tell";
  return low > 1 ? "takes longer" : high < 1 ? "is faster" : "within the noise";
}

export const gflops = ({ flops = NaN, seconds }: Pick<Result, "flops" | "seconds">): number =>
  flops / seconds / 1e9;
