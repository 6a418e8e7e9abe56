/**
 * The work that engines are compared by, as data: operands and results with shapes, in this
 * engine's layouts (images NHWC, filters RSCK). Engines with other layouts turn operands at their
 * door, untimed, and their results are turned back before they are compared.
 */

import { convCost, type ConvShape } from "../../../engine/gpu/kernels/conv_shape.ts";
import { below, draws, streamId } from "../../../engine/random.ts";
import { numel, type Shape } from "../../../engine/tensor/shape.ts";
import type { PlainStepSpec, WorkSpec } from "../result.ts";
import { uniformValues } from "../values.ts";

/** What an array is, which decides how other engines lay it out. */
export type Role = "plain" | "image" | "filter" | "head";

export interface Slot {
  readonly shape: Shape;
  readonly role: Role;
}

export interface Operand extends Slot {
  readonly data: Float32Array<ArrayBuffer>;
}

interface Base {
  readonly name: string;
  /** The same for other programs. */
  readonly spec: WorkSpec;
  /** Floating-point operations of the work done once, a multiply-add as two. */
  readonly flops: number;
  readonly results: Readonly<Record<string, Slot>>;
}

/** y = a b for matrices. */
export interface Product extends Base {
  readonly kind: "product";
  readonly operands: Readonly<Record<"a" | "b", Operand>>;
}

/** y = x * w, 3 x 3 with stride 1 and padding 1; with `gradients` also dx and dw of <dy, y>. */
export interface Convolution extends Base {
  readonly kind: "convolution";
  readonly gradients: boolean;
  readonly operands: Readonly<Record<"x" | "w" | "dy", Operand>>;
}

/**
 * A step of plain gradient descent of a small network: for each filter a convolution 3 x 3 with
 * bias, ReLU and a max pool of 2 x 2, then a linear head with bias, mean cross entropy.
 * The results are the loss and every parameter after the step, under the operands' names.
 */
export interface Step extends Base {
  readonly kind: "step";
  readonly spec: PlainStepSpec;
  readonly images: Operand;
  readonly labels: Uint32Array<ArrayBuffer>;
  /** conv0.weight, conv0.bias, ..., head.weight [H, W, C, classes], head.bias. */
  readonly operands: Readonly<Record<string, Operand>>;
}

export type Work = Product | Convolution | Step;

function product(size: number): Product {
  return {
    kind: "product",
    name: `${size}^3`,
    spec: { kind: "product", size },
    flops: 2 * size ** 3,
    operands: {
      a: operand("a", [size, size], "plain", 1),
      b: operand("b", [size, size], "plain", 1),
    },
    results: { y: { shape: [size, size], role: "plain" } },
  };
}

function convolution(channels: number, size: number, batch: number, gradients: boolean) {
  const shape: ConvShape = {
    batch,
    inHeight: size,
    inWidth: size,
    inChannels: channels,
    outHeight: size,
    outWidth: size,
    outChannels: channels,
    kernelHeight: 3,
    kernelWidth: 3,
    stride: [1, 1],
    padding: [1, 1],
    dilation: [1, 1],
    groups: 1,
  };
  const image: Slot = { shape: [batch, size, size, channels], role: "image" };
  const filter: Slot = { shape: [3, 3, channels, channels], role: "filter" };
  const results: Record<string, Slot> = { y: image };
  if (gradients) Object.assign(results, { dx: image, dw: filter });
  return {
    kind: "convolution",
    name: `${channels}x${size}x${size}, batch ${batch}`,
    spec: { kind: "convolution", gradients, shape },
    flops: (gradients ? 3 : 1) * convCost(shape).flops,
    gradients,
    operands: {
      x: operand("x", image.shape, "image", 1),
      w: operand("w", filter.shape, "filter", 1 / Math.sqrt(9 * channels)),
      dy: operand("dy", image.shape, "image", 1),
    },
    results,
  } satisfies Convolution;
}

