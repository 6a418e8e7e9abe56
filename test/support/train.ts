/** What tests of training need: small data, a small network, runs of it, and what they leave. */

import { join } from "node:path";
import assert from "node:assert/strict";
import {
  type DataSet,
  masksOfAll,
  type MemorySplit,
  type Split,
} from "../../engine/data/dataset.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { openGpu } from "../../engine/host/gpu.ts";
import { BatchNorm2d, Conv2d, Dropout, Linear, MaxPool2d, ReLU } from "../../engine/nn/layers.ts";
import { Module, type Pass, Sequential } from "../../engine/nn/module.ts";
import { initialize, type StateDict, stateDict } from "../../engine/nn/state.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { below, draws } from "../../engine/random.ts";
import { checkpointFile } from "../../engine/run/checkpoint_file.ts";
import { flatten } from "../../engine/tensor/movement.ts";
import type { Tensor } from "../../engine/tensor/tensor.ts";
import { RowCollector } from "../../engine/train/collect.ts";
import type { TrainOptions, TrainResult } from "../../engine/train/options.ts";
import { train } from "../../engine/train/train.ts";

export const SIZE = 8;
export const CHANNELS = 2;
export const CLASSES = 3;

/** n images of noise; the class is which third of the image is bright, the mask where that is. */
function tinySplit(n: number, seed: number): MemorySplit {
  const word = draws(seed, 0);
  const labels = Uint16Array.from({ length: n }, (_, i) => i % CLASSES);
  const third = (i: number, row: number) => Math.floor(row * CLASSES / SIZE) === labels[i];
  const pixels = SIZE * SIZE;
  const images = Uint8Array.from({ length: n * pixels * CHANNELS }, (_, at) => {
    const i = Math.floor(at / (pixels * CHANNELS));
    const row = Math.floor(at / (SIZE * CHANNELS)) % SIZE;
    return below(word(at), 180) + (third(i, row) ? 60 : 0);
  });
  const masks = Uint8Array.from(
    { length: n * pixels },
    (_, at) => third(Math.floor(at / pixels), Math.floor(at / SIZE) % SIZE) ? 255 : 0,
  );
  return { images, labels, masks: masksOfAll(masks, n) };
}

/** Three classes of 8 x 8 images with two channels, cropped and flipped in training. */
export const tinySet: DataSet<MemorySplit> = {
  name: "tiny",
  classes: ["top", "middle", "bottom"],
  height: SIZE,
  width: SIZE,
  channels: CHANNELS,
  mean: [0.45, 0.4],
  std: [0.2, 0.25],
  augmentation: { cropPadding: 1, flip: true },
  train: tinySplit(60, 1),
  test: tinySplit(30, 2),
  source: "made for tests",
};
export const tinyValidation: MemorySplit = tinySplit(20, 3);

/** The same, seen as it is in every step. */
export const plainSet = { ...tinySet, augmentation: { cropPadding: 0, flip: false } };

/** The normalised training images at `indices`. */
export function pixels(indices: Uint32Array): Float64Array {
  const size = SIZE * SIZE * CHANNELS;
  return Float64Array.from({ length: indices.length * size }, (_, at) => {
    const byte = tinySet.train.images[indices[Math.floor(at / size)] * size + at % size];
    const c = at % CHANNELS;
    return (byte / 255 - tinySet.mean[c]) / tinySet.std[c];
  });
}

/** Mean and unbiased variance of each channel of rows [n, channels]. */
export function moments(values: ArrayLike<number>, channels: number) {
  const n = values.length / channels;
  return Array.from({ length: channels }, (_, c) => {
    const own = Array.from({ length: n }, (_, i) => values[i * channels + c]);
    const mean = own.reduce((a, b) => a + b) / n;
    return { mean, variance: own.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1) };
  });
}

/** conv, norm, ReLU, pool, conv, ReLU, dropout, linear. */
export class TinyNet extends Module {
  readonly features: Sequential;
  readonly dropout: Dropout;
  readonly fc: Linear;
  /** Never applied. */
  readonly spare = new ReLU();

  constructor(dropout = 0.2) {
    super();
    this.features = new Sequential(
      new Conv2d(CHANNELS, 4, 3, { padding: 1, bias: false }),
      new BatchNorm2d(4),
      new ReLU(),
      new MaxPool2d(2),
      new Conv2d(4, 5, 3, { padding: 1 }),
      new ReLU(),
    );
    this.dropout = new Dropout(dropout);
    this.fc = new Linear(5 * SIZE * SIZE / 4, CLASSES);
  }

