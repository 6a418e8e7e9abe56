/**
 * What a report shows of single images: those on which control and treated model disagree, with the
 * gradients of the label's logit in these two and the baseline; those of low confidence; and those whose label
 * is suspect. Pictures and gradients are stored as they are, so that a report can be made anew.
 *
 *     exhibits.json         an `ExhibitsFile`
 *     exhibits.safetensors  changed, low, suspects: pictures U8 [n, H, W, C], in the order of the
 *                           lists; gradient.<model>: |d logit / d image| summed over the channels,
 *                           F32 [n, H, W], of the changed
 */

import { join } from "node:path";
import { type DataSet, NO_MASK, type Split, subset } from "../data/dataset.ts";
import { readBytes, readVersioned, writeFileAtomic } from "../io/files.ts";
import { ExitCode, UserError } from "../errors.ts";
import type { HostTensor } from "../io/host_tensor.ts";
import type { Schema } from "../io/json.ts";
import { decodeSafetensors, encodeSafetensors } from "../io/safetensors.ts";
import type { Module } from "../nn/module.ts";
import type { Runtime } from "../plan/runtime.ts";
import { concat, flatten, reshape } from "../tensor/movement.ts";
import { div, mul, sub } from "../tensor/pointwise.ts";
import { sum } from "../tensor/reduce.ts";
import { isRight, type Prediction, predictions } from "../train/predictions.ts";
import { RowCollector } from "../train/collect.ts";
import type { Logits } from "../train/predict.ts";
import { labelErrors, type Suspect } from "./label_errors.ts";
import { saliency } from "./probes/saliency.ts";
import { CONTROL } from "./contrasts.ts";
import { BASELINE, mapModels, type OfModels } from "./result.ts";
import { exhibitsSchema } from "./schemas.ts";
import type { Sifted } from "./sift.ts";

export const EXHIBITS_VERSION = 1;

/** Most images of each kind that are shown. */
const MOST = { fixed: 12, broken: 12, low: 60, suspects: 24 };

export type PoolName = "training" | "validation" | "test";

/** A part of the data that a model was asked about. */
export interface Pool {
  readonly name: PoolName;
  readonly split: Split;
  readonly logits: Logits;
}

/** An image by its place in a part of the data. */
export interface Exhibit {
  readonly pool: PoolName;
  readonly index: number;
  readonly label: number;
  /** By which its files speak of it, where they do. */
  readonly name?: string;
}

export interface Verdict {
  readonly predicted: number;
  readonly confidence: number;
}

export interface LowExhibit extends Exhibit, Verdict {}
export type SuspectExhibit = Exhibit & Omit<Suspect, "index" | "label">;
export interface ChangedExhibit extends Exhibit {
  /** Only the treated model (or other main arm) is right, or only the control. */
  readonly fixed: boolean;
  readonly by: OfModels<Verdict>;
  /** Share of the gradient that lies in the figure, where the image has a mask. */
  readonly foreground?: OfModels<number>;
}

export interface ExhibitsFile {
  readonly version: number;
  readonly low: readonly LowExhibit[];
  readonly suspects: readonly SuspectExhibit[];
  /** The images of each part of the data that were looked at, and how many of them are suspects. */
  readonly searched: readonly {
    readonly pool: PoolName;
    readonly images: number;
    readonly suspects: number;
  }[];
  /** Baseline, control and the arm whose changes these are. */
  readonly models?: readonly string[];
  /** Absent where there is nothing to compare, as in a diagnosis. */
  readonly changed?: readonly ChangedExhibit[];
}

export interface Exhibits {
  readonly file: ExhibitsFile;
  readonly tensors: ReadonlyMap<string, HostTensor>;
}

/** What images are shown from. */
export interface Stock {
  readonly runtime: Runtime;
  readonly set: DataSet;
  readonly batch: number;
}

/**
 * The images that a model is unsure of or contradicts.
 * @param pools the first is the one that `low` sifts
 */
export async function doubtfulExhibits(
  stock: Stock,
  pools: readonly Pool[],
  low: { readonly right: Sifted; readonly wrong: Sifted },
): Promise<Exhibits> {
  const predicted = predictions(pools[0].logits);
  const unsure = evenly(low, MOST.low).map((index): LowExhibit => {
    const { label, predicted: k, confidence } = predicted[index];
    return { ...place(pools[0], index), label, predicted: k, confidence };
  });
  const found = pools.map((pool) => ({ pool, suspects: labelErrors(pool.logits) }));
  const shares = found.map(({ suspects }) => suspects.length);
  const suspects = found.flatMap(({ pool, suspects }, p) =>
    suspects.slice(0, quota(shares, p, MOST.suspects))
      .map((of) => ({ ...place(pool, of.index), ...of }))
  );
  const searched = pools.map(({ name, split }, p) => ({
    ...{ pool: name, images: split.labels.length, suspects: shares[p] },
  }));
  const tensors = new Map([
    ["low", await picturesOf(stock, pools, unsure)],
    ["suspects", await picturesOf(stock, pools, suspects)],
  ]);
  return { file: { version: EXHIBITS_VERSION, low: unsure, suspects, searched }, tensors };
}

