/**
 * What the JSON files of runs and studies have to hold to be read: the schemas of the types that
 * stand beside their writers. More may be in them.
 */

import * as v from "valibot";
import { count, finite, fraction, measured } from "../io/json.ts";
import { COURSES } from "../train/schedule.ts";
import { between, CONTROL, type Pair, pairsOf } from "./contrasts.ts";
import { FORMS } from "./forms/forms.ts";
import { shareSchema } from "./class_measures.ts";
import { TERMS } from "./terms.ts";
import { PROBES } from "./probes/probes.ts";

const interval = v.tuple([finite, finite]);
const accuracy = { accuracy: fraction, loss: finite, correct: count, total: count };
const classes = v.pipe(v.array(v.string()), v.minLength(1));
const about = { version: v.number(), model: v.string(), data: v.string() };

const classMeasures = {
  classes: v.array(shareSchema),
  confusion: v.array(v.array(count)),
  calibration: v.looseObject({
    ece: finite,
    bins: v.array(v.looseObject({
      ...{ from: finite, to: finite, images: count },
      ...{ accuracy: v.nullable(fraction), confidence: v.nullable(fraction) },
    })),
  }),
  groups: v.optional(v.pipe(
    v.looseObject({
      ...{ shares: v.array(shareSchema), worst: count },
      training: v.optional(v.nullable(fraction)),
    }),
    v.check(({ shares, worst }) => worst < shares.length, "the worst is none of them"),
  )),
};

/** Whether numbers by class are those of so many classes. */
const isOf = (
  { classes, confusion }: {
    readonly classes: readonly unknown[];
    readonly confusion: readonly (readonly number[])[];
  },
  count: number,
): boolean =>
  classes.length === count && confusion.length === count &&
  confusion.every((row) => row.length === count);

const term = v.looseObject({
  form: v.picklist(FORMS.map(({ name }) => name)),
  weight: finite,
  relative: v.optional(v.boolean()),
  layers: v.array(v.string()),
  schedule: v.looseObject({
    warmup: v.union([finite, v.looseObject({ share: finite })]),
    course: v.picklist(COURSES),
    until: v.optional(finite),
  }),
});
const constraint = v.looseObject({ channel: term, space: term });

const probes = v.looseObject(
  Object.fromEntries(PROBES.map(({ name, schema }) => [name, v.optional(schema)])),
);

const outcome = v.looseObject({
  test: v.looseObject({ ...accuracy, interval }),
  validation: v.optional(fraction),
  best_epoch: v.optional(count),
  steps: count,
  measures: v.looseObject({ ...classMeasures, probes }),
});

const mcnemar = v.looseObject({ b: count, c: count, p: finite });

/** By the arms' names; the control is one of several. */
const arms = v.pipe(
  v.record(v.string(), outcome),
  v.check(
    (of) => Object.hasOwn(of, CONTROL) && Object.keys(of).length > 1,
    "it lacks a control or an arm",
  ),
);
const pair = { arm: v.string(), against: v.string() };
const difference = v.looseObject({ difference: finite, interval: v.nullable(interval) });
const contrast = v.looseObject({
  ...{ ...pair, difference: finite, interval, mcnemar, holm: v.nullable(finite) },
  measures: v.record(v.string(), difference),
});

/** Whether contrasts are those of a trial's arms. */
const areOf = (contrasts: readonly Pair[], arms: readonly string[]): boolean =>
  pairsOf(arms).every(({ arm, against }) => between(contrasts, arm, against) !== undefined);

export const resultSchema = v.pipe(
  v.looseObject({
    ...about,
    classes,
    ...{ seed: count, adapter: v.string(), parameters: count, start: v.string() },
    ...{ constraint, theta: finite },
    weights: v.optional(v.record(v.picklist(TERMS), finite)),
    images: v.looseObject({ train: count, validation: count, test: count, probed: count }),
    groups: v.optional(v.array(v.string())),
    ...{ baseline: outcome, arms, contrasts: v.array(contrast), verdict: v.array(v.string()) },
    seconds: v.record(v.string(), finite),
  }),
  v.check(
    ({ classes, baseline, arms }) =>
      [baseline, ...Object.values(arms)].every(({ measures }) => isOf(measures, classes.length)),
    "its measures are of other classes",
  ),
  v.check(
    ({ groups, baseline, arms }) =>
      [baseline, ...Object.values(arms)].every(({ measures }) =>
        measures.groups?.shares.length === groups?.length
      ),
    "its measures are of other groups",
  ),
  v.check(
    ({ arms, contrasts }) => areOf(contrasts, Object.keys(arms)),
    "it lacks a contrast of two arms",
  ),
);

const sample = { mean: finite, deviation: v.nullable(finite), values: v.array(finite) };
const pairedSample = v.looseObject({
  ...sample,
  interval: v.nullable(interval),
  p: v.nullable(finite),
});

