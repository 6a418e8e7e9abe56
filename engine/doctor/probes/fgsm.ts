/** Accuracy on images that one step along their gradient changed; see attack.ts. */

import * as v from "valibot";
import { run } from "../../nn/module.ts";
import { concat } from "../../tensor/movement.ts";
import { add, mul } from "../../tensor/pointwise.ts";
import { RowCollector } from "../../train/collect.ts";
import type { Observer } from "../../train/observer.ts";
import { asImage, change, predictedColumn, uphill } from "./attack.ts";
import {
  accuracyPoints,
  accuracyScalars,
  defineProbe,
  type Measure,
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
  make: (subject, { epsilons }) => FgsmMeasure.make(subject, [0, ...epsilons]),
  scalars: (found: readonly Point[]) => accuracyScalars(found, (epsilon) => `FGSM ${epsilon}/255`),
  curves: (found) => [{
    ...{ title: "FGSM", x: "largest change of a pixel, of 255", y: "accuracy, percent" },
    caption: "Accuracy on images that one step along their gradient changed.",
    range: [0, 100],
    points: accuracyPoints(found),
  }],
});

/** Accuracy under FGSM of several strengths, in steps of 255, whose first step they share. */
export class FgsmMeasure implements Measure<readonly Point[]> {
  private constructor(
    private readonly rows: RowCollector,
    private readonly labels: ArrayLike<number>,
    private readonly epsilons: readonly number[],
  ) {}

  static async make(subject: Subject, epsilons: readonly number[]): Promise<FgsmMeasure> {
    const { runtime, network, set, split, batch } = subject;
    const rows = await RowCollector.make(runtime, set, split, batch, (batches) => {
      const { images, labels } = batches;
      const direction = uphill(network, images, labels);
      const columns = epsilons.map((epsilon) => {
        const moved = add(images, mul(direction, change(epsilon, batches)));
        const attacked = asImage(moved, batches);
        return predictedColumn(run(network, attacked, { training: false }).output);
      });
      return concat(columns, 1);
    });
    return new FgsmMeasure(rows, split.labels, epsilons);
  }

  async measure(observer?: Observer): Promise<readonly Point[]> {
    const rows = await this.rows.collect(0, observer);
    return this.epsilons.map((strength, column) => ({
      strength,
      accuracy: columnAccuracy(rows, this.labels, column),
    }));
  }

  destroy(): void {
    this.rows.destroy();
  }
}

/** The share of labels that a column of the rows [n, width] equals. */
function columnAccuracy(
  rows: ArrayLike<number>,
  labels: ArrayLike<number>,
  column: number,
): number {
  const [n, width] = [labels.length, rows.length / labels.length];
  let correct = 0;
  for (let i = 0; i < n; i++) if (rows[i * width + column] === labels[i]) correct++;
  return correct / n;
}