/** Where an image is, and what it is called. */
function place({ name: pool, split: { names } }: Pick<Pool, "name" | "split">, index: number) {
  return { pool, index, ...names && { name: names.at(index)! } };
}

/** As many of each class and kind as fit, class by class: wrong ones first, then right ones. */
function evenly({ right, wrong }: Readonly<Record<"right" | "wrong", Sifted>>, most: number) {
  const each = Math.max(1, Math.floor(most / 2 / right.length));
  return right.flatMap((of, k) => [...wrong[k].slice(0, each), ...of.slice(0, each)])
    .slice(0, most);
}

/** How many of `most` places the p-th of several lists gets: no list goes without. */
function quota(lengths: readonly number[], p: number, most: number): number {
  const fair = Math.floor(most / lengths.length);
  const spare = lengths.reduce((sum, length) => sum + Math.max(0, fair - length), 0);
  return Math.min(lengths[p], fair + Math.floor(spare / lengths.length));
}

/**
 * The images that an arm's training fixed and broke, the surest verdicts first.
 * @param main the arm
 */
export async function changedExhibits(
  stock: Stock,
  network: Module,
  tested: Split,
  predicted: OfModels<readonly Prediction[]>,
  main: string,
  load: (model: string) => void,
): Promise<{ models: string[]; changed: ChangedExhibit[]; tensors: Map<string, HostTensor> }> {
  const models = [BASELINE, CONTROL, main];
  const [control, treated] = [predicted[CONTROL], predicted[main]];
  const places = (fixed: boolean) =>
    control.map((_, i) => i)
      .filter((i) => isRight(control[i]) === !fixed && isRight(treated[i]) === fixed)
      .sort((a, b) => sureness(b) - sureness(a) || a - b)
      .slice(0, fixed ? MOST.fixed : MOST.broken);
  const sureness = (i: number) => control[i].confidence + treated[i].confidence;
  const chosen = [true, false].flatMap((fixed) =>
    places(fixed).map((index): ChangedExhibit => ({
      ...place({ name: "test", split: tested }, index),
      ...{ label: control[index].label, fixed },
      by: mapModels(models, (model) => {
        const { predicted: k, confidence } = predicted[model][index];
        return { predicted: k, confidence };
      }),
    }))
  );
  const tensors = new Map<string, HostTensor>();
  if (chosen.length === 0) return { models, changed: chosen, tensors };
  const split = subset(tested, Uint32Array.from(chosen, ({ index }) => index));
  tensors.set("changed", await pictures(stock, split));
  const maps = await gradients(stock, network, split, models, load);
  for (const model of models) tensors.set(`gradient.${model}`, maps[model].gradient);
  const changed = chosen.map((of, i) => {
    const known = tested.masks && tested.masks.rows[of.index] !== NO_MASK;
    if (!known || !maps[CONTROL].foreground) return of;
    return { ...of, foreground: mapModels(models, (model) => maps[model].foreground![i]) };
  });
  return { models, changed, tensors };
}

/** Saliency maps of every model, and the share of each that lies in the figure. */
async function gradients(
  { runtime, set, batch }: Stock,
  network: Module,
  split: Split,
  models: readonly string[],
  load: (model: string) => void,
) {
  const pixels = set.height * set.width;
  const rows = await RowCollector.make(runtime, set, split, batch, (batches) => {
    const { images, labels, background } = batches;
    // The score is a mean over the batch; times the batch it is each image's own logit.
    const map = mul(saliency(network, images, labels), labels.size);
    if (!background) return map;
    const inside = sum(mul(map, flatten(sub(1, background))), [1]);
    return concat([map, reshape(div(inside, sum(map, [1])), [labels.size, 1])], 1);
  });
  const n = split.labels.length;
  const found: Record<string, { gradient: HostTensor; foreground?: number[] }> = {};
  try {
    for (const model of models) {
      load(model);
      const values = await rows.collect();
      const width = values.length / n;
      const data = new Float32Array(n * pixels);
      for (let i = 0; i < n; i++) {
        data.set(values.subarray(i * width, i * width + pixels), i * pixels);
      }
      const last = Array.from({ length: n }, (_, i) => values[(i + 1) * width - 1]);
      found[model] = {
        gradient: { dtype: "F32", shape: [n, set.height, set.width], data },
        foreground: width > pixels ? last : undefined,
      };
    }
  } finally {
    rows.destroy();
  }
  return found;
}

