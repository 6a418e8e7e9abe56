/**
 * What a benchmark leaves: a list of results, each of some work by some engine, in JSON. The work is
 * told as data, so that another program (pytorch.py) can do the same and answer with the same list.
 */

import type { ConvShape, Face } from "../../engine/gpu/kernels/conv_shape.ts";
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

/** A figure that is asked for: required of what is measured. */
export interface Judgement {
  readonly what: string;
  readonly measured: number;
  readonly bound: "at least" | "at most";
  readonly required: number;
  readonly unit: "x" | "%";
}

export interface Report {
  readonly adapter: string;
  readonly system: string;
  readonly roofline?: Roofline;
  readonly results: readonly Result[];
  readonly judgements: readonly Judgement[];
}

export const holds = ({ measured, bound, required }: Judgement): boolean =>
  bound === "at least" ? measured >= required : measured <= required;

export const gflops = ({ flops = NaN, seconds }: Pick<Result, "flops" | "seconds">): number =>
  flops / seconds / 1e9;
