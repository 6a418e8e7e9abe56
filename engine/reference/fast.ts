/** The oracle's operations that networks spend their time on, as loops without allocation. */

import type { ConvShape } from "../gpu/kernels/conv_shape.ts";
import type { PoolShape } from "../gpu/kernels/pool.ts";
import { rowMajorStrides, type Shape } from "../tensor/shape.ts";
import type { Tensor } from "../tensor/tensor.ts";
import { scalars } from "./pointwise.ts";
import type { Evaluate, Value } from "./value.ts";

/** The fast way to compute a node, where there is one. */
export function fast({ operation }: Tensor): Evaluate | undefined {
  return operation.kind === "pointwise" ? pointwise : LOOPS[operation.name];
}

function pointwise(node: Tensor, [a, b, c]: readonly Value[]): Value {
  const f = scalars[node.operation.name];
  const value = new Float64Array(node.size);
  if (c) { for (let i = 0; i < value.length; i++) value[i] = f(a[i], b[i], c[i]); }
  else if (b) { for (let i = 0; i < value.length; i++) value[i] = f(a[i], b[i]); }
  else for (let i = 0; i < value.length; i++) value[i] = f(a[i]);
  return value;
}

/** A view of an array: element [i0, i1, ...] lies at offset + i0 strides[0] + i1 strides[1] ... */
interface View {
  readonly data: Value;
  readonly strides: readonly number[];
  readonly offset?: number;
}

/** Copies a block of `shape` from one view to another. */
function copy(shape: Shape, from: View, to: View): void {
  const last = shape.length - 1;
  const index = shape.map(() => 0);
  let [source, target] = [from.offset ?? 0, to.offset ?? 0];
  const [extent, sourceStep, targetStep] = [
    shape[last] ?? 1,
    from.strides[last] ?? 0,
    to.strides[last] ?? 0,
  ];
  for (;;) {
    for (let i = 0; i < extent; i++) {
      to.data[target + i * targetStep] = from.data[source + i * sourceStep];
    }
    let d = last - 1;
    for (; d >= 0; d--) {
      source += from.strides[d];
      target += to.strides[d];
      if (++index[d] < shape[d]) break;
      source -= shape[d] * from.strides[d];
      target -= shape[d] * to.strides[d];
      index[d] = 0;
    }
    if (d < 0) return;
  }
}

/** The convolution's three operations: for each pixel and tap a product of short rows. */
function convolution(
  row: (
    x: number,
    w: number,
    y: number,
    inputs: readonly Value[],
    value: Value,
    conv: ConvShape,
  ) => void,
): Evaluate {
  return (node, inputs) => {
    const conv = node.attributes as unknown as ConvShape;
    const value = new Float64Array(node.size);
    const { batch, outHeight, outWidth, kernelHeight, kernelWidth, stride, padding } = conv;
    const groupChannels = conv.inChannels / conv.groups;
    for (let place = 0; place < batch * outHeight * outWidth; place++) {
      const [q, p] = [place % outWidth, Math.floor(place / outWidth) % outHeight];
      const image = Math.floor(place / (outWidth * outHeight));
      for (let tap = 0; tap < kernelHeight * kernelWidth; tap++) {
        const [s, r] = [tap % kernelWidth, Math.floor(tap / kernelWidth)];
        const h = p * stride[0] - padding[0] + r * conv.dilation[0];
        const w = q * stride[1] - padding[1] + s * conv.dilation[1];
        if (h < 0 || h >= conv.inHeight || w < 0 || w >= conv.inWidth) continue;
        const x = ((image * conv.inHeight + h) * conv.inWidth + w) * conv.inChannels;
        const weight = tap * groupChannels * conv.outChannels;
        row(x, weight, place * conv.outChannels, inputs, value, conv);
      }
    }
    return value;
  };
}

/** Calls `visit` with the places in x, w and y of each input channel's row of output channels. */
function eachChannel(
  { inChannels, outChannels, groups }: ConvShape,
  visit: (channel: number, weight: number, output: number, count: number) => void,
): void {
  const [c, k] = [inChannels / groups, outChannels / groups];
  for (let i = 0; i < inChannels; i++) {
    const group = Math.floor(i / c);
    visit(i, i % c * outChannels + group * k, group * k, k);
  }
}

function reduction(start: number, combine: (a: number, b: number) => number): Evaluate {
  return (node, [x]) => {
    const [outer, length, inner] = node.inputs[0].shape;
    const value = new Float64Array(node.size).fill(start);
    for (let row = 0; row < outer * length; row++) {
      const to = Math.floor(row / length) * inner;
      for (let i = 0; i < inner; i++) value[to + i] = combine(value[to + i], x[row * inner + i]);
    }
    return value;
  };
}

/** Calls `visit` with the places in the image and the pooled image of each window's choice. */
function eachChoice(
  indices: Value,
  [, height, width, channels]: Shape,
  [, rows, columns]: Shape,
  visit: (from: number, to: number) => void,
): void {
  for (let to = 0; to < indices.length; to++) {
    const image = Math.floor(to / (rows * columns * channels));
    visit((image * height * width + indices[to]) * channels + to % channels, to);
  }
}