/** The pictures of exhibits from several pools, in their order. */
async function picturesOf(
  stock: Stock,
  pools: readonly Pool[],
  exhibits: readonly Exhibit[],
): Promise<HostTensor> {
  const { height, width, channels } = stock.set;
  const size = height * width * channels;
  const data = new Uint8Array(exhibits.length * size);
  for (const { name, split } of pools) {
    const own = exhibits.flatMap(({ pool }, place) => pool === name ? [place] : []);
    if (own.length === 0) continue;
    const part = subset(split, Uint32Array.from(own, (place) => exhibits[place].index));
    const found = (await pictures(stock, part)).data as Uint8Array;
    own.forEach((place, i) => data.set(found.subarray(i * size, (i + 1) * size), place * size));
  }
  return { dtype: "U8", shape: [exhibits.length, height, width, channels], data };
}

/** The images of a split as the network sees them, without augmentation. */
async function pictures({ runtime, set, batch }: Stock, split: Split): Promise<HostTensor> {
  const { height, width, channels, mean, std, colour } = set;
  const rows = await RowCollector.make(runtime, set, split, batch, ({ images }) => flatten(images));
  try {
    const values = await rows.collect();
    // Where a value lies whose colour comes first in pictures, and last in the network's input.
    const from = (i: number) => colour === "bgr" ? i + channels - 1 - 2 * (i % channels) : i;
    // The inverse of the normalisation; bytes are clamped and rounded by their array.
    const data = Uint8Array.from(
      Uint8ClampedArray.from(values, (_, i) => {
        const c = from(i) % channels;
        return 255 * (values[from(i)] * std[c] + mean[c]);
      }),
    );
    return { dtype: "U8", shape: [split.labels.length, height, width, channels], data };
  } finally {
    rows.destroy();
  }
}

const [FACTS, PIXELS] = ["exhibits.json", "exhibits.safetensors"];

/** Writes both files. */
export async function saveExhibits(folder: string, { file, tensors }: Exhibits): Promise<void> {
  await writeFileAtomic(join(folder, PIXELS), encodeSafetensors(new Map(tensors)));
  await writeFileAtomic(join(folder, FACTS), JSON.stringify(file) + "\n");
}

/**
 * @param classes of the run, of which the exhibits are
 * @throws UserError (io) that names the file which is missing, damaged or of another version
 */
export async function readExhibits(folder: string, classes: number): Promise<Exhibits> {
  const [facts, path] = [join(folder, FACTS), join(folder, PIXELS)];
  const schema = exhibitsSchema as Schema<ExhibitsFile>;
  const file = await readVersioned(facts, EXHIBITS_VERSION, schema);
  const { tensors } = decodeSafetensors(await readBytes(path), path);
  const { low, suspects, models = [], changed = [] } = file;
  const named = [
    ...low.flatMap(({ label, predicted }) => [label, predicted]),
    ...suspects.flatMap(({ label, suggested }) => [label, suggested]),
    ...changed.flatMap(({ label, by }) => [label, ...models.map((model) => by[model].predicted)]),
  ];
  if (named.some((label) => label >= classes)) {
    throw new UserError(`${facts} is damaged: it names a class that isn't there`, ExitCode.io);
  }
  for (const [name, { length }] of Object.entries({ low, suspects, changed })) {
    const needed = name === "changed"
      ? [name, ...models.map((model) => `gradient.${model}`)]
      : [name];
    if (length === 0) continue;
    const missing = needed.find((name) => !isStack(tensors.get(name), length, name));
    if (missing === undefined) continue;
    throw new UserError(
      `${path} is damaged: it lacks the ${length} pictures of ${missing}`,
      ExitCode.io,
    );
  }
  return { file, tensors };
}

/** Whether a tensor is so many pictures [n, H, W, C], or gradients [n, H, W]. */
function isStack(tensor: HostTensor | undefined, length: number, name: string): boolean {
  if (tensor === undefined || tensor.shape[0] !== length || tensor.data.length === 0) return false;
  const { dtype, shape } = tensor;
  if (name.startsWith("gradient.")) return dtype === "F32" && shape.length === 3;
  return dtype === "U8" && shape.length === 4 && shape[3] <= 4;
}
