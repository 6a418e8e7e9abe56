/**
 * Insertion and deletion (Petsiuk et al., 2018): the label's probability as an image's most salient
 * pixels are put into an empty image first, or taken out of the whole one first. What is empty has
 * the data set's mean colour. The area under the curve over the share of pixels is high for
 * insertion and low for deletion where saliency shows what the prediction rests on.
 */

import * as v from "valibot";
import { finite, fraction } from "../../io/json.ts";
import { run } from "../../nn/module.ts";
import { gather, takeRows } from "../../tensor/indexing.ts";
import { softmax } from "../../tensor/loss.ts";
import { concat, reshape } from "../../tensor/movement.ts";
import { greater, mul, sub } from "../../tensor/pointwise.ts";
import { Input, type Tensor, Variable } from "../../tensor/tensor.ts";
import { RowCollector } from "../../train/collect.ts";
import { type Observer, partOf } from "../../train/observer.ts";
import { saliency } from "./saliency.ts";
import { defineProbe, type Measure, type Subject } from "./probe.ts";

const probabilities = v.looseObject({
  points: v.array(v.looseObject({ share: fraction, probability: fraction })),
  auc: finite,
});

export const insertion = defineProbe({
  name: "insertion",
  help: "the label's probability as pixels are put in and taken out",
  words: "insertion",
  usual: false,
  options: {
    insertionSteps: {
      type: "integer",
      min: 1,
      max: 10000,
      default: 16,
      help: "insertion: steps in which the pixels are moved",
    },
  },
  schema: v.looseObject({ insertion: probabilities, deletion: probabilities }),
  make: (subject, { insertionSteps }) => InsertionMeasure.make(subject, insertionSteps),
  scalars: ({ insertion, deletion }: InsertionDeletion) => ({
    "insertion area": insertion.auc,
    "deletion area": deletion.auc,
  }),
  curves: ({ insertion, deletion }) => [
    {
      ...{ title: "Insertion", x: "pixels, percent", y: "label's probability, percent" },
      caption: "The label's probability as the most salient pixels are put into an empty image.",
      range: [0, 100],
      points: inPercent(insertion),
    },
    {
      ...{ title: "Deletion", x: "pixels, percent", y: "label's probability, percent" },
      caption: "The label's probability as the most salient pixels are taken out of the image.",
      range: [0, 100],
      points: inPercent(deletion),
    },
  ],
});

const inPercent = ({ points }: Probabilities) =>
  points.map(({ share, probability }) => [100 * share, 100 * probability] as const);

export interface Probabilities {
  /** Mean probability of the label with `share` of the pixels put in or taken out. */
  readonly points: readonly { readonly share: number; readonly probability: number }[];
  /** Area under the curve, by the trapezoid rule. */
  readonly auc: number;
}

export interface InsertionDeletion {
  readonly insertion: Probabilities;
  readonly deletion: Probabilities;
}

export class InsertionMeasure implements Measure<InsertionDeletion> {
  private constructor(
    private readonly subject: Subject,
    private readonly maps: RowCollector,
    private readonly rows: RowCollector,
    private readonly ranks: Variable,
    private readonly moved: Input,
    private readonly steps: number,
  ) {}

  /** @param steps of equal numbers of pixels */
  static async make(subject: Subject, steps: number): Promise<InsertionMeasure> {
    const { runtime, network, set: { height, width }, set, split, batch } = subject;
    const n = split.labels.length;
    const ranks = new Variable("ranks", [n, height * width], new Float32Array(n * height * width));
    const moved = new Input("moved pixels", []);
    const maps = await RowCollector.make(
      runtime,
      set,
      split,
      batch,
      ({ images, labels }) => saliency(network, images, labels),
    );
    const rows = await RowCollector.make(runtime, set, split, batch, (batches) => {
      const { images, labels, indices } = batches;
      const rank = reshape(takeRows(ranks, indices), [labels.size, height, width, 1]);
      const first = greater(moved, rank);
      const probability = (kept: Tensor) => {
        // Normalised images have the mean colour where they are 0.
        const { output } = run(network, mul(images, kept), { training: false });
        return reshape(gather(softmax(output), labels), [labels.size, 1]);
      };
      return concat([probability(first), probability(sub(1, first))], 1);
    });
    return new InsertionMeasure(subject, maps, rows, ranks, moved, steps);
  }

  async measure(observer: Observer = {}): Promise<InsertionDeletion> {
    const { steps, subject: { runtime, set } } = this;
    const pixels = set.height * set.width;
    const parts = steps + 2;
    const maps = await this.maps.collect(0, partOf(observer, 0, parts));
    runtime.write(this.ranks, ranksOf(maps, pixels));
    const points = { insertion: [], deletion: [] } as Record<
      keyof InsertionDeletion,
      { share: number; probability: number }[]
    >;
    for (let step = 0; step <= steps; step++) {
      const count = Math.round(step / steps * pixels);
      const feeds = [[this.moved, count]] as const;
      const rows = await this.rows.collect(0, partOf(observer, step + 1, parts), feeds);
      const [insertion, deletion] = columnMeans(rows, 2);
      points.insertion.push({ share: count / pixels, probability: insertion });
      points.deletion.push({ share: count / pixels, probability: deletion });
    }
    const curve = (of: Probabilities["points"]): Probabilities => ({
      points: of,
      auc: areaUnder(of),
    });
    return { insertion: curve(points.insertion), deletion: curve(points.deletion) };
  }

  destroy(): void {
    this.maps.destroy();
    this.rows.destroy();
    this.subject.runtime.release([this.ranks]);
  }
}

/** For each pixel how many of its image are more salient; among equals the first in the row is. */
export function ranksOf(saliency: Float32Array, pixels: number): Float32Array<ArrayBuffer> {
  const ranks = new Float32Array(saliency.length);
  for (let from = 0; from < saliency.length; from += pixels) {
    const order = Array.from({ length: pixels }, (_, p) => p)
      .sort((a, b) => saliency[from + b] - saliency[from + a] || a - b);
    order.forEach((p, rank) => ranks[from + p] = rank);
  }
  return ranks;
}

function columnMeans(rows: Float32Array, width: number): number[] {
  const sums = new Array<number>(width).fill(0);
  rows.forEach((value, at) => sums[at % width] += value);
  return sums.map((sum) => sum * width / rows.length);
}

function areaUnder(points: Probabilities["points"]): number {
  return points.slice(1).reduce((area, { share, probability }, i) => {
    const before = points[i];
    return area + (share - before.share) * (probability + before.probability) / 2;
  }, 0);
}
