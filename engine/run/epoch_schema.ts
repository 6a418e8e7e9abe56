/** An epoch as the files of a run hold it. */
import * as v from "valibot";
import { count, finite, fraction, type Schema } from "../io/json.ts";
import type { EpochRecord } from "../train/checkpoint.ts";

export const epochSchema = v.object({
  stage: v.string(),
  epoch: v.pipe(count, v.minValue(1)),
  lr: finite,
  train: v.objectWithRest({ loss: finite, accuracy: fraction }, finite),
  validation: v.looseObject({ accuracy: fraction, loss: finite, correct: count, total: count }),
  seconds: v.pipe(finite, v.minValue(0)),
  waited: v.optional(v.pipe(finite, v.minValue(0))),
}) satisfies Schema<EpochRecord>;
