/**
 * Batches on the GPU. A split lives there as bytes; a batch is a list of indices, and gathering,
 * resizing, cropping, flipping and normalising are kernels. A split that is in files, or larger
 * than may lie on the device, stays where it is: only the batch's bytes travel, and those of the
 * next batch are read meanwhile.
 */

import { batchKernel, type BatchShape } from "../gpu/kernels/batch.ts";
import type { Feed } from "../plan/plan.ts";
import type { Site } from "../plan/resources.ts";
import type { Runtime } from "../plan/runtime.ts";
import { takeRows } from "../tensor/indexing.ts";
import { div, sub } from "../tensor/pointwise.ts";
import { uniform } from "../tensor/random.ts";
import { defineKernels } from "../tensor/operation.ts";
import { Input, type Tensor, Variable } from "../tensor/tensor.ts";
import { type Augmentation, type DataSet, NO_MASK, type Split, storedSize } from "./dataset.ts";
import { tapTable } from "./resize.ts";

const IMAGE_BATCH = defineKernels<BatchShape>({
  name: "imageBatch",
  inputs: ["u32", "u32", "f32", "u32", "u32"],
  lower: (node, shape) => {
    const [tapsDown, tapsRight] = node.inputs.slice(3).map(({ shape }) => shape[1] - 1);
    return [{ kernel: batchKernel(shape, tapsDown, tapsRight), buffers: [...node.inputs, node] }];
  },
});

/** How a resized line follows from a stored one, for the rows and for the columns of an image. */
export interface Resizing {
  /** [height, 1 + taps]; see `tapTable` */
  readonly down: Tensor;
  /** [width, 1 + taps] */
  readonly right: Tensor;
}

/**
 * Images as floats in 0 .. 1, [B, H, W, C]; ones where an index is NO_MASK.
 * @param bytes images one after the other, four bytes to a u32
 * @param indices [B] (u32)
 * @param draws [B, 3] in [0, 1): crop down, crop right, flips
 */
export function imageBatch(
  bytes: Tensor,
  indices: Tensor,
  draws: Tensor,
  { down, right }: Resizing,
  shape: BatchShape,
): Tensor {
  const { batch, height, width, channels } = shape;
  const inputs = [bytes, indices, draws, down, right];
  return IMAGE_BATCH.node(inputs, [batch, height, width, channels], shape);
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
  /**
   * Share of background in each pixel [B, H, W, 1], where the split has masks. An image that has
   * none counts as all figure, so nothing is asked of it.
   */
  readonly background?: Tensor;

  /** Which of the split's images these are, [B] (u32): picks rows of other tables of the split. */
  readonly indices: Input;
  /** Of the normalisation, [C]. */
  readonly mean: Tensor;
  readonly std: Tensor;

  private readonly stores: Store[] = [];
  /** What of this lies on the device beside the plans. */
  private readonly variables: Variable[] = [];

  constructor(site: Site, set: DataSet, split: Split, options: BatchOptions) {
    const { batch, key, augmentation = NO_AUGMENTATION } = options;
    const { height, width, channels } = set;
    const from = storedSize(set);
    const keep = (variable: Variable) => (this.variables.push(variable), variable);
    const table = (label: string, stored: number, size: number) => {
      const { width, values } = tapTable(stored, size);
      return keep(new Variable(label, [size, 1 + width], values));
    };
    const resizing = {
      down: table("resizing down", from.height, height),
      right: table("resizing right", from.width, width),
    };
    const draws = uniform(key, [batch, 3], "augmentation");
    const shape = { batch, height, width, fromHeight: from.height, fromWidth: from.width };
    const pixels = (
      source: Split["images"],
      channels: number,
      label: string,
      rows?: Uint32Array,
    ) => {
      const imageBytes = from.height * from.width * channels;
      const store = new Store(site, source, imageBytes, batch, label, rows);
      this.stores.push(store);
      if (store.bytes instanceof Variable) keep(store.bytes);
      const reversed = channels > 1 && set.colour === "bgr" ? { reversed: true } : {};
      const options = { ...shape, ...augmentation, channels, ...reversed };
      return imageBatch(store.bytes, store.places, draws, resizing, options);
    };

    this.indices = new Input("batch indices", [batch], "u32");
    const labels = Uint32Array.from(split.labels);
    this.labels = takeRows(keep(new Variable("labels", [labels.length], labels)), this.indices);
    [this.mean, this.std] = [set.mean, set.std].map((values) =>
      keep(new Variable("normalisation", [channels], Float32Array.from(values)))
    );
    this.images = div(sub(pixels(split.images, channels, "images"), this.mean), this.std);
    const { masks } = split;
    if (masks && masks.count > 0) {
      this.background = sub(1, pixels(masks.coverage, 1, "masks", masks.rows));
    }
  }

  /**
   * What a plan over these tensors is fed for the images at `indices`.
   * @param next the batch after it, which is read ahead
   * @throws UserError (data) where an image's file can't be read
   */
  async feeds(indices: Uint32Array<ArrayBuffer>, next?: Uint32Array): Promise<Feed[]> {
    const stored: Feed[] = [];
    for (const store of this.stores) stored.push(...await store.feeds(indices, next));
    return [[this.indices, indices], ...stored];
  }

  /** Frees the split's memory on the device. */
  release(runtime: Runtime): void {
    runtime.release(this.variables);
  }
}

