/** What is measured, and what every measure on the device is. */

import type { DataSet, Split } from "../../data/dataset.ts";
import type { Module } from "../../nn/module.ts";
import type { Runtime } from "../../plan/runtime.ts";
import type { Observer } from "../../train/observer.ts";

/** A network and images to measure it on. */
export interface Subject {
  readonly runtime: Runtime;
  readonly network: Module;
  readonly set: DataSet;
  readonly split: Split;
  readonly batch: number;
  /** Of what is drawn. */
  readonly seed: number;
}

/** A plan that measures the network in whatever state it is; asked again after training on. */
export interface Measure<Result> {
  measure(observer?: Observer): Promise<Result>;
  destroy(): void;
}

/** A point of a curve: the share that is right at some strength of what is done to the images. */
export interface Point {
  readonly strength: number;
  readonly accuracy: number;
}

/** The share of labels that a column of the rows [n, width] equals. */
export function columnAccuracy(
  rows: ArrayLike<number>,
  labels: ArrayLike<number>,
  column: number,
): number {
  const [n, width] = [labels.length, rows.length / labels.length];
  let correct = 0;
  for (let i = 0; i < n; i++) if (rows[i * width + column] === labels[i]) correct++;
  return correct / n;
}
