/**
 * Temperature scaling (Guo et al., ICML 2017): the logits divided by the one number that makes the
 * cross entropy on the validation images smallest. No prediction changes, only its confidence. The
 * number is folded into the last layer's weights, so that what is kept is a network like any other.
 * The logits must be in proportion to those; see headOf.
 */

import type { DataSet, Split } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { type Logits, predictSplit } from "../train/predict.ts";
import { headOf } from "./head.ts";

/**
 * Between these the factor is sought. Where every image is right the best one is infinite, and the
 * least is taken beyond which the loss stays the same.
 */
const RANGE = [1e-2, 1e2] as const;

/**
 * The factor of the logits (one over the temperature) with the least cross entropy, within RANGE. It
 * is convex in the factor, so halving finds where the derivative changes its sign:
 *
 *     d CE / d b = mean over images of  sum_k softmax(b z)_k z_k - z_label
 */
export function bestScale(logits: Logits): number {
  let [low, high] = RANGE.map(Math.log);
  while (high - low > 1e-9) {
    const middle = (low + high) / 2;
    if (slope(logits, Math.exp(middle)) < 0) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

/** The derivative of the summed cross entropy in the factor of the logits. */
function slope({ values, classes, labels }: Logits, scale: number): number {
  return labels.reduce((total, label, i) => {
    const row = values.subarray(i * classes, (i + 1) * classes);
    const largest = Math.max(...row);
    let [sum, weighted] = [0, 0];
    for (const z of row) {
      const weight = Math.exp(scale * (z - largest));
      sum += weight;
      weighted += weight * z;
    }
    return total + weighted / sum - row[label];
  }, 0);
}

/**
 * Fits the temperature of a network to validation images, and folds it into the last layer.
 * @returns the factor of the logits
 */
export async function foldTemperature(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  options: { readonly validation: Split; readonly batch: number; readonly signal?: AbortSignal },
): Promise<number> {
  const { validation, batch, signal } = options;
  const { parameters, scales } = headOf(network, set);
  if (!scales) throw new Error("the logits are not in proportion to the last layer's parameters");
  const scale = bestScale(await predictSplit(runtime, network, set, validation, { batch, signal }));
  const head = [...parameters.values()];
  const values = await runtime.read(head);
  head.forEach((parameter, i) => {
    runtime.write(parameter, Float32Array.from(values[i], (value) => scale * value));
  });
  return scale;
}
