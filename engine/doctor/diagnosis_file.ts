/** What a diagnosis leaves in diagnosis.json, beside the matrices of its layers. */

import type { Accuracy } from "../train/predictions.ts";
import type { ClassMeasures } from "./class_measures.ts";
import type { Interval } from "./significance.ts";

export const DIAGNOSIS_VERSION = 1;

export interface DiagnosisFile {
  readonly version: number;
  readonly model: string;
  readonly data: string;
  readonly classes: readonly string[];
  readonly adapter: string;
  /** Number of trained values. */
  readonly parameters: number;
  readonly layers: readonly string[];
  readonly theta: number;
  /** On the images that were looked at. */
  readonly accuracy: Accuracy & { readonly interval: Interval };
  readonly measures: ClassMeasures;
  /** Numbers of images by which each class was diagnosed. */
  readonly diagnosed: readonly number[];
}
