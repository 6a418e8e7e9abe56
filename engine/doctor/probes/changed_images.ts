/** Accuracy on images that something was done to, at several strengths in one pass. */

import type { Batches } from "../../data/batch.ts";
import { run } from "../../nn/module.ts";
import { concat } from "../../tensor/movement.ts";
import type { Tensor } from "../../tensor/tensor.ts";
import { RowCollector } from "../../train/collect.ts";
import type { Observer } from "../../train/observer.ts";
import { predictedColumn } from "./attack.ts";
import type { Measure, Point, Subject } from "./probe.ts";

export class ChangedImages implements Measure<readonly Point[]> {
  private constructor(
    private readonly rows: RowCollector,
    private readonly labels: ArrayLike<number>,
    private readonly strengths: readonly number[],
  ) {}

  /** @param change the images of a batch, normalised, as they are at a strength */
  static async make(
    { runtime, network, set, split, batch }: Subject,
    strengths: readonly number[],
    change: (batches: Batches) => (strength: number) => Tensor,
  ): Promise<ChangedImages> {
    const rows = await RowCollector.make(runtime, set, split, batch, (batches) => {
      const images = strengths.map(change(batches));
      const logits = images.map((x) => run(network, x, { training: false }).output);
      return concat(logits.map(predictedColumn), 1);
    });
    return new ChangedImages(rows, split.labels, strengths);
  }

  async measure(observer?: Observer): Promise<readonly Point[]> {
    const rows = await this.rows.collect(0, observer);
    return this.strengths.map((strength, column) => ({
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
