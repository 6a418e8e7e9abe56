/** Forward passes over a whole split: the logits of every image. */

import type { DataSet, Labels, Split } from "../data/dataset.ts";
import { type Module, run } from "../nn/module.ts";
import type { Draft } from "../plan/plan.ts";
import type { Site } from "../plan/resources.ts";
import type { Runtime } from "../plan/runtime.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { RowCollector } from "./collect.ts";
import type { Arisen } from "./nonfinite.ts";
import type { Observer } from "./observer.ts";

/** Logits of n images, row-major [n, classes]. */
export interface Logits {
  readonly values: Float32Array;
  readonly classes: number;
  readonly labels: Labels;
}

/** The network's logits over a split, in evaluation mode; can be asked again after training on. */
export class Predictor {
  private constructor(
    private readonly rows: RowCollector,
    private readonly classes: number,
    private readonly labels: Labels,
  ) {}

  /** What it would occupy; nothing is made. Throws as `draft` does. */
  static draft(site: Site, network: Module, set: DataSet, split: Split, batch: number): Draft {
    return RowCollector.draft(site, set, split, batch, logitsOf(network));
  }

  static async make(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    split: Split,
    batch: number,
  ): Promise<Predictor> {
    const rows = await RowCollector.make(runtime, set, split, batch, logitsOf(network));
    return new Predictor(rows, set.classes.length, split.labels);
  }

  async predict(observer?: Observer): Promise<Logits> {
    const values = await this.rows.collect(0, observer);
    return { values, classes: this.classes, labels: this.labels };
  }

  /** The first value that isn't finite, over the whole split. */
  firstNotFinite(): Promise<Arisen | undefined> {
    return this.rows.firstNotFinite();
  }

  destroy(): void {
    this.rows.destroy();
  }
}

const logitsOf = (network: Module) => ({ images }: { readonly images: Tensor }) =>
  run(network, images, { training: false }).output;

/** The logits of one split, asked for once. */
export async function predictSplit(
  runtime: Runtime,
  network: Module,
  set: DataSet,
  split: Split,
  options: Observer & { readonly batch: number },
): Promise<Logits> {
  const predictor = await Predictor.make(runtime, network, set, split, options.batch);
  try {
    return await predictor.predict(options);
  } finally {
    predictor.destroy();
  }
}
