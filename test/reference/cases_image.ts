/** Cases for the three-way check: convolution, pooling, batches from bytes. */

import { imageBatch } from "../../engine/data/batch.ts";
import type { BatchShape } from "../../engine/gpu/kernels/batch.ts";
import { tapTable } from "../../engine/data/resize.ts";
import * as t from "../../engine/tensor/mod.ts";
import { type Case, distinct, indices, operation, random } from "../support/check.ts";

interface Geometry {
  x: t.Shape;
  w: t.Shape;
  options?: t.ConvOptions;
}

const geometries: Record<string, Geometry> = {
  "1x1": { x: [2, 3, 3, 4], w: [1, 1, 4, 5] },
  "1x1 in vectors": { x: [1, 4, 4, 8], w: [1, 1, 8, 8] },
  "1x1, stride 2": { x: [1, 5, 6, 3], w: [1, 1, 3, 2], options: { stride: 2 } },
  "3x3": { x: [2, 5, 5, 2], w: [3, 3, 2, 3] },
  "3x3, padding 1": { x: [1, 5, 7, 3], w: [3, 3, 3, 4], options: { padding: 1 } },
  "3x3, padding 1, in vectors": { x: [1, 6, 9, 4], w: [3, 3, 4, 8], options: { padding: 1 } },
  "3x3, stride 2, padding 1": {
    x: [2, 7, 6, 2],
    w: [3, 3, 2, 4],
    options: { stride: 2, padding: 1 },
  },
  "3x3, stride 3": { x: [1, 8, 10, 2], w: [3, 3, 2, 2], options: { stride: 3 } },
  "2x2, stride 3": { x: [1, 8, 7, 2], w: [2, 2, 2, 3], options: { stride: 3 } },
  "even kernel": { x: [1, 5, 4, 3], w: [4, 2, 3, 2], options: { padding: [2, 1] } },
  "5x5, padding 2": { x: [1, 6, 5, 1], w: [5, 5, 1, 4], options: { padding: 2 } },
  "1x3 and 3x1": { x: [1, 4, 6, 2], w: [1, 3, 2, 2], options: { padding: [0, 1] } },
  "all different": {
    x: [1, 9, 8, 2],
    w: [3, 2, 2, 3],
    options: { stride: [2, 1], padding: [1, 0], dilation: [1, 3] },
  },
  "dilation 2": { x: [1, 7, 7, 2], w: [3, 3, 2, 2], options: { dilation: 2, padding: 2 } },
  "dilation and stride": {
    x: [1, 9, 9, 1],
    w: [3, 3, 1, 2],
    options: { dilation: 2, stride: 2, padding: 1 },
  },
  "two groups": { x: [1, 5, 5, 4], w: [3, 3, 2, 6], options: { groups: 2, padding: 1 } },
  "two groups in vectors": { x: [1, 4, 5, 8], w: [3, 3, 4, 8], options: { groups: 2 } },
  "depthwise": { x: [2, 5, 5, 4], w: [3, 3, 1, 4], options: { groups: 4, padding: 1 } },
  "depthwise, five channels, stride 2": {
    x: [1, 6, 6, 5],
    w: [3, 3, 1, 5],
    options: { groups: 5, stride: 2, padding: 1 },
  },
  "depthwise with a multiplier": { x: [1, 4, 4, 3], w: [3, 3, 1, 6], options: { groups: 3 } },
  "one channel in and out": { x: [1, 6, 6, 1], w: [3, 3, 1, 1] },
  "kernel as large as the image": { x: [2, 4, 4, 2], w: [4, 4, 2, 3] },
  "one pixel": { x: [1, 1, 1, 3], w: [1, 1, 3, 2] },
  "one pixel in padding": { x: [1, 1, 1, 2], w: [3, 3, 2, 2], options: { padding: 1 } },
  "padding beyond the kernel": { x: [1, 3, 3, 1], w: [2, 2, 1, 2], options: { padding: 3 } },
  "a row that the stride leaves out": { x: [1, 6, 6, 2], w: [2, 2, 2, 2], options: { stride: 4 } },
};

function output({ x, w, options }: Geometry): t.Shape {
  return t.conv2d(random(x), random(w), options).shape;
}

const convolutions: Case[] = Object.entries(geometries).flatMap(([name, geometry]) => {
  const { x, w, options } = geometry;
  const y = output(geometry);
  return [
    operation(`conv2d ${name}`, [random(x), random(w)], (a, b) => t.conv2d(a, b, options)),
    operation(
      `conv2dInputGrad ${name}`,
      [random(y), random(w)],
      (a, b) => t.conv2dInputGrad(a, b, x, options),
    ),
    operation(
      `conv2dWeightGrad ${name}`,
      [random(x), random(y)],
      (a, b) => t.conv2dWeightGrad(a, b, w, options),
    ),
  ];
});

const networks: Case[] = [
  operation(
    "two convolutions with sigmoids",
    [random([2, 5, 5, 2]), random([3, 3, 2, 4]), random([3, 3, 4, 3])],
    (x, v, w) => t.sigmoid(t.conv2d(t.sigmoid(t.conv2d(x, v, { padding: 1 })), w, { stride: 2 })),
  ),
  operation("a convolution with itself", [random([3, 3, 3, 3])], (x) => t.conv2d(x, x)),
];

