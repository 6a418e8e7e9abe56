/**
 * Matrix product. With f(a, b) = op(a) op(b), op being an optional transposition, both gradients
 * are matrix products again: closed under differentiation.
 */

import { matmul as matmulKernel } from "../gpu/kernels/gemm.ts";
import { shapeError } from "./shape.ts";
import { splitSum } from "./split.ts";
import { defineKernels } from "./operation.ts";
import { requireTensors, type Tensor } from "./tensor.ts";

export interface MatmulOptions {
  transA?: boolean;
  transB?: boolean;
}

const MATMUL = defineKernels<Required<MatmulOptions>>({
  name: "matmul",
  inputs: ["f32", "f32"],
  gradient: ({ inputs: [a, b] }, g, { transA, transB }) => {
    const da = transA
      ? matmul(b, g, { transA: transB, transB: true })
      : matmul(g, b, { transB: !transB });
    const db = transB
      ? matmul(g, a, { transA: true, transB: transA })
      : matmul(a, g, { transA: !transA });
    return [da, db];
  },
  lower: (node, { transA, transB }, target) => {
    const [a] = node.inputs;
    const [m, n] = node.shape;
    const k = a.shape[transA ? 0 : 1];
    return splitSum(node, matmulKernel({ m, n, k, transA, transB }, target), target);
  },
});

/** a [M, K] times b [K, N]; an operand named by an option is stored the other way round. */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  requireTensors("matmul", a, b);
  const { transA = false, transB = false } = options;
  if (a.rank !== 2 || b.rank !== 2) throw shapeError("matmul", "needs matrices", a.shape, b.shape);
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [kb, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  if (k !== kb) throw shapeError("matmul", "inner extents differ", a.shape, b.shape);
  return MATMUL.node([a, b], [m, n], { transA, transB });
}
