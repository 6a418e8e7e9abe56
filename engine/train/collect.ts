/** Rows that a graph computes for every image of a split: kept on the device, read back at the end. */

import { Batches } from "../data/batch.ts";
import type { DataSet, Split } from "../data/dataset.ts";
import type { Gpu } from "../gpu/adapter.ts";
import { readBuffers } from "../plan/buffers.ts";
import { type Draft, draft, type Feed, type Plan, type PlanSpec } from "../plan/plan.ts";
import { withSmallerBatch } from "../plan/room.ts";
import type { Site } from "../plan/resources.ts";
import type { Runtime } from "../plan/runtime.ts";
import { inLayer } from "../tensor/origin.ts";
import { Input, type Tensor } from "../tensor/tensor.ts";
import { type Arisen, Watch } from "./nonfinite.ts";
import type { Observer } from "./observer.ts";

/** Batches between two turns of the event loop. */
const TURN_EVERY = 16;
const nextTurn = () => new Promise((resolve) => setTimeout(resolve, 0));

/** From a batch's images and labels the rows [B, width] to be collected. */
type Rows = (batches: Batches, key: Tensor) => Tensor;

export class RowCollector {
  private constructor(
    private readonly runtime: Runtime,
    private readonly spec: PlanSpec<"rows">,
    readonly plan: Plan<"rows">,
    private readonly batches: Batches,
    private readonly key: Input,
    private readonly count: number,
    private readonly batch: number,
    private readonly width: number,
  ) {}

  /** What a look at a batch would do and occupy; nothing is made. Throws as `draft` does. */
  static draft(site: Site, set: DataSet, split: Split, batch: number, build: Rows): Draft {
    return draft(site, [traceRows(site, set, split, batch, build).spec]);
  }

  static async make(
    runtime: Runtime,
    set: DataSet,
    split: Split,
    batch: number,
    build: Rows,
  ): Promise<RowCollector> {
    const { size, key, batches, rows, spec } = traceRows(runtime, set, split, batch, build);
    const plan = await runtime.plan(spec).catch((error) => {
      const weighed = (smaller: number) =>
        RowCollector.draft(runtime, set, split, smaller, build).memory;
      throw withSmallerBatch(error, size, weighed);
    });
    return new RowCollector(
      ...[runtime, spec, plan, batches, key] as const,
      ...[split.labels.length, size, rows.size / size] as const,
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
    const rows = new RowBuffers(this.runtime.gpu, rounds, 4 * batch * width);
    onProgress?.(0, count);
    try {
      for (let round = 0; round < rounds; round++) {
        const copy = { output: "rows", ...rows.place(round) } as const;
        this.plan.run([...await this.feeds(seed, round), ...feeds], [copy]);
        onProgress?.(Math.min((round + 1) * batch, count), count);
        // An interruption arrives when the event loop turns.
        if (round % TURN_EVERY === TURN_EVERY - 1) await nextTurn();
        signal?.throwIfAborted();
      }
      return await rows.read(count * width);
    } finally {
      rows.destroy();
    }
  }

  /** The first value of the graph that isn't finite, over the whole split. */
  async firstNotFinite(seed = 0): Promise<Arisen | undefined> {
    const watch = await Watch.make(this.runtime, this.spec);
    try {
      for (let round = 0; round * this.batch < this.count; round++) {
        const arisen = await watch.run(await this.feeds(seed, round));
        if (arisen) return arisen;
      }
    } finally {
      watch.destroy();
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

/**
 * Memory for the rows of every batch, one behind the other. Nothing but copies touches it, so it is
 * not held to what a binding may see; where even a buffer's limit is passed, it is several buffers.
 */
class RowBuffers {
  private readonly buffers: GPUBuffer[] = [];
  /** Batches of which the rows lie in one buffer. */
  private readonly each: number;

  /** @param bytes of the rows of one batch */
  constructor(private readonly gpu: Gpu, rounds: number, private readonly bytes: number) {
    this.each = Math.max(1, Math.floor(gpu.limits.maxBufferSize / bytes));
    for (let round = 0; round < rounds; round += this.each) {
      const size = Math.min(this.each, rounds - round) * bytes;
      const usage = GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST;
      this.buffers.push(gpu.device.createBuffer({ label: "collected rows", size, usage }));
    }
  }

  /** Where a batch's rows go. */
  place(round: number): { readonly to: GPUBuffer; readonly byteOffset: number } {
    const to = this.buffers[Math.floor(round / this.each)];
    return { to, byteOffset: (round % this.each) * this.bytes };
  }

  /** The first `length` values. */
  async read(length: number): Promise<Float32Array<ArrayBuffer>> {
    const values = new Float32Array(length);
    let left = 4 * length;
    const sources = this.buffers.map((buffer) => {
      const bytes = Math.min(buffer.size, left);
      left -= bytes;
      return { buffer, bytes, dtype: "f32" } as const;
    });
    let at = 0;
    for (const part of await readBuffers(this.gpu, sources)) {
      values.set(part, at);
      at += part.length;
    }
    return values;
  }

  destroy(): void {
    for (const buffer of this.buffers) buffer.destroy();
  }
}

function traceRows(site: Site, set: DataSet, split: Split, batch: number, build: Rows) {
  const size = Math.min(batch, split.labels.length);
  const key = new Input("key", [2], "u32");
  const batches = inLayer("(batch)", () => new Batches(site, set, split, { batch: size, key }));
  const rows = build(batches, key);
  const spec = { purpose: `a look at ${size} images`, outputs: { rows } };
  return { size, key, batches, rows, spec };
}
