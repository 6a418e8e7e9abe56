/** Convolution shapes, and their three faces against a plain float64 loop. */
import assert from "node:assert/strict";
import { familyOf } from "../../engine/gpu/kernels/conv.ts";
import { general } from "../../engine/gpu/kernels/conv_general.ts";
import { type ConvShape, convSizes, type Family } from "../../engine/gpu/kernels/conv_shape.ts";
import type { SplitKernel } from "../../engine/gpu/kernel.ts";
import { PLAIN, type Target } from "../../engine/gpu/kernels/target.ts";
import { noise, relativeError, runKernel } from "./gpu.ts";

type Pair = readonly [number, number];

interface Options {
  readonly batch?: number;
  readonly stride?: Pair;
  readonly padding?: Pair;
  readonly dilation?: Pair;
  readonly groups?: number;
}

/** A shape from its input [H, W, C], kernel [R, S, K] and options; the output follows. */
export function conv(
  [inHeight, inWidth, inChannels]: readonly [number, number, number],
  [kernelHeight, kernelWidth, outChannels]: readonly [number, number, number],
  options: Options = {},
): ConvShape {
  const { batch = 2, stride = [1, 1], padding = [0, 0], dilation = [1, 1], groups = 1 } = options;
  const outputs = (size: number, kernel: number, axis: 0 | 1) =>
    Math.floor((size + 2 * padding[axis] - dilation[axis] * (kernel - 1) - 1) / stride[axis]) + 1;
  return {
    batch,
    inHeight,
    inWidth,
    inChannels,
    outHeight: outputs(inHeight, kernelHeight, 0),
    outWidth: outputs(inWidth, kernelWidth, 1),
    outChannels,
    kernelHeight,
    kernelWidth,
    stride,
    padding,
    dilation,
    groups,
  };
}