const metric = v.looseObject({
  models: v.record(v.string(), v.looseObject(sample)),
  contrasts: v.array(v.looseObject({
    ...{ ...pair, ...pairedSample.entries, holm: v.nullable(finite) },
  })),
});

export const summarySchema = v.pipe(
  v.looseObject({
    ...{ version: v.number(), verdict: v.array(v.string()) },
    seeds: v.pipe(v.array(count), v.minLength(1)),
    arms: v.array(v.string()),
    metrics: v.objectWithRest({ accuracy: metric, loss: metric }, metric),
  }),
  v.check(
    ({ arms, metrics }) =>
      Object.values(metrics).every(({ models, contrasts }) =>
        ["baseline", ...arms].every((model) => Object.hasOwn(models, model)) &&
        areOf(contrasts, arms)
      ),
    "it lacks an arm",
  ),
);

export const diagnosisSchema = v.pipe(
  v.looseObject({
    ...about,
    ...{ classes, adapter: v.string(), parameters: count, layers: v.array(v.string()) },
    theta: finite,
    accuracy: v.looseObject({ ...accuracy, interval }),
    measures: v.looseObject(classMeasures),
    diagnosed: v.array(count),
  }),
  v.check(
    ({ classes, measures, diagnosed }) =>
      isOf(measures, classes.length) && diagnosed.length === classes.length,
    "its measures are of other classes",
  ),
);

/** What is used of sift.json. */
export const siftSchema = v.looseObject({ high: v.array(v.array(count)) });

const exhibit = {
  pool: v.picklist(["training", "validation", "test"]),
  ...{ index: count, label: count, name: v.optional(v.string()) },
};
const verdict = { predicted: count, confidence: fraction };
export const exhibitsSchema = v.pipe(
  v.looseObject({
    version: v.number(),
    low: v.array(v.looseObject({ ...exhibit, ...verdict })),
    suspects: v.array(v.looseObject({
      ...exhibit,
      ...{ suggested: count, labelProbability: fraction, suggestedProbability: fraction },
    })),
    searched: v.array(v.looseObject({ pool: exhibit.pool, images: count, suspects: count })),
    models: v.optional(v.array(v.string())),
    changed: v.optional(v.array(v.looseObject({
      ...{ ...exhibit, fixed: v.boolean(), by: v.record(v.string(), v.looseObject(verdict)) },
      foreground: v.optional(v.record(v.string(), measured)),
    }))),
  }),
  v.check(
    ({ models = [], changed = [] }) =>
      changed.every(({ by, foreground }) =>
        models.length === 3 &&
        models.every((model) =>
          [by, foreground ?? by].every((known) => Object.hasOwn(known, model))
        )
      ),
    "what changed lacks a model",
  ),
);

export const correlationSchema = v.looseObject({
  ...about,
  ...{ classes, theta: finite, images: v.array(count) },
  layers: v.array(v.looseObject({
    ...{ layer: v.string(), channels: count, own: v.array(count), own_share: measured },
    ...{ strongest_tenth: measured, kernels_of: v.array(count) },
    ...{ overlap: v.array(v.array(measured)), mean_overlap: measured },
    ...{ chance_overlap: measured, mean_cosine: measured },
  })),
});

export const noiseSchema = v.looseObject({
  ...about,
  ...{ seed: count, epsilon: finite, success: v.record(v.string(), measured), draws: count },
  layers: v.array(v.looseObject({
    ...{ layer: v.string(), unit: measured },
    kinds: v.array(v.looseObject({
      ...{ kind: v.string(), images: count },
      points: v.array(v.looseObject({
        ...{ level: finite, deviation: v.nullable(finite) },
        ...{ accuracy: measured, unchanged: measured },
      })),
    })),
  })),
});

const validated = v.looseObject({
  ...{ accuracy: fraction, loss: finite, best_epoch: count, worst_group: v.optional(fraction) },
});

export const cellResultSchema = v.looseObject({
  ...{ cell: v.string(), seed: count, control: validated, treated: validated },
  ...{ mcnemar, interval, seconds: finite },
});

const setting = v.union([v.string(), finite]);

export const sweepSchema = v.looseObject({
  ...about,
  ...{ seeds: v.array(count), grid: v.record(v.string(), v.array(setting)) },
  cells: v.array(v.looseObject({
    cell: v.looseObject({
      name: v.string(),
      settings: v.record(v.string(), setting),
      arm: v.string(),
      treatment: v.looseObject({ constraint, theta: finite, imagesPerClass: count }),
    }),
    ...{ accuracy: pairedSample, worst_group: v.optional(pairedSample) },
    results: v.array(cellResultSchema),
  })),
});
