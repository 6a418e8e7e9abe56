/**
 * Matrix product. With f(a, b) = op(a) op(b), op being an optional transposition, both gradients
 * are matrix products again: closed under differentiation.
 */

import { matmul as matmulKernel } from "../gpu/kernels/gemm.ts";
import { shapeError } from "./shape.ts";
import { splitSum } from "./split.ts";
import { type Operation, Tensor } from "./tensor.ts";

export interface MatmulOptions {
  transA?: boolean;
  transB?: boolean;
}

const MATMUL: Operation = {
  name: "matmul",
  kind: "kernels",
  gradient: ({ inputs: [a, b], attributes }, g) => {
    const { transA, transB } = attributes as Required<MatmulOptions>;
    const da = transA
      ? matmul(b, g, { transA: transB, transB: true })
      : matmul(g, b, { transB: !transB });
    const db = transB
      ? matmul(g, a, { transA: true, transB: transA })
      : matmul(a, g, { transA: !transA });
    return [da, db];
  },
  lower: (node, target) => {
    const { transA, transB } = node.attributes as Required<MatmulOptions>;
    const [a] = node.inputs;
    const [m, n] = node.shape;
    const k = a.shape[transA ? 0 : 1];
    return splitSum(node, matmulKernel({ m, n, k, transA, transB }, target), target);
  },
};

/** a [M, K] times b [K, N]; an operand named by an option is stored the other way round. */
export function matmul(a: Tensor, b: Tensor, options: MatmulOptions = {}): Tensor {
  const { transA = false, transB = false } = options;
  if (a.rank !== 2 || b.rank !== 2) throw shapeError("matmul", "needs matrices", a.shape, b.shape);
  const [m, k] = transA ? [a.shape[1], a.shape[0]] : a.shape;
  const [kb, n] = transB ? [b.shape[1], b.shape[0]] : b.shape;
  if (k !== kb) throw shapeError("matmul", "inner extents differ", a.shape, b.shape);
  return new Tensor(MATMUL, [a, b], [m, n], "f32", { transA, transB });
}