/** Edge shapes by name. */
export const SHAPES: Record<string, ConvShape> = {
  "one pixel, 1x1": conv([1, 1, 4], [1, 1, 4], { batch: 1 }),
  "one pixel, 3x3 padded": conv([1, 1, 8], [3, 3, 12], { batch: 3, padding: [1, 1] }),
  "2x2 image, 3x3": conv([2, 2, 8], [3, 3, 20], { batch: 17, padding: [1, 1] }),
  "4x4 image, 3x3, many images": conv([4, 4, 4], [3, 3, 8], { batch: 33, padding: [1, 1] }),
  "odd sizes, 3x3": conv([7, 11, 8], [3, 3, 12], { padding: [1, 1] }),
  "wide rows": conv([3, 29, 4], [3, 3, 36], { batch: 9, padding: [1, 1] }),
  "no padding": conv([6, 10, 4], [3, 3, 4], { batch: 1 }),
  "first layer, 3 channels": conv([9, 9, 3], [3, 3, 16], { padding: [1, 1] }),
  "one channel in, 5x5": conv([12, 10, 1], [5, 5, 8], { padding: [2, 2] }),
  "11x11 stride 4": conv([35, 35, 3], [11, 11, 8], { batch: 1, stride: [4, 4], padding: [2, 2] }),
  "stride 2, 3x3": conv([8, 8, 8], [3, 3, 16], { batch: 8, stride: [2, 2], padding: [1, 1] }),
  "stride 2, odd, rows beyond the last window": conv([10, 12, 8], [3, 3, 8], { stride: [2, 2] }),
  "stride 2, 1x1": conv([9, 8, 8], [1, 1, 12], { stride: [2, 2] }),
  "stride 3, 2x2: stride over kernel": conv([11, 13, 4], [2, 2, 8], { stride: [3, 3] }),
  "stride 2 and 3, asymmetric": conv([9, 14, 4], [3, 5, 8], { stride: [2, 3], padding: [0, 2] }),
  "1x1 on 8 channels": conv([5, 7, 8], [1, 1, 12]),
  "1x1 padded": conv([5, 7, 4], [1, 1, 4], { padding: [1, 1] }),
  "1x7": conv([6, 9, 4], [1, 7, 8], { padding: [0, 3] }),
  "7x1": conv([9, 6, 4], [7, 1, 8], { padding: [3, 0] }),
  "dilation 2": conv([9, 10, 4], [3, 3, 8], { padding: [2, 2], dilation: [2, 2] }),
  "dilation 2, stride 2": conv([9, 9, 4], [3, 3, 4], { dilation: [2, 2], stride: [2, 2] }),
  "dilation 2, stride 3": conv([13, 13, 4], [3, 3, 4], {
    dilation: [2, 2],
    stride: [3, 3],
    padding: [1, 2],
  }),
  "dilation 3, stride 2": conv([11, 12, 4], [2, 3, 4], { dilation: [1, 3], stride: [2, 2] }),
  "padding over the kernel": conv([3, 3, 4], [2, 2, 4], { padding: [3, 3] }),
  "odd channels, 5 to 7": conv([6, 5, 5], [3, 3, 7], { padding: [1, 1] }),
  "6 channels to 8": conv([6, 5, 6], [3, 3, 8], { padding: [1, 1] }),
  "two groups": conv([6, 6, 6], [3, 3, 4], { groups: 2, padding: [1, 1] }),
  "groups, stride 2": conv([7, 6, 8], [3, 3, 12], { groups: 4, stride: [2, 2], padding: [1, 1] }),
  "groups of whole vectors, 3x3": conv([6, 9, 24], [3, 3, 36], { groups: 3, padding: [1, 1] }),
  "groups of one vector, many images": conv([3, 4, 16], [3, 3, 16], {
    batch: 17,
    groups: 4,
    padding: [1, 1],
  }),
  "groups of 4 to 24, stride 2, 1x1": conv([7, 8, 8], [1, 1, 48], { groups: 2, stride: [2, 2] }),
  "depthwise 3x3": conv([9, 11, 8], [3, 3, 8], { groups: 8, padding: [1, 1] }),
  "depthwise stride 2": conv([9, 12, 4], [3, 3, 4], { groups: 4, stride: [2, 2], padding: [1, 1] }),
  "depthwise 5x5, dilation 2": conv([11, 9, 4], [5, 5, 4], {
    groups: 4,
    padding: [4, 4],
    dilation: [2, 2],
  }),
  "depthwise, one pixel": conv([1, 1, 4], [3, 3, 4], { groups: 4, batch: 1, padding: [1, 1] }),
  "depth multiplier 2": conv([5, 6, 4], [3, 3, 8], { groups: 4, padding: [1, 1] }),
  "depthwise, 3 channels": conv([5, 6, 3], [3, 3, 3], { groups: 3, padding: [1, 1] }),
};

/** Calls `visit` with the indices of x, w and y for every product of the trilinear form. */
function forEachProduct(s: ConvShape, visit: (x: number, w: number, y: number) => void): void {
  const groupIn = s.inChannels / s.groups;
  const groupOut = s.outChannels / s.groups;
  for (let n = 0; n < s.batch; n++) {
    for (let p = 0; p < s.outHeight; p++) {
      for (let r = 0; r < s.kernelHeight; r++) {
        const h = p * s.stride[0] - s.padding[0] + r * s.dilation[0];
        if (h < 0 || h >= s.inHeight) continue;
        for (let q = 0; q < s.outWidth; q++) {
          for (let t = 0; t < s.kernelWidth; t++) {
            const w = q * s.stride[1] - s.padding[1] + t * s.dilation[1];
            if (w < 0 || w >= s.inWidth) continue;
            for (let k = 0; k < s.outChannels; k++) {
              for (let c = 0; c < groupIn; c++) {
                visit(
                  ((n * s.inHeight + h) * s.inWidth + w) * s.inChannels +
                    Math.floor(k / groupOut) * groupIn + c,
                  ((r * s.kernelWidth + t) * groupIn + c) * s.outChannels + k,
                  ((n * s.outHeight + p) * s.outWidth + q) * s.outChannels + k,
                );
              }
            }
          }
        }
      }
    }
  }
}

