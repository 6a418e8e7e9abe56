/**
 * The derivatives of a function, order by order, each of a scalar. A value f has one gradient for
 * each element; weighted with numbers r it is a scalar with one gradient for each input, and the
 * gradients, weighted likewise, are a scalar that can be differentiated again:
 *
 *     <r, f>,   sum_i <s_i, d<r, f>/dx_i>,   ...
 *
 * With random weights no element's error hides behind another's.
 */

import { add, gradients, mul, type Shape, sum, type Tensor } from "../tensor/mod.ts";

/** A scalar, and its gradient with respect to each input; undefined where no path leads there. */
export interface Derivative {
  readonly of: Tensor;
  readonly gradients: readonly (Tensor | undefined)[];
}

/**
 * The derivatives of `value` from the first order on; fewer than `orders` where one is constant.
 * @param weights numbers of a shape, others at each call
 */
export function derivativesOf(
  value: Tensor,
  inputs: readonly Tensor[],
  orders: number,
  weights: (shape: Shape) => Tensor,
): Derivative[] {
  const found: Derivative[] = [];
  let tensors: readonly Tensor[] = value.dtype === "f32" ? [value] : [];
  while (found.length < orders && tensors.length > 0) {
    const of = tensors.map((t) => sum(mul(t, weights(t.shape)))).reduce((a, b) => add(a, b));
    const derivative = { of, gradients: gradients(of, inputs) };
    found.push(derivative);
    tensors = derivative.gradients.filter((g) => g !== undefined);
  }
  return found;
}
