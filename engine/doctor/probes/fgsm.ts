/** Accuracy on images that one step along their gradient changed; see attack.ts. */

import * as v from "valibot";
import { add, mul } from "../../tensor/pointwise.ts";
import { asImage, change, uphill } from "./attack.ts";
import { ChangedImages } from "./changed_images.ts";
import {
  accuracyPoints,
  accuracyScalars,
  defineProbe,
  type Point,
  pointSchema,
  type Subject,
} from "./probe.ts";

export const fgsm = defineProbe({
  name: "fgsm",
  help: "accuracy under FGSM",
  words: "FGSM",
  usual: true,
  options: {
    epsilons: {
      type: "list",
      of: "number",
      above: 0,
      max: 255,
      default: [1, 2, 4],
      help: "fgsm: largest changes of a pixel, of 255",
    },
  },
  schema: v.array(pointSchema),
  make: (subject, { epsilons }) => fgsmMeasure(subject, [0, ...epsilons]),
  scalars: (found: readonly Point[]) => accuracyScalars(found, (epsilon) => `FGSM ${epsilon}/255`),
  curves: (found) => [{
    ...{ title: "FGSM", x: "largest change of a pixel, of 255", y: "accuracy, percent" },
    caption: "Accuracy on images that one step along their gradient changed.",
    range: [0, 100],
    points: accuracyPoints(found),
  }],
});

/** Accuracy under FGSM of several strengths, in steps of 255, whose first step they share. */
export function fgsmMeasure(subject: Subject, epsilons: readonly number[]): Promise<ChangedImages> {
  return ChangedImages.make(subject, epsilons, (batches) => {
    const direction = uphill(subject.network, batches.images, batches.labels);
    return (epsilon) =>
      asImage(add(batches.images, mul(direction, change(epsilon, batches))), batches);
  });
}