const pools: Case[] = [
  operation("maxPool2d 2", [distinct([2, 4, 6, 3])], (x) => t.square(t.maxPool2d(x, 2))),
  operation(
    "maxPool2d 2 of an odd image",
    [distinct([1, 5, 7, 4])],
    (x) => t.square(t.maxPool2d(x, 2)),
  ),
  operation(
    "maxPool2d 3, stride 2",
    [distinct([1, 7, 7, 2])],
    (x) => t.square(t.maxPool2d(x, 3, { stride: 2 })),
  ),
  operation(
    "maxPool2d 3, stride 1, padding 1",
    [distinct([1, 4, 5, 2])],
    (x) => t.square(t.maxPool2d(x, 3, { stride: 1, padding: 1 })),
  ),
  operation(
    "maxPool2d 3, stride 2, padding 1",
    [distinct([2, 6, 6, 4])],
    (x) => t.square(t.maxPool2d(x, 3, { stride: 2, padding: 1 })),
  ),
  operation(
    "maxPool2d with ceilMode",
    [distinct([1, 5, 6, 2])],
    (x) => t.square(t.maxPool2d(x, 2, { ceilMode: true })),
  ),
  operation(
    "maxPool2d 3, stride 2, padding 1, ceilMode",
    [distinct([1, 6, 7, 2])],
    (x) => t.square(t.maxPool2d(x, 3, { stride: 2, padding: 1, ceilMode: true })),
  ),
  operation(
    "maxPool2d [1, 3], stride [2, 1]",
    [distinct([1, 5, 5, 2])],
    (x) => t.square(t.maxPool2d(x, [1, 3], { stride: [2, 1] })),
  ),
  operation(
    "maxPool2d, stride over kernel",
    [distinct([1, 7, 8, 1])],
    (x) => t.square(t.maxPool2d(x, 2, { stride: 3 })),
  ),
  operation("avgPool2d 2", [random([2, 4, 6, 3])], (x) => t.square(t.avgPool2d(x, 2))),
  operation(
    "avgPool2d 3, stride 2",
    [random([1, 7, 7, 4])],
    (x) => t.square(t.avgPool2d(x, 3, { stride: 2 })),
  ),
  operation(
    "avgPool2d 3, stride 1, padding 1",
    [random([1, 4, 5, 2])],
    (x) => t.square(t.avgPool2d(x, 3, { stride: 1, padding: 1 })),
  ),
  operation(
    "avgPool2d without its padding",
    [random([1, 4, 5, 2])],
    (x) => t.square(t.avgPool2d(x, 3, { stride: 1, padding: 1, countIncludePad: false })),
  ),
  operation("avgPool2d [2, 3]", [random([1, 4, 6, 1])], (x) => t.square(t.avgPool2d(x, [2, 3]))),
  operation(
    "adaptiveAvgPool2d 1",
    [random([2, 4, 3, 4])],
    (x) => t.square(t.adaptiveAvgPool2d(x, 1)),
  ),
  operation(
    "adaptiveAvgPool2d that divides",
    [random([2, 4, 6, 3])],
    (x) => t.square(t.adaptiveAvgPool2d(x, [2, 3])),
  ),
  operation(
    "adaptiveAvgPool2d that overlaps",
    [random([1, 5, 7, 2])],
    (x) => t.square(t.adaptiveAvgPool2d(x, [3, 4])),
  ),
  operation(
    "adaptiveAvgPool2d that enlarges",
    [random([1, 2, 3, 2])],
    (x) => t.square(t.adaptiveAvgPool2d(x, [4, 5])),
  ),
  operation("globalAvgPool", [random([2, 3, 5, 4])], (x) => t.square(t.globalAvgPool(x))),
];

/** Three images of 5 x 4 pixels and 3 channels: 45 words. */
const bytes = () =>
  new t.Variable(
    "bytes",
    [45],
    Uint32Array.from({ length: 45 }, (_, i) => Math.imul(i + 1, 0x9e3779b1) >>> 0),
  );

const table = (from: number, to: number) => {
  const { width, values } = tapTable(from, to);
  return new t.Variable("taps", [to, 1 + width], values);
};

const batch = (name: string, augmentation: Partial<BatchShape>, [height, width] = [5, 4]) =>
  operation(
    `imageBatch ${name}`,
    [bytes(), indices(2, 0, 0xffffffff, 1, 2, 0), indices(3, 4)],
    (bytes, order, key) => {
      const resizing = { down: table(5, height), right: table(4, width) };
      return imageBatch(bytes, order, t.uniform(key, [6, 3], "augmentation"), resizing, {
        ...{ batch: 6, height, width, channels: 3, fromHeight: 5, fromWidth: 4 },
        ...{ cropPadding: 0, flip: false, ...augmentation },
      });
    },
  );

export const batchCases: Case[] = [
  batch("as it is", {}),
  batch("cropped", { cropPadding: 2 }),
  batch("flipped", { flip: true }),
  batch("flipped both ways", { flip: true, flipVertical: true }),
  batch("cropped and flipped", { cropPadding: 1, flip: true }),
  batch("enlarged", {}, [7, 9]),
  batch("with its channels reversed", { cropPadding: 1, reversed: true }),
  batch("made smaller, cropped and flipped", { cropPadding: 1, flip: true }, [3, 2]),
  batch("larger one way, smaller the other", { flipVertical: true }, [8, 3]),
];
export const convolutionCases: Case[] = [...convolutions, ...networks];
export const poolCases: Case[] = pools;
