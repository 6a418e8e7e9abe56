/** A part of a certificate in a line. */

import { percent } from "../prose.ts";
import { geometricMean } from "../averages.ts";
import { showBytes } from "../plan/buffers.ts";
import type { Part, PartOf } from "./certificate.ts";

const milliseconds = (ms: number) => `${ms.toPrecision(3)} ms`;
const rounded = (value: number) => Number(value.toPrecision(3)).toLocaleString("en");

/** What a part found. */
export function summaryOf(part: Part): string {
  switch (part.kind) {
    case "operations":
      return operations(part);
    case "roofline":
      return `${rounded(part.gflops)} GFLOP/s of multiply-adds, ${rounded(part.gbPerSecond)} GB/s`;
    case "dispatch":
      return `${rounded(part.deviceUs)} us a tiny kernel, ${
        rounded(part.hostUs)
      } us to record it, ` +
        `${milliseconds(part.readbackMs)} to read back`;
    case "faces":
      return faces(part);
    case "steps":
      return part.stages.map(({ stage, ms }) => `${stage} ${milliseconds(ms)}`).join(", ") +
        `; ${rounded(part.stages[0].imagesPerSecond)} images/s, ` +
        `${showBytes(Math.max(...part.stages.map(({ memory }) => memory)))}`;
    case "treat":
      return `losses as in float64 to ${largestDistance(part).toExponential(0)}; a treatment in ` +
        `${total(Object.values(part.stages)).toFixed(1)} s`;
    case "tune":
      return `${milliseconds(part.tunedMs)} a step, untuned ${milliseconds(part.untunedMs)} ` +
        `(${(part.untunedMs / part.tunedMs).toFixed(2)} x)`;
    case "pytorch":
      return pytorch(part);
    case "failed":
      return "came to no result";
  }
}

function operations({ checks }: PartOf<"operations">): string {
  const worst = Math.max(...checks.map(({ ofAllowed }) => ofAllowed));
  return `${checks.length} checks; the largest error is ${worst.toPrecision(2)} of what rounding ` +
    "explains";
}

/** The best that the classes of shapes reach, over the three faces. */
function faces({ faces }: PartOf<"faces">): string {
  const classes = Map.groupBy(faces, (face) => face.class);
  return [...classes].map(([name, of]) =>
    `${name} ${percent(geometricMean(of.map(({ ofPeak }) => ofPeak)), 0)}`
  ).join(", ") + " of the peak";
}

/** Relative, of the losses of the steps. */
export const largestDistance = ({ losses }: PartOf<"treat">): number =>
  Math.max(...losses.map(({ here, float64 }) => Math.abs(here / float64 - 1)));

function pytorch({ pairs }: PartOf<"pytorch">): string {
  if (pairs.length === 0) return "none of the work is written for PyTorch";
  const engines = Map.groupBy(pairs, ({ engine }) => engine);
  return [...engines].map(([engine, of]) =>
    `${engine} takes ${
      geometricMean(of.map(({ ms, theirMs }) => theirMs / ms)).toFixed(2)
    } times ` +
    "as long"
  ).join(", ");
}

const total = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
