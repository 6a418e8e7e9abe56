/**
 * Where a network looks, for images with masks:
 *
 * - The share of saliency in the foreground, beside the foreground's share of the area.
 * - The pointing game: how often the most salient pixel lies in the foreground.
 */

import * as v from "valibot";
import { count, finite } from "../../io/json.ts";
import { argmax, gather } from "../../tensor/indexing.ts";
import { concat, flatten, reshape } from "../../tensor/movement.ts";
import { mul, sub } from "../../tensor/pointwise.ts";
import { mean, sum } from "../../tensor/reduce.ts";
import { RowCollector } from "../../train/collect.ts";
import type { Observer } from "../../train/observer.ts";
import { type Share, share, shareSchema } from "../class_measures.ts";
import { defineProbe, type Measure, type Subject } from "./probe.ts";
import { saliency } from "./saliency.ts";

export const foreground = defineProbe({
  name: "foreground",
  help: "how much of the gradient lies in the foreground",
  words: "gradients",
  usual: true,
  options: {},
  lacking: ({ masks }) => masks?.count ? undefined : "no image that it is measured on has a mask",
  schema: v.looseObject({
    ...{ images: count, saliency: v.nullable(finite), area: v.nullable(finite) },
    pointing: shareSchema,
  }),
  make: (subject) => ForegroundMeasure.make(subject),
  scalars: ({ saliency, pointing }: ForegroundResult) => ({
    "gradient in foreground": saliency,
    "pointing game": pointing.accuracy,
  }),
  curves: () => [],
});

export interface ForegroundResult {
  /** Images with a foreground and a background. */
  readonly images: number;
  /** Mean share of saliency in the foreground, and of the area: what chance would give. */
  readonly saliency: number | null;
  readonly area: number | null;
  readonly pointing: Share;
}

/** Columns of an image's row. */
const COLUMNS = 4;

/** Saliency in the foreground; for a split with masks. */
export class ForegroundMeasure implements Measure<ForegroundResult> {
  private constructor(private readonly rows: RowCollector) {}

  static async make(
    { runtime, network, set, split, batch }: Omit<Subject, "featureLayer">,
  ): Promise<ForegroundMeasure> {
    const rows = await RowCollector.make(runtime, set, split, batch, (batches) => {
      const { images, labels } = batches;
      const map = saliency(network, images, labels);
      const figure = flatten(sub(1, batches.background!));
      const columns = [
        sum(map, [1]),
        sum(mul(map, figure), [1]),
        mean(figure, [1]),
        gather(figure, argmax(map)),
      ];
      return concat(columns.map((column) => reshape(column, [labels.size, 1])), 1);
    });
    return new ForegroundMeasure(rows);
  }

  async measure(observer?: Observer): Promise<ForegroundResult> {
    return foregroundOf(await this.rows.collect(0, observer));
  }

  destroy(): void {
    this.rows.destroy();
  }
}

/**
 * @param rows [n, 4]: an image's saliency, that in the foreground, the foreground's share of the
 * area, and how far the most salient pixel is foreground
 */
export function foregroundOf(rows: ArrayLike<number>): ForegroundResult {
  let [images, inside, area, hits] = [0, 0, 0, 0];
  for (let at = 0; at < rows.length; at += COLUMNS) {
    const [all, figure, size, top] = Array.from({ length: COLUMNS }, (_, c) => rows[at + c]);
    if (all === 0 || size === 0 || size === 1) continue;
    images++;
    inside += figure / all;
    area += size;
    if (top >= 0.5) hits++;
  }
  const average = (total: number) => images > 0 ? total / images : null;
  return { images, saliency: average(inside), area: average(area), pointing: share(hits, images) };
}
