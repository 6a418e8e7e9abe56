/**
 * Diagnosis: the convolution kernels each class lives on. For the images that a class is surest
 * of, the positive part of the gradient of its score is summed over space and images,
 *
 *     G[k, j] = sum over images of class k, sum over h, w   relu(d logit_k / d A[h, w, j]),
 *
 * for each diagnosed layer A, in evaluation mode. With noise, the gradient is first averaged over
 * copies of the feature map A + xi: isolated (adversarial) directions average out.
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
  const widths: number[] = [];
  const rows = await RowCollector.make(runtime, set, chosen, options.batch, (batches, key) => {
    const aggregated = layerGradients(network, batches, key, options).map(aggregate);
    widths.push(...aggregated.map((g) => g.shape[1]));
    return concat(aggregated, 1);
  });
  try {
    const values = await rows.collect(options.seed, { signal: options.signal });
    return sumByClass(values, widths, chosen.labels, set.classes.length, options.layers);
  } finally {
    rows.destroy();
  }
}

/** d logit_label / d A for every image of the batch, at each layer [B, H, W, C]. */
function layerGradients(
  network: Module,
  { images, labels }: Batches,
  key: Tensor,
  { layers, noise: halfWidth, noiseCopies }: DiagnoseOptions,
): Tensor[] {
  // The score is a mean over the batch; times the batch it is each image's own logit.
  const perImage = (g: Tensor) => mul(g, labels.size);
  if (halfWidth === 0) {
    const { logits, layer } = observe(network, images, { training: false });
    return scoreGradients(logits, labels, layers.map(layer)).map(perImage);
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
    return perImage(mul(copies.reduce((sum, g) => add(sum, g)), 1 / noiseCopies));
  });
}

/** Adds up the rows of each class, layer by layer, in float64. */
function sumByClass(
  rows: Float32Array,
  widths: readonly number[],
  labels: Labels,
  classes: number,
  layers: readonly string[],
): LayerDiagnosis[] {
  const width = widths.reduce((sum, w) => sum + w, 0);
  let offset = 0;
  return layers.map((layer, l) => {
    const channels = widths[l];
    const total = new Float64Array(classes * channels);
    labels.forEach((label, i) => {
      for (let j = 0; j < channels; j++) {
        total[label * channels + j] += rows[i * width + offset + j];
      }
    });
    offset += channels;
    return { layer, classes, channels, aggregate: Float32Array.from(total) };
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