const LOOPS: Record<string, Evaluate | undefined> = {
  broadcastTo: (node, [x]) => {
    const value = new Float64Array(node.size);
    const { shape } = node.inputs[0];
    const lead = node.rank - shape.length;
    const own = rowMajorStrides(shape);
    const strides = node.shape.map((_, d) => d < lead || shape[d - lead] === 1 ? 0 : own[d - lead]);
    copy(node.shape, { data: x, strides }, { data: value, strides: rowMajorStrides(node.shape) });
    return value;
  },

  permute: (node, [x]) => {
    const value = new Float64Array(node.size);
    const own = rowMajorStrides(node.inputs[0].shape);
    const strides = (node.attributes.axes as number[]).map((axis) => own[axis]);
    copy(node.shape, { data: x, strides }, { data: value, strides: rowMajorStrides(node.shape) });
    return value;
  },

  window: (node, [x]) => {
    const value = new Float64Array(node.size);
    const starts = node.attributes.starts as number[];
    const source = node.inputs[0].shape;
    const low = starts.map((start) => Math.max(0, -start));
    const block = low.map((l, d) => Math.min(node.shape[d], source[d] - starts[d]) - l);
    if (block.some((extent) => extent <= 0)) return value;
    const view = (data: Value, shape: Shape, at: number[]) => {
      const strides = rowMajorStrides(shape);
      return { data, strides, offset: at.reduce((sum, i, d) => sum + i * strides[d], 0) };
    };
    copy(block, view(x, source, low.map((l, d) => l + starts[d])), view(value, node.shape, low));
    return value;
  },

  concat: (node, parts) => {
    const value = new Float64Array(node.size);
    const axis = node.attributes.axis as number;
    const strides = rowMajorStrides(node.shape);
    let start = 0;
    parts.forEach((data, k) => {
      const { shape } = node.inputs[k];
      const to = { data: value, strides, offset: start * strides[axis] };
      copy(shape, { data, strides: rowMajorStrides(shape) }, to);
      start += shape[axis];
    });
    return value;
  },

  sum: reduction(0, (a, b) => a + b),
  max: reduction(-Infinity, Math.max),

  matmul: (node, [a, b]) => {
    const value = new Float64Array(node.size);
    const { transA, transB } = node.attributes;
    const [m, n] = node.shape;
    const k = node.inputs[0].shape[transA ? 0 : 1];
    const [aRow, aStep] = transA ? [1, m] : [k, 1];
    const [bStep, bColumn] = transB ? [1, k] : [n, 1];
    for (let i = 0; i < m; i++) {
      // Either way the inner loop runs along b's rows in memory.
      if (bStep === 1) {
        for (let j = 0; j < n; j++) {
          let sum = 0;
          for (let l = 0; l < k; l++) sum += a[i * aRow + l * aStep] * b[l + j * bColumn];
          value[i * n + j] = sum;
        }
      } else {
        for (let l = 0; l < k; l++) {
          const factor = a[i * aRow + l * aStep];
          for (let j = 0; j < n; j++) value[i * n + j] += factor * b[l * bStep + j];
        }
      }
    }
    return value;
  },

  conv2d: convolution((x, w, y, [image, weight], value, conv) =>
    eachChannel(conv, (channel, row, output, count) => {
      const factor = image[x + channel];
      for (let k = 0; k < count; k++) value[y + output + k] += factor * weight[w + row + k];
    })
  ),
  conv2dInputGrad: convolution((x, w, y, [gradient, weight], value, conv) =>
    eachChannel(conv, (channel, row, output, count) => {
      let sum = 0;
      for (let k = 0; k < count; k++) sum += gradient[y + output + k] * weight[w + row + k];
      value[x + channel] += sum;
    })
  ),
  conv2dWeightGrad: convolution((x, w, y, [image, gradient], value, conv) =>
    eachChannel(conv, (channel, row, output, count) => {
      const factor = image[x + channel];
      for (let k = 0; k < count; k++) value[w + row + k] += factor * gradient[y + output + k];
    })
  ),

  maxPoolIndices: (node, [x]) => {
    const value = new Float64Array(node.size);
    const { kernel, stride, padding, dilation = [1, 1] } = node
      .attributes as unknown as PoolShape;
    const [, height, width, channels] = node.inputs[0].shape;
    const [, rows, columns] = node.shape;
    for (let to = 0; to < value.length; to++) {
      const place = Math.floor(to / channels);
      const image = Math.floor(place / (rows * columns)) * height * width;
      const top = Math.floor(place / columns) % rows * stride[0] - padding[0];
      const left = place % columns * stride[1] - padding[1];
      let largest = -Infinity;
      for (let r = 0; r < kernel[0]; r++) {
        const h = top + r * dilation[0];
        for (let s = 0; s < kernel[1]; s++) {
          const w = left + s * dilation[1];
          if (h < 0 || h >= height || w < 0 || w >= width) continue;
          const element = x[(image + h * width + w) * channels + to % channels];
          if (element > largest) [largest, value[to]] = [element, h * width + w];
        }
      }
    }
    return value;
  },
  poolGather: (node, [x, indices]) => {
    const value = new Float64Array(node.size);
    const { shape } = node.inputs[0];
    eachChoice(indices, shape, node.shape, (from, to) => value[to] = x[from]);
    return value;
  },
  poolScatter: (node, [y, indices]) => {
    const value = new Float64Array(node.size);
    const { shape } = node.inputs[0];
    eachChoice(indices, node.shape, shape, (from, to) => value[from] += y[to]);
    return value;
  },
};