  protected forward(x: Tensor, pass: Pass): Tensor {
    const features = this.features.apply(x, pass);
    return this.fc.apply(this.dropout.apply(flatten(features), pass), pass);
  }
}

export function tinyNet(seed = 0, dropout?: number): TinyNet {
  const network = new TinyNet(dropout);
  initialize(network, seed);
  return network;
}

let gpu: Promise<Gpu> | undefined;
const sharedGpu = () => gpu ??= openGpu();

/** A runtime of its own, on the device that the file's tests share; some limits as told. */
export async function freshRuntime(limits: Partial<Gpu["limits"]> = {}): Promise<Runtime> {
  const gpu = await sharedGpu();
  return new Runtime({
    ...gpu,
    // What is free on this machine decides no test.
    facts: {},
    limits: { ...gpu.limits, ...limits },
    check: () => gpu.check(),
    scoped: (label, make) => gpu.scoped(label, make),
    destroy: () => {},
  });
}

/** How many buffers the device made and freed, and how many readbacks it was asked for. */
export async function countBuffers() {
  const { device } = await sharedGpu();
  const counts = { made: 0, freed: 0, readbacks: 0 };
  const create = device.createBuffer;
  device.createBuffer = (descriptor) => {
    const buffer = create.call(device, descriptor);
    counts.made++;
    if (descriptor.label === "readback") counts.readbacks++;
    const destroy = buffer.destroy;
    buffer.destroy = () => {
      counts.freed++;
      return destroy.call(buffer);
    };
    return buffer;
  };
  return { counts, restore: () => device.createBuffer = create };
}

/** The bytes of a split's images as the network gets them, but for the normalisation. */
export async function batchBytes(
  runtime: Runtime,
  set: DataSet,
  split: Split,
  batch: number,
): Promise<Uint8Array> {
  const rows = await RowCollector.make(runtime, set, split, batch, ({ images }) => images);
  try {
    const values = await rows.collect();
    const channel = (at: number) => at % set.channels;
    return Uint8Array.from(
      values,
      (x, at) => Math.round(255 * (x * set.std[channel(at)] + set.mean[channel(at)])),
    );
  } finally {
    rows.destroy();
  }
}

export const never = new AbortController().signal;

export const tinyOptions = (folder: string): TrainOptions => ({
  stage: "baseline",
  set: tinySet,
  train: tinySet.train,
  validation: tinyValidation,
  epochs: 3,
  batch: 16,
  lr: 0.05,
  momentum: 0.9,
  weightDecay: 5e-4,
  seed: 7,
  checkpoint: checkpointFile(join(folder, "baseline.checkpoint.safetensors")),
  settings: { network: "tiny" },
  signal: never,
});

let runtime: Promise<Runtime> | undefined;

/** One for a file's tests, so that kernels are compiled once; `destroy` frees the variables alone. */
export const sharedRuntime = (): Promise<Runtime> => runtime ??= freshRuntime();

/** A training of the tiny network and the state that it leaves. */
export async function tinyTraining(
  options: TrainOptions,
  network: Module = tinyNet(options.seed),
): Promise<TrainResult & { state: StateDict }> {
  const shared = await sharedRuntime();
  try {
    const result = await train(shared, network, options);
    return { ...result, state: await stateDict(network, shared) };
  } finally {
    shared.destroy();
  }
}

/** A signal that is aborted when it is looked at for the n-th time: at every place in turn. */
export function abortAtLook(n: number): AbortSignal {
  const reason = new UserError("interrupted", ExitCode.interrupted);
  let looks = 0;
  return {
    reason,
    throwIfAborted: () => {
      if (++looks >= n) throw reason;
    },
  } as unknown as AbortSignal;
}

/** The same bits in every tensor. */
export function sameState(a: StateDict, b: StateDict): void {
  assert.deepEqual([...a.keys()], [...b.keys()]);
  for (const [name, { data }] of a) assert.deepEqual(data, b.get(name)!.data, name);
}

export const differs = (a: StateDict, b: StateDict): boolean =>
  [...a].some(([name, { data }]) => data.some((value, i) => value !== b.get(name)!.data[i]));

/** A record but for the time that it took. */
export const withoutTime = <T extends { seconds: unknown; waited?: unknown }>(
  { seconds: _, waited: __, ...rest }: T,
) => rest;
