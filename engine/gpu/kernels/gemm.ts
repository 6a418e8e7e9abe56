/**
 * Matrix products. A product whose rows are whole vec4s is a face of a 1 x 1 convolution, pixels
 * being rows, and runs on its kernels; the rest runs on the general kernel:
 *
 *     a b    = forward          x [m, k], w [k, n]
 *     a bT   = input gradient  dy [m, k], w [n, k]
 *     aT b   = weight gradient  x [k, m], dy [k, n]
 */
import matmulShader from "../../../shaders/gemm/matmul.wgsl" with { type: "text" };
import { read, type SplitKernel, written } from "../kernel.ts";
import { convForward, convInputGrad, convWeightGrad } from "./conv.ts";
import { type ConvShape, splitRows } from "./conv_shape.ts";
import { PLAIN, type Target } from "./target.ts";

/** c [m, n] = a b, with a [m, k] or, if transA, [k, m]; b [k, n] or, if transB, [n, k]. */
export interface MatmulShape {
  readonly m: number;
  readonly n: number;
  readonly k: number;
  readonly transA: boolean;
  readonly transB: boolean;
}

const WORKGROUP = 64;
/** Threads, of those that keep an adapter busy, for each workgroup that a product wants. */
const THREADS_A_WORKGROUP = 128;
/** The least run of the inner dimension that is worth a split. */
const MIN_SPLIT = 64;

/**
 * Operands a, b, parts [splits, m, n]; with one split, parts is the product itself, otherwise
 * adding the parts in order gives it.
 */
export function matmul(s: MatmulShape, target: Target = PLAIN): SplitKernel {
  const { kernel, splits } = faceOf(s, target);
  return { kernel: { ...kernel, label: matmulLabel(s), ...matmulCost(s, splits) }, splits };
}

/** The face of a 1 x 1 convolution that the product is, or the general kernel. */
function faceOf(s: MatmulShape, target: Target): SplitKernel {
  const { m, n, k, transA, transB } = s;
  if (!transA && !transB && n % 4 === 0) return convForward(pointwise(1, m, k, n), target);
  if (!transA && transB && k % 4 === 0) return convInputGrad(pointwise(1, m, n, k), target);
  if (transA && !transB && n % 4 === 0) {
    const columns = rowLength(k);
    return convWeightGrad(pointwise(k / columns, columns, m, n), target);
  }
  return generalMatmul(s, target);
}

/** A 1 x 1 convolution over `rows` x `columns` pixels. */
function pointwise(rows: number, columns: number, inChannels: number, outChannels: number) {
  return {
    batch: 1,
    inHeight: rows,
    inWidth: columns,
    inChannels,
    outHeight: rows,
    outWidth: columns,
    outChannels,
    kernelHeight: 1,
    kernelWidth: 1,
    stride: [1, 1],
    padding: [0, 0],
    dilation: [1, 1],
    groups: 1,
  } satisfies ConvShape;
}

/** The inner dimension in rows that splits can be made of: the largest divisor up to MIN_SPLIT. */
function rowLength(k: number): number {
  for (let length = Math.min(k, MIN_SPLIT); length >= 8; length--) {
    if (k % length === 0) return length;
  }
  return k;
}

/** Any shape, scalar loads, a tile of 4 x 4. */
export function generalMatmul(s: MatmulShape, target: Target = PLAIN): SplitKernel {
  const tiles = Math.ceil(s.m / 4) * Math.ceil(s.n / 4);
  const runs = Math.ceil(s.k / MIN_SPLIT);
  const splits = splitRows(runs, tiles / WORKGROUP, target.threads / THREADS_A_WORKGROUP);
  const kernel = {
    label: matmulLabel(s),
    shader: matmulShader,
    operands: [read("a", "f32"), read("b", "f32"), written("parts", "f32")],
    constants: {
      M: s.m,
      N: s.n,
      K: s.k,
      TRANSPOSE_A: s.transA,
      TRANSPOSE_B: s.transB,
      SPLITS: splits,
    },
    workgroups: Math.ceil(splits * tiles / WORKGROUP),
    ...matmulCost(s, splits),
  };
  return { kernel, splits };
}

function matmulLabel({ m, n, k, transA, transB }: MatmulShape): string {
  const a = transA ? `(${k}x${m})T` : `${m}x${k}`;
  const b = transB ? `(${n}x${k})T` : `${k}x${n}`;
  return `matmul ${a} ${b}`;
}

function matmulCost({ m, n, k }: MatmulShape, splits: number) {
  return { flops: 2 * m * n * k, bytes: 4 * (m * k + k * n + splits * m * n) };
}
