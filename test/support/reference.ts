/**
 * What PyTorch computes in float64 from weights, images, labels and masks that a formula makes.
 *
 * The reference of `../shared/reference` has the layers and the numbers of the 17 networks of the
 * Model Doctor authors; tests of it are skipped, and say so, where it is missing. In their place
 * stand three narrow networks in test/reference/networks, which every clone has.
 *
 *     x = i 0x9E3779B1 + crc32(name) + seed 0x85EBCA6B (mod 2^32),   u = (mix(x) >> 8) / 2^24
 */

import { join } from "node:path";
import { crc32 } from "node:zlib";
import type { HostTensor } from "../../engine/io/host_tensor.ts";
import type { Module } from "../../engine/nn/module.ts";
import { stateShape } from "../../engine/nn/fit.ts";
import type { StateDict } from "../../engine/nn/state.ts";
import { mix, uniform } from "../../engine/random.ts";
import { numel, type Shape } from "../../engine/tensor/shape.ts";
import { shared } from "./shared.ts";

const reference = shared("reference");
const STAND_INS = join(import.meta.dirname!, "../reference/networks");

const namesIn = (folder: string) =>
  [...Deno.readDirSync(folder)].map(({ name }) => name.replace(".json", "")).sort();

/** The networks of the reference; none where it is missing. */
export const referenceNetworks: readonly string[] = reference.missing
  ? []
  : namesIn(join(reference.folder, "models"));

/** What to add to a test's name where the reference is missing. */
export const referenceNote = reference.note;

/** The networks that need no reference: test/reference/networks.py makes their numbers. */
export const standIns: readonly string[] = namesIn(STAND_INS);

/** A module without modules inside, as it was called. Shapes are PyTorch's, for one image. */
export interface LeafCall {
  readonly module: string;
  readonly type: string;
  readonly out: Shape;
  /** Of batch normalisation. */
  readonly eps?: number;
  readonly momentum?: number;
  /** Of dropout. */
  readonly p?: number;
}

export interface ReferenceModel {
  readonly parameters: number;
  readonly macs: number;
  readonly state: readonly (readonly [name: string, shape: Shape])[];
  readonly leaf_modules_in_call_order: readonly LeafCall[];
}

/** A tensor by its L2 norm and its values at a few flat indices. */
export interface Fingerprint {
  readonly norm: number;
  readonly at: readonly number[];
  readonly values: readonly number[];
}

/** Gradients by parameter. */
export type Gradients = Readonly<Record<string, Fingerprint>>;

/** What a case is computed from. */
export interface CaseInputs {
  readonly seed: number;
  readonly batch: number;
  readonly in_channels: number;
  readonly num_classes: number;
  readonly last_conv: string;
  /** Height and width of the images; 32 where absent. */
  readonly image_size?: number;
  /** The network's channels, times this; 1 where absent. */
  readonly width?: number;
}

export interface ReferenceCase extends CaseInputs {
  readonly labels: readonly number[];
  readonly confusing: readonly number[];
  readonly feature_shape: Shape;
  readonly logits_eval: readonly (readonly number[])[];
  readonly logits_train: readonly (readonly number[])[];
  readonly aggregate_eval: Fingerprint;
  readonly loss_cls: number;
  readonly loss_channel: number;
  readonly loss_spatial: number;
  readonly grads_cls: Gradients;
  readonly grads_total: Gradients;
  readonly grads_spatial: Gradients;
}

export function referenceModel(name: string): ReferenceModel {
  const model = JSON.parse(Deno.readTextFileSync(join(reference.folder, "models", `${name}.json`)));
  return {
    ...model,
    state: Array.isArray(model.state) ? model.state : Object.entries(model.state),
  };
}

export function referenceCase(name: string): ReferenceCase {
  return JSON.parse(Deno.readTextFileSync(join(reference.folder, "cases", `${name}.json`)));
}

/** A stand-in's numbers. */
export function standInCase(name: string): ReferenceCase {
  return JSON.parse(Deno.readTextFileSync(join(STAND_INS, `${name}.json`)));
}

