/**
 * What a network says of images without labels, and where it looks: the shares that nine fields of the
 * image have in the gradient of the predicted class's logit at the image.
 */

import type { DataSet, Split } from "../data/dataset.ts";
import { type Module, run } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { argmax } from "../tensor/indexing.ts";
import { concat, flatten, reshape } from "../tensor/movement.ts";
import { div } from "../tensor/pointwise.ts";
import { adaptiveAvgPool2d } from "../tensor/pool.ts";
import { sum } from "../tensor/reduce.ts";
import { RowCollector } from "../train/collect.ts";
import type { Observer } from "../train/observer.ts";
import { saliency } from "./probes/saliency.ts";

/** The fields of the image, row by row. */
export const FIELDS = ["top left", "top", "top right", "left", "middle", "right"]
  .concat(["bottom left", "bottom", "bottom right"]);

export interface Look {
  readonly logits: Float32Array;
  /** The likeliest class and the next, with their softmax probabilities. */
  readonly predicted: number;
  readonly confidence: number;
  readonly runnerUp: number;
  readonly runnerUpConfidence: number;
  /** The field with the largest share of the gradient, and that share. */
  readonly field: string;
  readonly share: number;
}

/** For every image of a split, whose labels are not looked at. */
export async function look(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  split: Split,
  { batch, ...observer }: Observer & { readonly batch: number },
): Promise<Look[]> {
  const { classes: { length: classes }, height, width } = set;
  const rows = await RowCollector.make(runtime, set, split, batch, ({ images }) => {
    const { output } = run(network, images, { training: false });
    const map = reshape(saliency(network, images, argmax(output)), [-1, height, width, 1]);
    const fields = flatten(adaptiveAvgPool2d(map, 3));
    return concat([output, div(fields, sum(fields, [1], { keepDims: true }))], 1);
  });
  try {
    const values = await rows.collect(0, observer);
    const length = classes + FIELDS.length;
    return Array.from(split.labels, (_, i) => {
      const row = values.subarray(i * length, (i + 1) * length);
      return lookOf(row.subarray(0, classes), row.subarray(classes));
    });
  } finally {
    rows.destroy();
  }
}

function lookOf(logits: Float32Array, fields: Float32Array): Look {
  const order = [...logits.keys()].sort((a, b) => logits[b] - logits[a]);
  const total = logits.reduce((sum, value) => sum + Math.exp(value - logits[order[0]]), 0);
  const [predicted, runnerUp = predicted] = order;
  const probability = (k: number) => Math.exp(logits[k] - logits[order[0]]) / total;
  const largest = fields.indexOf(Math.max(...fields));
  return {
    logits,
    predicted,
    confidence: probability(predicted),
    runnerUp,
    runnerUpConfidence: probability(runnerUp),
    // Where no gradient reaches the image, no field has a share of it.
    field: largest < 0 ? "nowhere" : FIELDS[largest],
    share: largest < 0 ? 0 : fields[largest],
  };
}
