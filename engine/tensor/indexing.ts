/** Operations by label and by row. Indices are u32 tensors and constant to every gradient. */

import { takeRowsKernel } from "../gpu/kernels/batch.ts";
import { argmaxKernel, oneHotKernel } from "../gpu/kernels/labels.ts";
import { matmul } from "./matmul.ts";
import { mul } from "./pointwise.ts";
import { sum } from "./reduce.ts";
import { numel, shapeError } from "./shape.ts";
import { defineKernels } from "./operation.ts";
import { requireTensors, type Tensor } from "./tensor.ts";

const ONE_HOT = defineKernels({
  name: "oneHot",
  inputs: ["u32"],
  lower: (node) => [{
    kernel: oneHotKernel(node.shape[0], node.shape[1]),
    buffers: [node.inputs[0], node],
  }],
});

/** Rows with a 1 at each label: [B] to [B, classes]. */
export function oneHot(labels: Tensor, classes: number): Tensor {
  requireTensors("oneHot", labels);
  if (labels.rank !== 1 || labels.dtype !== "u32") {
    throw shapeError("oneHot", "needs labels [B] of type u32", labels.shape);
  }
  return ONE_HOT.node([labels], [labels.size, classes], {});
}

/** x[b, labels[b]] for every row of x [B, K]: [B]. */
export function gather(x: Tensor, labels: Tensor): Tensor {
  requireTensors("gather", x, labels);
  if (x.rank !== 2 || labels.size !== x.shape[0]) {
    throw shapeError("gather", "needs rows [B, K] and a label for each", x.shape, labels.shape);
  }
  return sum(mul(x, oneHot(labels, x.shape[1])), [1]);
}

/** table[labels[b]] for a small table [K, J], as a product with one-hot rows: [B, J]. */
export function gatherRows(table: Tensor, labels: Tensor): Tensor {
  requireTensors("gatherRows", table, labels);
  return matmul(oneHot(labels, table.shape[0]), table);
}

const ARGMAX = defineKernels({
  name: "argmax",
  inputs: ["f32"],
  lower: (node) => {
    const [x] = node.inputs;
    return [{ kernel: argmaxKernel(x.shape[0], x.shape[1]), buffers: [x, node] }];
  },
});

/** The column of the largest element of each row, or of its first NaN: [B, K] to [B] (u32). */
export function argmax(x: Tensor): Tensor {
  requireTensors("argmax", x);
  if (x.rank !== 2) throw shapeError("argmax", "needs rows [B, K]", x.shape);
  return ARGMAX.node([x], [x.shape[0]], {}, "u32");
}

const ARGMAX_EXCEPT = defineKernels({
  name: "argmaxExcept",
  inputs: ["f32", "u32"],
  lower: (node) => {
    const [x, labels] = node.inputs;
    return [{ kernel: argmaxKernel(x.shape[0], x.shape[1], true), buffers: [x, labels, node] }];
  },
});

/** The column of the largest element of each row besides that of its label: [B] (u32). */
export function argmaxExcept(x: Tensor, labels: Tensor): Tensor {
  requireTensors("argmaxExcept", x, labels);
  if (x.rank !== 2 || x.shape[1] < 2 || labels.rank !== 1 || labels.size !== x.shape[0]) {
    const problem = "needs rows [B, K] of two columns or more and a label for each";
    throw shapeError("argmaxExcept", problem, x.shape, labels.shape);
  }
  return ARGMAX_EXCEPT.node([x, labels], [x.shape[0]], {}, "u32");
}

const TAKE_ROWS = defineKernels({
  name: "takeRows",
  lower: (node) => {
    const [rows, ...row] = node.shape;
    const kernel = takeRowsKernel(rows, numel(row), node.dtype);
    return [{ kernel, buffers: [...node.inputs, node] }];
  },
});

/** table[indices[b], ...] of data [N, ...]: [B, ...]. Constant to every gradient. */
export function takeRows(table: Tensor, indices: Tensor): Tensor {
  requireTensors("takeRows", table, indices);
  if (indices.rank !== 1 || indices.dtype !== "u32") {
    throw shapeError("takeRows", "needs indices [B] of type u32", indices.shape);
  }
  const shape = [indices.size, ...table.shape.slice(1)];
  return TAKE_ROWS.node([table, indices], shape, {}, table.dtype);
}
