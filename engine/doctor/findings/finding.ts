/**
 * A finding: something that is wrong with a trained network or its data, told in words with what
 * it rests on. A kind of finding is one file here and a line in the table (findings.ts). What is
 * printed, findings.json, the report and the study of planted faults follow from the table.
 *
 * A claim needs both: an effect that is large enough to matter, and a test that chance explains it
 * in less than one of a hundred diagnoses, all classes, pairs and layers that it looks at together.
 * So of twenty diagnoses of sound networks, with five kinds of findings each, about one has a false
 * one.
 */

import type { Prediction } from "../../train/predictions.ts";
import type { ExaminedLayer } from "../examine.ts";
import type { Pool } from "../exhibits.ts";
import type { ExchangeResult } from "../probes/exchange.ts";
import type { ForegroundResult } from "../probes/foreground.ts";

/** What chance may explain of a claim: p, times the number of comparisons, is below it. */
export const LEVEL = 0.01;

/** Images with what the network says of them. */
export interface JudgedPool extends Pool {
  readonly predicted: readonly Prediction[];
}

/** What a diagnosis is made from. */
export interface Evidence {
  readonly classes: readonly string[];
  /** Images that were trained on, and such that were not, where some were left out. */
  readonly training: JudgedPool;
  readonly heldOut?: JudgedPool;
  readonly layers: readonly ExaminedLayer[];
  /** Of images with masks, where there are such: those left out, or else those trained on. */
  readonly exchange?: ExchangeResult;
  readonly foreground?: ForegroundResult;
}

/** What the network is judged by: images that it was not trained on, if there are some. */
export const judgedOf = ({ heldOut, training }: Evidence): JudgedPool => heldOut ?? training;

/** Both pools, those first that were not trained on. */
export const poolsOf = ({ heldOut, training }: Evidence): readonly JudgedPool[] =>
  heldOut ? [heldOut, training] : [training];

export interface Found {
  /** What is wrong, in a sentence. */
  readonly claim: string;
  /** What that rests on, a sentence each. */
  readonly evidence: readonly string[];
  /** What to do, in a sentence. */
  readonly advice: string;
  /** How bad it is where it shows: a share of the images there, 0 .. 1. */
  readonly severity: number;
  /** Images to look at, with the reason, the worst first. */
  readonly images?: readonly string[];
}

export interface FindingKind {
  readonly name: string;
  /** What is looked for, in a few words. */
  readonly words: string;
  /** What the evidence lacks to look for it; undefined where it can be told, as always if absent. */
  lacking?(evidence: Evidence): string | undefined;
  find(evidence: Evidence): Found | undefined;
  /** The treatments that helped in such a case, by what was measured here; see ../README.md. */
  readonly helped?: string;
}
