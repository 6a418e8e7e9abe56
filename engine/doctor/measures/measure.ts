/** Every measure of a model on the test images: the structure that result.json holds. */

import { limit, type Split } from "../../data/dataset.ts";
import type { Groups } from "../../data/groups.ts";
import { ExitCode, UserError } from "../../errors.ts";
import { didYouMean } from "../../nearest.ts";
import type { Prediction } from "../../train/predictions.ts";
import { FgsmMeasure } from "./attack.ts";
import {
  byClass,
  byGroup,
  type Calibration,
  calibration,
  confusionMatrix,
  type Share,
  worst,
} from "./classes.ts";
import { type InsertionDeletion, InsertionMeasure } from "./insertion.ts";
import { agreement, NoiseMeasure } from "./noise.ts";
import { ForegroundMeasure, type ForegroundResult } from "./saliency.ts";
import type { Measure, Point, Subject } from "./subject.ts";

/** The measures that take passes of their own. */
export const PROBES = ["foreground", "fgsm", "noise", "insertion"] as const;
export type Probe = typeof PROBES[number];

export interface MeasureOptions {
  readonly probes: readonly Probe[];
  /** Most test images that the probes look at, the same number of each class. */
  readonly images: number;
  /** Strengths of FGSM, in steps of 255. */
  readonly epsilons: readonly number[];
  /** Feature noise, in standard deviations of the layer. */
  readonly noiseLevels: readonly number[];
  /** Noisy passes over each image at each level. */
  readonly noiseDraws: number;
  /** Where the noise is added. */
  readonly noiseLayer: string;
  /** Steps of insertion and deletion. */
  readonly insertionSteps: number;
}

/** What predictions alone say. */
export interface ClassMeasures {
  /** By class, in the order of the data set's classes. */
  readonly classes: readonly Share[];
  /** Numbers of images: a row for each label, a column for each prediction. */
  readonly confusion: readonly (readonly number[])[];
  readonly calibration: Calibration;
  /** Where the images belong to groups: each one's share that is right, and the worst's place. */
  readonly groups?: { readonly shares: readonly Share[]; readonly worst: number };
}

/** What probes say; each is absent where it was not asked for or can't be had. */
export interface ProbeResults {
  readonly foreground?: ForegroundResult;
  /** Accuracy under FGSM by strength in steps of 255; 0 is none. */
  readonly fgsm?: readonly Point[];
  /** Accuracy under feature noise, by its standard deviation in multiples of the layer's own. */
  readonly noise?: {
    readonly layer: string;
    /** The layer's standard deviation over these images. */
    readonly unit: number;
    readonly points: readonly Point[];
  };
  readonly insertion?: InsertionDeletion;
}

export interface Measures extends ClassMeasures {
  readonly probes: ProbeResults;
}

export function classMeasures(
  of: readonly Prediction[],
  classes: number,
  groups?: Groups,
): ClassMeasures {
  const shares = groups && byGroup(of, groups.of, groups.names.length);
  return {
    classes: byClass(of, classes),
    confusion: confusionMatrix(of, classes),
    calibration: calibration(of),
    ...shares && { groups: { shares, worst: worst(shares) } },
  };
}

/** The probes of these names; "none" is none. @throws UserError (usage) with the nearest name */
export function probesOf(names: readonly string[]): Probe[] {
  return names.filter((name) => name !== "none").map((name) => {
    const probe = PROBES.find((probe) => probe === name);
    if (probe) return probe;
    throw new UserError(
      `there is no measure ${name}${didYouMean(name, PROBES)}`,
      ExitCode.usage,
      `the measures are ${PROBES.join(", ")}, or none`,
    );
  });
}

/** The images that probes look at. */
export function probedSplit(tested: Split, { images }: MeasureOptions, seed: number): Split {
  return images < tested.labels.length ? limit(tested, images, seed) : tested;
}

/** Makes what measures a probe, or undefined where the data doesn't allow it. */
export async function makeProbe(
  name: Probe,
  subject: Subject,
  options: MeasureOptions,
): Promise<Measure<ProbeResults> | undefined> {
  switch (name) {
    case "foreground":
      if (!subject.split.masks?.count) return undefined;
      return as(name, await ForegroundMeasure.make(subject), (found) => found);
    case "fgsm":
      return as(name, await FgsmMeasure.make(subject, [0, ...options.epsilons]), (found) => found);
    case "noise": {
      const [layer, levels] = [options.noiseLayer, [0, ...options.noiseLevels]];
      const measure = await NoiseMeasure.make(subject, {
        ...{ layer, levels, draws: options.noiseDraws },
      });
      return as(name, measure, ({ unit, predicted }) => ({
        ...{ layer, unit },
        points: levels.map((strength, i) => ({
          strength,
          accuracy: agreement(predicted[i], subject.split.labels),
        })),
      }));
    }
    case "insertion":
      return as(
        name,
        await InsertionMeasure.make(subject, options.insertionSteps),
        (found) => found,
      );
  }
}

/** A measure whose result stands under its name. */
function as<Found, Name extends Probe>(
  name: Name,
  measure: Measure<Found>,
  present: (found: Found) => NonNullable<ProbeResults[Name]>,
): Measure<ProbeResults> {
  return {
    measure: async (observer) => ({ [name]: present(await measure.measure(observer)) }),
    destroy: () => measure.destroy(),
  };
}
