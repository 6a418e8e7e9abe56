/**
 * Diagnosis: the convolution kernels each class lives on. For the images that a class is surest
 * of, the positive part of the gradient of its score is summed over space and images,
 *
 *     G[k, j] = sum over images of class k, sum over h, w   relu(d logit_k / d A[h, w, j]),
 *
 * for each diagnosed layer A, in evaluation mode. With noise, the gradient is first averaged over
 * copies of the feature map A + xi: isolated (adversarial) directions average out. Where the images
 * have masks, it is also told how much of a class's evidence lies in the background (background.ts).
 */

import { type DataSet, type Labels, type Split, subset } from "../data/dataset.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { Module } from "../nn/module.ts";
import { observe } from "../nn/observe.ts";
import type { Runtime } from "../plan/runtime.ts";
import { concat } from "../tensor/movement.ts";
import { add, mul } from "../tensor/pointwise.ts";
import { noise } from "../tensor/random.ts";
import type { Tensor } from "../tensor/tensor.ts";
import type { Batches } from "../data/batch.ts";
import { RowCollector } from "../train/collect.ts";
import type { Observer } from "../train/observer.ts";
import { type BackgroundEvidence, evidenceOf, evidenceRows } from "./background.ts";
import { aggregate, scoreGradients } from "./score.ts";
import type { Sifted } from "./sift.ts";

export interface DiagnoseOptions extends Observer {
  readonly layers: readonly string[];
  readonly batch: number;
  /** Half width of the uniform noise on the feature map; 0 for none. */
  readonly noise: number;
  /** Noisy copies to average over. */
  readonly noiseCopies: number;
  readonly seed: number;
}

/** The diagnosis of one layer. */
export interface LayerDiagnosis {
  readonly layer: string;
  readonly classes: number;
  readonly channels: number;
  /** Aggregated gradients G, row-major [classes, channels]. */
  readonly aggregate: Float32Array<ArrayBuffer>;
  /** Which of it is background's, at a layer with height and width, where images have masks. */
  readonly evidence?: BackgroundEvidence;
}

/**
 * Aggregates gradients of the sifted images at every chosen layer.
 * @throws UserError (method) where there is no such image
 */
export async function diagnose(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  split: Split,
  sifted: Sifted,
  options: DiagnoseOptions,
): Promise<LayerDiagnosis[]> {
  const chosen = subset(split, Uint32Array.from(sifted.flat()));
  if (chosen.labels.length === 0) {
    throw new UserError(
      "not one image is classified right, so there is none to diagnose by",
      ExitCode.method,
      "train longer, or check that the weights belong to this data set",
    );
  }
  // Of each layer the columns of an image's row: the aggregated gradient, and the evidence's.
  let columns: Tensor[][] = [];
  const rows = await RowCollector.make(runtime, set, chosen, options.batch, (batches, key) => {
    const { background } = batches;
    columns = diagnosed(network, batches, key, options).map(({ gradient, output }) => {
      const withEvidence = background && output.rank === 4;
      const evidence = withEvidence ? evidenceRows(gradient, output, background) : [];
      return [aggregate(gradient), ...evidence];
    });
    return concat(columns.flat(), 1);
  });
  try {
    const values = await rows.collect(options.seed, { signal: options.signal });
    const widths = columns.map((of) => of.map(({ shape }) => shape[1]));
    const classes = set.classes.length;
    const sums = sumByClass(values, widths.flat(), chosen.labels, classes);
    return options.layers.map((layer, l) => {
      const [total, ...evidence] = sums.splice(0, widths[l].length);
      return {
        ...{ layer, classes, channels: widths[l][0], aggregate: Float32Array.from(total) },
        ...evidence.length > 0 && { evidence: evidenceOf(evidence) },
      };
    });
  } finally {
    rows.destroy();
  }
}

/** A layer's output A [B, H, W, C], and d logit_label / dA for every image of the batch. */
interface Diagnosed {
  readonly gradient: Tensor;
  readonly output: Tensor;
}

function diagnosed(
  network: Module,
  { images, labels }: Batches,
  key: Tensor,
  { layers, noise: halfWidth, noiseCopies }: DiagnoseOptions,
): Diagnosed[] {
  // The score is a mean over the batch; times the batch it is each image's own logit.
  const perImage = (g: Tensor) => mul(g, labels.size);
  const { logits, layer } = observe(network, images, { training: false });
  if (halfWidth === 0) {
    return scoreGradients(logits, labels, layers.map(layer))
      .map((gradient, l) => ({ gradient: perImage(gradient), output: layer(layers[l]) }));
  }
  // A plan merges equal nodes, so the copies of a layer share everything before it.
  return layers.map((disturbed) => {
    const copies = Array.from({ length: noiseCopies }, (_, copy) => {
      const tap = (name: string, output: Tensor) =>
        name === disturbed
          ? add(output, noise(output.shape, halfWidth, key, `noise ${copy} at ${disturbed}`))
          : output;
      const { logits, layer } = observe(network, images, { training: false, tap });
      return scoreGradients(logits, labels, [layer(disturbed)])[0];
    });
    const average = mul(copies.reduce((sum, g) => add(sum, g)), 1 / noiseCopies);
    return { gradient: perImage(average), output: layer(disturbed) };
  });
}

/** Adds up the rows of each class in float64: of each group of columns [classes, width]. */
function sumByClass(
  rows: Float32Array,
  widths: readonly number[],
  labels: Labels,
  classes: number,
): Float64Array[] {
  const width = widths.reduce((sum, w) => sum + w, 0);
  let offset = 0;
  return widths.map((columns) => {
    const total = new Float64Array(classes * columns);
    labels.forEach((label, i) => {
      for (let j = 0; j < columns; j++) {
        total[label * columns + j] += rows[i * width + offset + j];
      }
    });
    offset += columns;
    return total;
  });
}

/**
 * The correlation mask [classes, channels]: each class' row of G is brought to 0 .. 1 by
 * (g - min) / (max - min + 1e-5), and what exceeds theta belongs to the class.
 */
export function correlationMask(
  { classes, channels, aggregate }: LayerDiagnosis,
  theta: number,
): Float32Array<ArrayBuffer> {
  const mask = new Float32Array(classes * channels);
  for (let k = 0; k < classes; k++) {
    const row = aggregate.subarray(k * channels, (k + 1) * channels);
    const low = row.reduce((a, b) => Math.min(a, b));
    const high = row.reduce((a, b) => Math.max(a, b));
    row.forEach((g, j) => mask[k * channels + j] = (g - low) / (high - low + 1e-5) > theta ? 1 : 0);
  }
  return mask;
}