/** The default network (models/small.ts) without its normalisation, which jax-js doesn't train. */
function smallStep(batch: number): Step {
  const spec = { channels: [3, 32, 64, 128], size: 32, classes: 10, batch, lr: 0.05 };
  const { channels, classes } = spec;
  const operands: Record<string, Operand> = {};
  const parameter = (name: string, shape: Shape, role: Role, fanIn: number) =>
    operands[name] = operand(name, shape, role, 1 / Math.sqrt(fanIn));
  let { size } = spec, macs = 0;
  for (let i = 0; i + 1 < channels.length; i++) {
    const [from, to] = channels.slice(i);
    parameter(`conv${i}.weight`, [3, 3, from, to], "filter", 9 * from);
    parameter(`conv${i}.bias`, [to], "plain", 9 * from);
    // Forward, weight gradient, and but for the images the input gradient.
    macs += (i === 0 ? 2 : 3) * batch * size * size * 9 * from * to;
    size /= 2;
  }
  const features = size * size * channels.at(-1)!;
  parameter("head.weight", [size, size, channels.at(-1)!, classes], "head", features);
  parameter("head.bias", [classes], "plain", features);
  macs += 3 * batch * features * classes;
  const draw = draws(0, streamId("labels"));
  return {
    kind: "step",
    name: `small network without normalisation, batch ${batch}`,
    spec: { kind: "plain step", ...spec },
    flops: 2 * macs,
    images: operand("images", [batch, spec.size, spec.size, channels[0]], "image", 1),
    labels: Uint32Array.from({ length: batch }, (_, i) => below(draw(i), classes)),
    operands,
    results: { loss: { shape: [], role: "plain" }, ...operands },
  };
}

function operand(name: string, shape: Shape, role: Role, bound: number): Operand {
  return { shape, role, data: uniformValues(name, numel(shape), bound) };
}

export interface WorkGroup {
  readonly name:
    | "matrix product"
    | "convolution forward"
    | "forward + both gradients"
    | "training step";
  readonly works: readonly Work[];
}

/**
 * What engines are compared by.
 * @param batch images of a convolution
 * @param stepBatch images of a training step
 */
export function workGroups(batch: number, stepBatch: number): readonly WorkGroup[] {
  const shapes = [[64, 32], [128, 16], [256, 8]];
  const convolutions = (gradients: boolean) =>
    shapes.map(([channels, size]) => convolution(channels, size, batch, gradients));
  return [
    { name: "matrix product", works: [product(512)] },
    { name: "convolution forward", works: convolutions(false) },
    { name: "forward + both gradients", works: convolutions(true) },
    { name: "training step", works: [smallStep(stepBatch)] },
  ];
}

/** For each role the axes in NCHW order: images NCHW, filters KCRS, a head for maps [C, H, W]. */
const CHANNELS_FIRST: Readonly<Record<Role, readonly number[] | undefined>> = {
  plain: undefined,
  image: [0, 3, 1, 2],
  filter: [3, 2, 0, 1],
  head: [2, 0, 1, 3],
};

/** The shape in the layouts of engines that have channels first. */
export function channelsFirstShape({ shape, role }: Slot): number[] {
  return CHANNELS_FIRST[role]?.map((axis) => shape[axis]) ?? [...shape];
}

/** The array in the layouts of engines that have channels first. */
export function toChannelsFirst({ shape, role, data }: Operand): Float32Array<ArrayBuffer> {
  const axes = CHANNELS_FIRST[role];
  return axes ? transposed(data, shape, axes) : data;
}

/** The array back in this engine's layouts. */
export function fromChannelsFirst(
  slot: Slot,
  data: Float32Array<ArrayBuffer>,
): Float32Array<ArrayBuffer> {
  const axes = CHANNELS_FIRST[slot.role];
  if (!axes) return data;
  return transposed(data, channelsFirstShape(slot), axes.map((_, axis) => axes.indexOf(axis)));
}

/** Axis i of the result is axis axes[i] of the data. */
function transposed(data: Float32Array<ArrayBuffer>, shape: Shape, axes: readonly number[]) {
  const strides = shape.map((_, i) => numel(shape.slice(i + 1)));
  const result = new Float32Array(data.length);
  const [extents, steps] = [axes.map((a) => shape[a]), axes.map((a) => strides[a])];
  let at = 0;
  const walk = (axis: number, from: number) => {
    for (let i = 0; i < extents[axis]; i++, from += steps[axis]) {
      if (axis === axes.length - 1) result[at++] = data[from];
      else walk(axis + 1, from);
    }
  };
  walk(0, 0);
  return result;
}
