/** What a penalty's terms are worth where a training starts, before any of its steps. */

import { type DataSet, type Split, subset } from "../data/dataset.ts";
import type { Module } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { broadcastTo } from "../tensor/broadcast.ts";
import { concat } from "../tensor/movement.ts";
import { RowCollector } from "../train/collect.ts";
import type { Penalty } from "../train/loss.ts";
import { forward } from "../train/graph.ts";
import { shuffled } from "../train/order.ts";
import { type StepSize, stepSize } from "../train/parts.ts";

/** Batches over which the terms are averaged. */
const BATCHES = 8;

/** A network at its start and what it will be trained on. */
export interface StartSite {
  readonly runtime: Runtime;
  readonly network: Module;
  readonly set: DataSet;
  readonly split: { readonly train: Split };
  readonly settings: StepSize & { readonly seed: number };
}

/**
 * The terms' unweighted means over the images of the first steps, in training mode but without
 * augmentation, at the network's present weights. The network stays as it is.
 */
export async function firstValues(
  { runtime, network, set, split: { train }, settings }: StartSite,
  penalty: Penalty,
): Promise<Record<string, number>> {
  const { length } = train.labels;
  const { seed } = settings;
  const { batch, microBatch } = stepSize(settings, length);
  const share = microBatch / batch;
  const images = batch * Math.min(BATCHES, Math.floor(length / batch));
  const first = subset(train, shuffled(length, seed, 0).slice(0, images));
  let names: string[] = [];
  const rows = await RowCollector.make(runtime, set, first, microBatch, (batches, key) => {
    const terms = penalty.build(forward(network, { ...batches, share }, key).graph);
    names = Object.keys(terms);
    // The same in every row of a batch.
    return concat(names.map((name) => broadcastTo(terms[name].value, [microBatch, 1])), 1);
  });
  try {
    const values = await rows.collect(seed);
    const mean = (column: number) => {
      let sum = 0;
      for (let at = column; at < values.length; at += names.length) sum += values[at];
      return sum / images;
    };
    return Object.fromEntries(names.map((name, column) => [name, mean(column)]));
  } finally {
    rows.destroy();
  }
}
