/** Matrix products: linear layers, of rows or of what has more axes before the last. */

import { bmm } from "../../tensor/bmm.ts";
import { matmul } from "../../tensor/matmul.ts";
import { reshape } from "../../tensor/movement.ts";
import { add, mul } from "../../tensor/pointwise.ts";
import { numel } from "../../tensor/shape.ts";
import { inPlainOrder, type Laid, laid, plain, shapeOf, type Value } from "../value.ts";
import type { At, Operator } from "./at.ts";

function gemm(at: At): Value {
  const [a, b] = [inPlainOrder(at.x), inPlainOrder(at.input(1))];
  const options = { transA: at.int("transA", 0) === 1, transB: at.int("transB", 0) === 1 };
  const product = mul(matmul(a, b, options), at.float("alpha", 1));
  if (!at.has(2)) return plain(product);
  return plain(add(product, mul(inPlainOrder(at.input(2)), at.float("beta", 1))));
}

function product(at: At): Value {
  const [left, right] = [shapeOf(at.x), shapeOf(at.input(1))];
  if (right.length < 2 || left.length < 2) {
    at.refuse(`multiplies [${left}] and [${right}]: both must have two axes or more`);
  }
  if (right.length > 2) return plain(bmm(inPlainOrder(at.x), inPlainOrder(at.input(1))));
  // What lies as images with channels last is rows already.
  const [lead, order] = rows(at.x);
  const a = reshape(lead, [numel(left.slice(0, -1)), left[left.length - 1]]);
  const y = matmul(a, inPlainOrder(at.input(1)));
  const shape = [...left.slice(0, -1), right[1]];
  return { tensor: reshape(y, order.map((axis) => shape[axis])), order };
}

/** The value with its last axis last in memory, the others as they lie. */
function rows(value: Value): readonly [Laid["tensor"], readonly number[]] {
  const { tensor, order } = laid(value);
  const last = order.length - 1;
  return order[last] === last
    ? [tensor, order]
    : [inPlainOrder(value), order.toSorted((a, b) => a - b)];
}

export const linear: Readonly<Record<string, Operator>> = { Gemm: gemm, MatMul: product };
