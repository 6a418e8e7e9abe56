/**
 * What a form of the constraint is: how one of its terms is measured. A form is one file here and a
 * line in the table (forms.ts). Help, checks, defaults, reports and searches follow from the table.
 */

import type { Schedule } from "../../train/schedule.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import type { StepGraph } from "../../train/graph.ts";
import type { TermName } from "../terms.ts";

/** The kernels of each class at one layer, as the channel-wise constraint needs them. */
export interface ClassKernels {
  /** The kernels each class lives on [K, C], 0 or 1. */
  readonly mask: Tensor;
  /** 1 for the classes whose kernels were found [K, 1], 0 for others; all were where absent. */
  readonly known?: Tensor;
}

/** Where a term is to be built. */
export interface Site {
  readonly term: TermName;
  readonly graph: StepGraph;
  /** The layers that are constrained, by name. */
  readonly layers: readonly string[];
  /** Of each layer that was diagnosed; those of the channel-wise term are. */
  readonly kernels: ReadonlyMap<string, ClassKernels>;
}

/** What a form can't do without; see needs.ts. */
export type Need = "background" | "pixels" | "movable gradient";

/** A form as one of the terms. */
export interface FormTerm {
  /** The weight where none is asked for: what searches on validation splits support. 0 is none. */
  readonly weight: number;
  /** Whether that is kappa, the ratio of two losses; see ratio.ts. */
  readonly relative?: boolean;
  /** How strong it is over the epochs unless told otherwise; ALWAYS if absent. */
  readonly schedule?: Schedule;
  /** The layers where none are asked for; the term's usual ones if absent. */
  readonly layers?: readonly string[];
  readonly needs: readonly Need[];
  /** The term at each layer, each a scalar. */
  build(site: Site): Tensor[];
}

/**
 * What the forms of which the weight is a ratio have in common: no constraint while the training
 * settles at the start, and none in the end, so that what is tested was trained on the loss alone.
 */
export const BY_RATIO = {
  relative: true,
  schedule: { warmup: { share: 0.2 }, course: "constant", until: 0.9 },
} as const;

export interface Form extends Partial<Readonly<Record<TermName, FormTerm>>> {
  readonly name: string;
  /** As a reader is told: "channel-wise WORDS at weight 1 on features". */
  readonly words: string;
  /** What it measures, in a few words of help. */
  readonly help: string;
}
