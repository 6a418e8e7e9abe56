/** Activations made of pointwise operations, by PyTorch's names and with its defaults. */

import {
  abs,
  add,
  div,
  erf,
  exp,
  greater,
  log,
  maximum,
  mul,
  neg,
  type Operand,
  sub,
  tanh,
  where,
} from "./pointwise.ts";
import type { Tensor } from "./tensor.ts";

/** The smaller of two values. */
export const minimum = (a: Tensor, b: Operand): Tensor =>
  neg(maximum(neg(a), typeof b === "number" ? -b : neg(b)));

/** x between two bounds; at a bound, as inside, its gradient is 1. */
export function clamp(x: Tensor, least = -Infinity, most = Infinity): Tensor {
  const above = least === -Infinity ? x : where(greater(least, x), least, x);
  return most === Infinity ? above : where(greater(x, most), most, above);
}

/** x where it is above 0, else `slope` x. */
export const leakyRelu = (x: Tensor, slope: Operand = 0.01): Tensor =>
  where(greater(x, 0), x, mul(x, slope));

/** x where it is above 0, else alpha (e^(x / beta) - 1), of which no large x overflows. */
function exponentialBelow(x: Tensor, alpha: number, beta: number): Tensor {
  const below = where(greater(x, 0), 0, x);
  return where(greater(x, 0), x, mul(sub(exp(div(below, beta)), 1), alpha));
}

export const elu = (x: Tensor, alpha = 1): Tensor => exponentialBelow(x, alpha, 1);
export const celu = (x: Tensor, alpha = 1): Tensor => exponentialBelow(x, alpha, alpha);

/** Source: Klambauer et al. 2017, Self-Normalizing Neural Networks. */
export const selu = (x: Tensor, alpha = 1.6732632423543772, gamma = 1.0507009873554805): Tensor =>
  mul(elu(x, alpha), gamma);

/** log(1 + e^x) */
export const softplus = (x: Tensor): Tensor => add(maximum(x, 0), log(add(exp(neg(abs(x))), 1)));

/** x tanh(softplus(x)) */
export const mish = (x: Tensor): Tensor => mul(x, tanh(softplus(x)));

/** x Phi(x), with the normal distribution's Phi. */
export const gelu = (x: Tensor): Tensor => mul(mul(x, 0.5), add(erf(mul(x, Math.SQRT1_2)), 1));

/** GELU as approximated with a hyperbolic tangent. */
export const geluTanh = (x: Tensor): Tensor => {
  const inner = mul(mul(x, add(mul(mul(x, x), 0.044715), 1)), Math.sqrt(2 / Math.PI));
  return mul(mul(x, 0.5), add(tanh(inner), 1));
};

/** alpha x + beta, from 0 to 1. */
export const hardsigmoid = (x: Tensor, alpha = 1 / 6, beta = 0.5): Tensor =>
  clamp(add(mul(x, alpha), beta), 0, 1);

export const hardswish = (x: Tensor): Tensor => mul(x, hardsigmoid(x));
