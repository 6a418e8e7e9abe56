/**
 * Batches on the GPU. A split lives there as bytes; a batch is a list of indices, and gathering,
 * cropping, flipping and normalising are kernels. A split that is larger than one binding may be
 * stays on the host, and only the batch's bytes travel.
 */

import { batchKernel, type BatchShape } from "../gpu/kernels/indexing.ts";
import type { Feed } from "../plan/plan.ts";
import type { Runtime } from "../plan/runtime.ts";
import { takeRows } from "../tensor/indexing.ts";
import { div, mul, sub } from "../tensor/pointwise.ts";
import { uniform } from "../tensor/random.ts";
import { Input, type Operation, Tensor, Variable } from "../tensor/tensor.ts";
import type { Augmentation, DataSet, Split } from "./dataset.ts";

const IMAGE_BATCH: Operation = {
  name: "imageBatch",
  kind: "kernels",
  lower: (node) => [{
    kernel: batchKernel(node.attributes as unknown as BatchShape),
    buffers: [...node.inputs, node],
  }],
};

/**
 * Images as floats in 0 .. 1, [B, H, W, C].
 * @param bytes images one after the other, four bytes to a u32
 * @param indices [B] (u32)
 * @param draws [B, 3] in [0, 1): crop down, crop right, flip
 */
export function imageBatch(
  bytes: Tensor,
  indices: Tensor,
  draws: Tensor,
  shape: BatchShape,
): Tensor {
  const { batch, height, width, channels } = shape;
  return new Tensor(IMAGE_BATCH, [bytes, indices, draws], [batch, height, width, channels], "f32", {
    ...shape,
  });
}

export interface BatchOptions {
  readonly batch: number;
  /** Random changes of the images; none where absent. */
  readonly augmentation?: Augmentation;
  /** Seed and step [2] (u32), from which the augmentation draws. */
  readonly key: Tensor;
}

const NO_AUGMENTATION: Augmentation = { cropPadding: 0, flip: false };

export class Batches {
  /** Normalised images [B, H, W, C]. */
  readonly images: Tensor;
  /** [B] (u32) */
  readonly labels: Tensor;
  /** Share of background in each pixel [B, H, W, 1], where the split has masks. */
  readonly background?: Tensor;

  /** Which of the split's images these are, [B] (u32): picks rows of other tables of the split. */
  readonly indices: Input;
  /** Of the normalisation, [C]. */
  readonly mean: Tensor;
  readonly std: Tensor;

  private readonly stores: Store[] = [];
  /** What of this lies on the device beside the plans. */
  private readonly variables: Variable[] = [];

  constructor(runtime: Runtime, set: DataSet, split: Split, options: BatchOptions) {
    const { batch, key, augmentation = NO_AUGMENTATION } = options;
    const { height, width, channels } = set;
    this.indices = new Input("batch indices", [batch], "u32");
    const keep = (variable: Variable) => (this.variables.push(variable), variable);
    const labels = Uint32Array.from(split.labels);
    this.labels = takeRows(keep(new Variable("labels", [labels.length], labels)), this.indices);
    const draws = uniform(key, [batch, 3], "augmentation");
    const shape = { batch, height, width, ...augmentation };
    const pixels = (bytes: Uint8Array, channels: number, label: string) => {
      const store = new Store(runtime, bytes, height * width * channels, batch, label);
      this.stores.push(store);
      keep(store.bytes instanceof Variable ? store.bytes : store.order);
      return imageBatch(store.bytes, store.resident ? this.indices : store.order, draws, {
        ...shape,
        channels,
      });
    };
    [this.mean, this.std] = [set.mean, set.std].map((values) =>
      keep(new Variable("normalisation", [channels], Float32Array.from(values)))
    );
    this.images = div(sub(pixels(split.images, channels, "images"), this.mean), this.std);
    if (split.masks) this.background = sub(1, mul(pixels(split.masks, 1, "masks"), 255));
  }

  /** What a plan over these tensors is fed for the images at `indices`. */
  feeds(indices: Uint32Array<ArrayBuffer>): Feed[] {
    return [[this.indices, indices], ...this.stores.flatMap((store) => store.feeds(indices))];
  }

  /** Frees the split's memory on the device. */
  release(runtime: Runtime): void {
    runtime.release(this.variables);
  }
}

/** The bytes of a split's images: a variable on the device, or an input of one batch's bytes. */
class Store {
  readonly bytes: Variable | Input;
  readonly resident: boolean;
  /** 0, 1, 2, ...: where each image of the batch lies in a fed buffer. */
  readonly order: Variable;

  constructor(
    runtime: Runtime,
    private readonly source: Uint8Array,
    private readonly imageBytes: number,
    batch: number,
    label: string,
  ) {
    this.resident = source.length <= runtime.gpu.limits.maxStorageBufferBindingSize;
    this.order = new Variable("order", [batch], Uint32Array.from({ length: batch }, (_, i) => i));
    const words = Math.ceil(batch * imageBytes / 4);
    this.bytes = this.resident
      ? new Variable(label, [Math.ceil(source.length / 4)], asWords(source))
      : new Input(label, [words], "u32");
  }

  feeds(indices: Uint32Array): Feed[] {
    if (this.bytes instanceof Variable) return [];
    const { imageBytes, source } = this;
    const bytes = new Uint8Array(4 * this.bytes.size);
    indices.forEach((index, i) =>
      bytes.set(source.subarray(index * imageBytes, (index + 1) * imageBytes), i * imageBytes)
    );
    return [[this.bytes, new Uint32Array(bytes.buffer)]];
  }
}

/** Bytes as little-endian words, the last one filled with zeros. */
function asWords(bytes: Uint8Array): Uint32Array<ArrayBuffer> {
  const padded = new Uint8Array(4 * Math.ceil(bytes.length / 4));
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}