/** The formula's draws under a name. */
function formula(name: string, seed: number): (i: number) => number {
  const start = crc32(name) + Math.imul(seed, 0x85ebca6b);
  return (i) => uniform(mix(Math.imul(i, 0x9e3779b1) + start));
}

function filled(size: number, value: (i: number) => number): Float32Array<ArrayBuffer> {
  return Float32Array.from({ length: size }, (_, i) => value(i));
}

/** The weights that the formula gives to a network; counters are left out. */
export function referenceState(network: Module, seed: number): StateDict {
  const state: StateDict = new Map();
  for (const [name, parameter] of network.namedState()) {
    if (parameter.dtype === "u32") continue;
    state.set(name, referenceTensor(name, stateShape(parameter), seed));
  }
  return state;
}

function referenceTensor(name: string, shape: Shape, seed: number): HostTensor {
  const u = formula(name, seed);
  const noise = (i: number) => 2 * u(i) - 1;
  const nearOne = /(^|\.)weight$/.test(name) && shape.length === 1 || name.endsWith("running_var");
  const bound = shape.length <= 1 ? 0.1 : Math.sqrt(6 / numel(shape.slice(1)));
  const data = filled(numel(shape), (i) => nearOne ? 1 + bound * noise(i) : bound * noise(i));
  return { dtype: "F32", shape: [...shape], data };
}

/** Images of `size` x `size` pixels, [B, H, W, C]. */
export function referenceImages(
  c: Pick<CaseInputs, "seed" | "batch" | "in_channels">,
  size: number,
): Float32Array<ArrayBuffer> {
  const u = formula("input", c.seed);
  const channels = c.in_channels;
  return filled(c.batch * size * size * channels, (i) => {
    const channel = i % channels;
    const pixel = Math.floor(i / channels) % (size * size);
    const image = Math.floor(i / (channels * size * size));
    return (2 * u((image * channels + channel) * size * size + pixel) - 1) * 1.7;
  });
}

/** A label for each image. */
export function referenceLabels(c: CaseInputs): Uint32Array<ArrayBuffer> {
  const u = formula("labels", c.seed);
  return Uint32Array.from({ length: c.batch }, (_, i) => Math.floor(c.num_classes * u(i)));
}

/** The mask of each class over `channels` channels, [K, C]. */
export function referenceMask(c: CaseInputs, channels: number): Float32Array<ArrayBuffer> {
  const u = formula("mask", c.seed);
  return filled(c.num_classes * channels, (i) => u(i) < 0.3 ? 1 : 0);
}

/** Background in the left half of a layer's pixels, [B, H, W, 1]. */
export function leftHalf([batch, height, width]: Shape): Float32Array<ArrayBuffer> {
  return filled(batch * height * width, (i) => i % width < Math.ceil(width / 2) ? 1 : 0);
}

/** Gradients below this share of all gradients' norm are zero but for float64's rounding. */
const VANISHING = 1e-9;

/** What each parameter's gradient error is relative to: its norm, or all norms where it vanishes. */
export function gradientScales(norms: readonly number[]): number[] {
  const together = Math.hypot(...norms);
  return norms.map((norm) => norm <= VANISHING * together ? together : norm);
}

/** The L2 norm. */
export function norm(values: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) sum += values[i] ** 2;
  return Math.sqrt(sum);
}

/**
 * The largest error, relative to `scale`, of
 *
 * - the norm;
 * - a value: what a relative L2 error below the tolerance demands;
 * - the L2 error itself, estimated from those of the values as if the other elements' were alike:
 *   sqrt(size mean(error^2)).
 */
export function fingerprintError(
  actual: ArrayLike<number>,
  { norm: expected, at, values }: Fingerprint,
  scale = expected,
): number {
  const differences = at.map((index, i) => actual[index] - values[i]);
  const byNorm = Math.abs(norm(actual) - expected);
  const byValues = norm(differences) * Math.sqrt(actual.length / at.length);
  const error = Math.max(byNorm, ...differences.map(Math.abs), byValues);
  return error === 0 ? 0 : error / scale;
}