/** The three faces in float64. */
export function reference(s: ConvShape, x: Float32Array, w: Float32Array, dy: Float32Array) {
  const y = new Float64Array(dy.length);
  const dx = new Float64Array(x.length);
  const dw = new Float64Array(w.length);
  forEachProduct(s, (i, j, k) => {
    y[k] += x[i] * w[j];
    dx[i] += dy[k] * w[j];
    dw[j] += x[i] * dy[k];
  });
  return { y, dx, dw };
}

function addParts(parts: Float32Array, splits: number): Float32Array {
  const length = parts.length / splits;
  const sum = new Float32Array(length);
  for (let i = 0; i < parts.length; i++) sum[i % length] += parts[i];
  return sum;
}

export interface Faces {
  readonly forward: SplitKernel;
  readonly inputGrad: SplitKernel;
  readonly weightGrad: SplitKernel;
}

/** The faces of a shape as a family makes them. */
export function facesOf({ faces }: Family, s: ConvShape, target: Target): Faces {
  return {
    forward: faces.forward(s, target),
    inputGrad: faces["input gradient"](s, target),
    weightGrad: faces["weight gradient"](s, target),
  };
}

export const chosenFaces = (s: ConvShape, target: Target) =>
  facesOf(familyOf(s, target), s, target);

export const generalFaces = (s: ConvShape) => facesOf(general, s, PLAIN);

/** Runs a face twice: the bits must agree with each other, the values with the reference. */
async function check(
  { kernel, splits }: SplitKernel,
  inputs: Float32Array<ArrayBuffer>[],
  expected: Float64Array,
): Promise<Float32Array> {
  const [once, again] = await runKernel(kernel, inputs, expected.length * splits, 2);
  assert.deepEqual(new Uint32Array(once.slice().buffer), new Uint32Array(again.slice().buffer));
  const sum = addParts(once, splits);
  const error = relativeError(sum, expected);
  assert.ok(error < 1e-5, `${kernel.label}: relative error ${error}`);
  return sum;
}

/** Checks faces made in several ways against the reference and, where that isn't zero, each other. */
export async function checkFaces(s: ConvShape, ways: readonly Faces[]): Promise<void> {
  const length = convSizes(s);
  const x = noise(length.x, 1), w = noise(length.w, 2), dy = noise(length.y, 3);
  const { y, dx, dw } = reference(s, x, w, dy);
  const results: Float32Array[][] = [];
  for (const { forward, inputGrad, weightGrad } of ways) {
    results.push([
      await check(forward, [x, w], y),
      await check(inputGrad, [dy, w], dx),
      await check(weightGrad, [x, dy], dw),
    ]);
  }
  for (const faces of results) {
    faces.forEach((face, i) => assert.ok(relativeError(face, results[0][i]) < 1e-5));
  }
}

/**
 * Compares a face's variants bit by bit, also those that need more memory than every device has.
 * @param of which of them are compared: compiling takes most of the time
 */
export async function checkVariants(
  { kernel: { tunable, label }, splits }: SplitKernel,
  operands: readonly [number, number],
  result: number,
  of: (variant: number) => boolean = () => true,
): Promise<void> {
  const inputs = operands.map((length, i) => noise(length, i + 1));
  const results = [];
  const variants = tunable!.variants.toSorted((a, b) => (a.name < b.name ? -1 : 1));
  for (const { name, make } of variants.filter((_, i) => of(i))) {
    const [values] = await runKernel(make(), inputs, splits * result);
    results.push({ name, bits: new Uint32Array(values.slice().buffer) });
  }
  assert.ok(results.length > 3, `${label} has ${results.length} variants`);
  const [first, ...others] = results;
  for (const { name, bits } of others) {
    const differing = bits.filter((value, i) => value !== first.bits[i]).length;
    assert.equal(
      differing,
      0,
      `${label}: ${differing} elements of ${name} are not ${first.name}'s`,
    );
  }
}
