/** Forward passes over a whole split: logits of every image, in one readback. */

import { Batches } from "../data/batch.ts";
import type { DataSet, Labels, Split } from "../data/dataset.ts";
import { type Module, run } from "../nn/module.ts";
import type { Feed, Plan } from "../plan/plan.ts";
import type { Runtime } from "../plan/runtime.ts";
import { inLayer } from "../tensor/origin.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";

/** Logits of n images, row-major [n, classes]. */
export interface Logits {
  readonly values: Float32Array;
  readonly classes: number;
  readonly labels: Labels;
}

/** Who watches a run over many images. */
export interface Observer {
  readonly signal?: AbortSignal;
  onProgress?(done: number, total: number): void;
}

/** An observer of one of several equal parts of the work. */
export function partOf(
  { signal, onProgress }: Observer,
  part: number,
  parts: number,
): Observer {
  return {
    signal,
    onProgress: onProgress && ((done, total) => onProgress(part * total + done, parts * total)),
  };
}

/** Batches between two turns of the event loop. */
const TURN_EVERY = 16;
const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** Rows that a graph computes for every image of a split. */
export class RowCollector {
  private constructor(
    private readonly runtime: Runtime,
    readonly plan: Plan<"rows">,
    private readonly batches: Batches,
    private readonly key: Input,
    private readonly count: number,
    private readonly batch: number,
    private readonly width: number,
  ) {}

  /**
   * @param build from a batch's images and labels the rows [B, width] to be collected
   */
  static async make(
    runtime: Runtime,
    set: DataSet,
    split: Split,
    batch: number,
    build: (batches: Batches, key: Tensor) => Tensor,
  ): Promise<RowCollector> {
    const size = Math.min(batch, split.labels.length);
    const key = new Input("key", [2], "u32");
    const batches = inLayer(
      "(batch)",
      () => new Batches(runtime, set, split, { batch: size, key }),
    );
    const rows = build(batches, key);
    const plan = await runtime.plan({ outputs: { rows } });
    return new RowCollector(
      runtime,
      plan,
      batches,
      key,
      split.labels.length,
      size,
      rows.size / size,
    );
  }

  /**
   * Runs over the whole split: [n, width].
   * @param seed of what the graph draws; the batch's number is its step
   * @param feeds values of the graph's own inputs, the same for all batches
   * @throws the signal's reason when it is aborted
   */
  async collect(
    seed = 0,
    { signal, onProgress }: Observer = {},
    feeds: readonly Feed[] = [],
  ): Promise<Float32Array<ArrayBuffer>> {
    const { batch, count, width } = this;
    const rounds = Math.ceil(count / batch);
    const rowBytes = 4 * width;
    const target = this.runtime.createBuffer("collected rows", rounds * batch * rowBytes);
    onProgress?.(0, count);
    try {
      for (let round = 0; round < rounds; round++) {
        const copy = { output: "rows", to: target, byteOffset: round * batch * rowBytes } as const;
        this.plan.run([...await this.feeds(seed, round), ...feeds], [copy]);
        onProgress?.(Math.min((round + 1) * batch, count), count);
        // An interruption arrives when the event loop turns.
        if (round % TURN_EVERY === TURN_EVERY - 1) await nextTurn();
        signal?.throwIfAborted();
      }
      const source = { buffer: target, bytes: count * rowBytes, dtype: "f32" } as const;
      const [values] = await this.runtime.readBuffers([source]);
      return values as Float32Array<ArrayBuffer>;
    } finally {
      target.destroy();
    }
  }

  /** What the plan is fed for the batch numbered `round`; the one after it is read ahead. */
  async feeds(seed: number, round: number): Promise<Feed[]> {
    const more = (round + 1) * this.batch < this.count;
    const next = more ? this.indices(round + 1) : undefined;
    const batch = await this.batches.feeds(this.indices(round), next);
    return [...batch, [this.key, Uint32Array.of(seed, round)]];
  }

  /** The last batch is filled up with its last image; the surplus rows are not returned. */
  private indices(round: number): Uint32Array<ArrayBuffer> {
    const at = (i: number) => Math.min(round * this.batch + i, this.count - 1);
    return Uint32Array.from({ length: this.batch }, (_, i) => at(i));
  }

  destroy(): void {
    this.plan.destroy();
    this.batches.release(this.runtime);
  }
}

/** The network's logits over a split, in evaluation mode; can be asked again after training on. */
export class Predictor {
  private constructor(
    private readonly rows: RowCollector,
    private readonly classes: number,
    private readonly labels: Labels,
  ) {}

  static async make(
    runtime: Runtime,
    network: Module,
    set: DataSet,
    split: Split,
    batch: number,
  ): Promise<Predictor> {
    const rows = await RowCollector.make(
      runtime,
      set,
      split,
      batch,
      ({ images }) => run(network, images, { training: false }).output,
    );
    return new Predictor(rows, set.classes.length, split.labels);
  }

  async predict(observer?: Observer): Promise<Logits> {
    const values = await this.rows.collect(0, observer);
    return { values, classes: this.classes, labels: this.labels };
  }

  destroy(): void {
    this.rows.destroy();
  }
}

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