/** What of a split may lie on the device, which has to hold the network too. */
export const RESIDENT_BYTES = 2 ** 30;

/** The bytes of a split's images: a variable on the device, or an input of one batch's bytes. */
class Store {
  readonly bytes: Variable | Input;
  /** Where in `bytes` each image of the batch lies. */
  readonly places: Input;
  private ahead?: { rows: Uint32Array; bytes: Promise<Uint8Array> };

  /** @param rows for each of the split's images the row in `source`, where that is another */
  constructor(
    site: Site,
    private readonly source: Split["images"],
    private readonly imageBytes: number,
    batch: number,
    label: string,
    private readonly rows?: Uint32Array,
  ) {
    const most = Math.min(RESIDENT_BYTES, site.gpu.limits.maxStorageBufferBindingSize);
    this.places = new Input(`places of ${label}`, [batch], "u32");
    this.bytes = source instanceof Uint8Array && source.length <= most
      ? new Variable(label, [Math.ceil(source.length / 4)], asWords(source))
      : new Input(label, [Math.ceil(batch * imageBytes / 4)], "u32");
  }

  async feeds(indices: Uint32Array<ArrayBuffer>, next?: Uint32Array): Promise<Feed[]> {
    const rows = this.rowsOf(indices);
    if (this.bytes instanceof Variable) return [[this.places, rows]];
    const bytes =
      await (this.ahead && same(this.ahead.rows, rows) ? this.ahead.bytes : this.read(rows));
    this.ahead = undefined;
    if (next && !(this.source instanceof Uint8Array)) this.readAhead(this.rowsOf(next));
    const places = rows.map((row, i) => row === NO_MASK ? NO_MASK : i);
    const words = asWords(bytes, this.bytes.size);
    return [[this.bytes, words], [this.places, places]];
  }

  private rowsOf(indices: Uint32Array): Uint32Array<ArrayBuffer> {
    const { rows } = this;
    return Uint32Array.from(indices, (i) => rows ? rows[i] : i);
  }

  private readAhead(rows: Uint32Array): void {
    const bytes = Promise.resolve(this.read(rows));
    // Who waits for the bytes learns of a failure; nobody may, where the run ends before.
    bytes.catch(() => {});
    this.ahead = { rows, bytes };
  }

  private read(rows: Uint32Array): Uint8Array | Promise<Uint8Array> {
    const { source, imageBytes } = this;
    if (!(source instanceof Uint8Array)) return source.read(rows);
    const bytes = new Uint8Array(rows.length * imageBytes);
    rows.forEach((row, i) => {
      if (row === NO_MASK) return;
      bytes.set(source.subarray(row * imageBytes, (row + 1) * imageBytes), i * imageBytes);
    });
    return bytes;
  }
}

const same = (a: Uint32Array, b: Uint32Array) =>
  a.length === b.length && a.every((value, i) => value === b[i]);

/** Bytes as little-endian words, filled up with zeros. */
function asWords(
  bytes: Uint8Array,
  words: number = Math.ceil(bytes.length / 4),
): Uint32Array<ArrayBuffer> {
  if (bytes.byteOffset === 0 && bytes.length === 4 * words) {
    return new Uint32Array(bytes.buffer as ArrayBuffer, 0, words);
  }
  const padded = new Uint8Array(4 * words);
  padded.set(bytes);
  return new Uint32Array(padded.buffer);
}
