/**
 * Element-by-element operators. Where all inputs are known they are computed on the host: arithmetic
 * on shapes comes out as shapes.
 */

import * as t from "../../tensor/mod.ts";
import { aligned, isKnown, type Known, known, laid, shapeOf, type Value } from "../value.ts";
import type { At, Operator } from "./at.ts";

type Scalar = (...operands: number[]) => number;
type OnTensors = (...operands: t.Tensor[]) => t.Tensor;

/** Values combined element by element: on the host where they are known, else as tensors. */
export function combine(values: readonly Value[], host: Scalar, device: OnTensors): Value {
  if (values.every(isKnown)) return onHost(values, host);
  const { tensors, order } = aligned(values.map(asScalar));
  return { tensor: device(...tensors), order };
}

/** One known number, whatever its rank, goes into a kernel as a literal. */
function asScalar(value: Value): Value {
  if (
    !isKnown(value) || value.values.length !== 1 || !Number.isFinite(Math.fround(value.values[0]))
  ) {
    return value;
  }
  const { shape, values } = value;
  return { tensor: t.reshape(t.constant(values[0]), shape), order: shape.map((_, d) => d) };
}

function onHost(values: readonly Known[], f: Scalar): Known {
  const shape = values.map((v) => v.shape).reduce((a, b) => t.broadcastShapes("constants", a, b));
  const strides = values.map((v) => {
    const own = t.rowMajorStrides(v.shape);
    const more = shape.length - v.shape.length;
    return shape.map((_, d) => (d < more || v.shape[d - more] === 1 ? 0 : own[d - more]));
  });
  const place = t.rowMajorStrides(shape);
  const result = Array.from({ length: t.numel(shape) }, (_, i) => {
    const at = shape.map((extent, d) => Math.floor(i / place[d]) % extent);
    return f(
      ...values.map((v, k) => v.values[at.reduce((sum, p, d) => sum + p * strides[k][d], 0)]),
    );
  });
  return known(result, shape, values.every(({ isWhole }) => isWhole));
}

function mapped({ values, shape, isWhole }: Known, f: Scalar): Known {
  const result = values.map((value) => f(value));
  return known(result, shape, isWhole && result.every(Number.isInteger));
}

const unary = (device: OnTensors, host?: Scalar): Operator => ({ x }) => {
  if (!isKnown(x) || !host) return { ...laid(x), tensor: device(laid(x).tensor) };
  return mapped(x, host);
};

/** An activation with settings from the node's attributes. */
const activation = (f: (x: t.Tensor, at: At) => t.Tensor): Operator => (at) => {
  const { tensor, order } = laid(at.x);
  return { tensor: f(tensor, at), order };
};

const binary = (device: OnTensors, host: Scalar): Operator => (at) =>
  combine([at.input(0), at.input(1)], host, device);

/** Any number of inputs, two at a time. */
const variadic = (device: OnTensors, host: Scalar): Operator => (at) =>
  at.inputs.map((_, i) => at.input(i)).reduce((a, b) => combine([a, b], host, device));

const sum = variadic(t.add, (a, b) => a + b) as (at: At) => Value;

const not = (x: t.Tensor) => t.equal(x, 0);
const truth = (f: (a: number, b: number) => boolean): Scalar => (a, b) => Number(f(a, b));

/** Bounds are attributes up to set 10, then inputs; either may be left out. */
const clip: Operator = (at) => {
  const bound = (name: string, i: number, none: number) =>
    at.has(i) ? at.known(i).values[0] : at.float(name, none);
  // The largest float, which exporters write for none, bounds nothing.
  const large = 3.4e38;
  const [least, most] = [bound("min", 1, -Infinity), bound("max", 2, Infinity)];
  if (isKnown(at.x)) return mapped(at.x, (v) => Math.min(Math.max(v, least), most));
  const { tensor, order } = laid(at.x);
  const isOpen = most > large;
  if (least === 0 && isOpen) return { tensor: t.relu(tensor), order };
  if (least === 0 && most === 6) return { tensor: t.relu6(tensor), order };
  const bounds = [least < -large ? undefined : least, isOpen ? undefined : most] as const;
  return { tensor: t.clamp(tensor, ...bounds), order };
};

const pow: Operator = (at) => {
  const exponent = at.input(1);
  if (!isKnown(exponent) || exponent.values.length !== 1) {
    return combine([at.x, exponent], Math.pow, (x, p) => t.exp(t.mul(t.log(x), p)));
  }
  const [p] = exponent.values;
  return unary((x) => t.pow(x, p), (x) => x ** p)(at);
};

/** Slopes are of the channels, [C, 1, 1]; up to set 6 they were [C], which is read as that too. */
const prelu: Operator = (at) => {
  const [rank, slope] = [shapeOf(at.x).length, at.input(1)];
  const shape = shapeOf(slope);
  const isList = shape.length === 1 && shape[0] > 1 && rank > 2;
  const wide = isList && !isKnown(slope)
    ? { tensor: t.reshape(slope.tensor, [shape[0], 1, 1]), order: [0, 1, 2] }
    : slope;
  return combine([at.x, wide], (x, s) => x > 0 ? x : x * s, (x, s) => t.leakyRelu(x, s));
};

/** What is piecewise constant lets no gradient through, and is taken of shapes alone. */
const ofShapes = (f: Scalar): Operator => (at) =>
  isKnown(at.x) ? mapped(at.x, f) : at.refuse("rounds images, through which no gradient goes");

const INTEGERS: readonly number[] = [2, 3, 4, 5, 6, 7, 12, 13], BOOLEAN = 9;

const cast: Operator = (at) => {
  const to = at.int("to", 1);
  const isWhole = INTEGERS.includes(to);
  if (isKnown(at.x)) {
    const { values, shape } = at.x;
    const truths = to === BOOLEAN ? values.map((value) => Number(value !== 0)) : values;
    return known(isWhole ? values.map(Math.trunc) : truths, shape, isWhole);
  }
  if (isWhole) return at.refuse("makes integers of images, through which no gradient goes");
  return at.x;
};

export const pointwise: Readonly<Record<string, Operator>> = {
  Relu: unary(t.relu),
  LeakyRelu: activation((x, at) => t.leakyRelu(x, at.float("alpha", 0.01))),
  PRelu: prelu,
  Elu: activation((x, at) => t.elu(x, at.float("alpha", 1))),
  Selu: activation((x, at) =>
    t.selu(x, at.float("alpha", 1.67326319), at.float("gamma", 1.05070102))
  ),
  Celu: activation((x, at) => t.celu(x, at.float("alpha", 1))),
  Gelu: activation((x, at) =>
    at.text("approximate", "none") === "tanh" ? t.geluTanh(x) : t.gelu(x)
  ),
  Sigmoid: unary(t.sigmoid),
  HardSigmoid: activation((x, at) =>
    t.hardsigmoid(x, at.float("alpha", 0.2), at.float("beta", 0.5))
  ),
  HardSwish: unary(t.hardswish),
  Tanh: unary(t.tanh),
  Softplus: unary(t.softplus),
  Softsign: unary((x) => t.div(x, t.add(t.abs(x), 1))),
  Mish: unary(t.mish),
  ThresholdedRelu: activation((x, at) => t.where(t.greater(x, at.float("alpha", 1)), x, 0)),
  Erf: unary(t.erf),
  Clip: clip,
  Add: binary(t.add, (a, b) => a + b),
  Sub: binary(t.sub, (a, b) => a - b),
  Mul: binary(t.mul, (a, b) => a * b),
  Div: (at) => {
    const isWhole = isKnown(at.x) && at.x.isWhole;
    return combine([at.x, at.input(1)], (a, b) => isWhole ? Math.trunc(a / b) : a / b, t.div);
  },
  Pow: pow,
  Sqrt: unary(t.sqrt, Math.sqrt),
  Exp: unary(t.exp, Math.exp),
  Log: unary(t.log, Math.log),
  Neg: unary(t.neg, (x) => -x),
  Abs: unary(t.abs, Math.abs),
  Sign: unary((x) => t.sub(t.greater(x, 0), t.greater(0, x)), Math.sign),
  Reciprocal: unary((x) => t.div(1, x), (x) => 1 / x),
  Min: variadic(t.minimum, Math.min),
  Max: variadic(t.maximum, Math.max),
  Sum: sum,
  Mean: (at) => combine([sum(at), known([at.inputs.length], [], false)], (a, n) => a / n, t.div),
  Where: (at) => combine([0, 1, 2].map((i) => at.input(i)), (c, a, b) => c ? a : b, t.where),
  Greater: binary(t.greater, truth((a, b) => a > b)),
  Less: binary((a, b) => t.greater(b, a), truth((a, b) => a < b)),
  GreaterOrEqual: binary((a, b) => not(t.greater(b, a)), truth((a, b) => a >= b)),
  LessOrEqual: binary((a, b) => not(t.greater(a, b)), truth((a, b) => a <= b)),
  Equal: binary(t.equal, truth((a, b) => a === b)),
  Not: unary(not, (x) => Number(!x)),
  And: binary(t.mul, truth((a, b) => Boolean(a && b))),
  Or: binary(t.maximum, truth((a, b) => Boolean(a || b))),
  Cast: cast,
  CastLike: ({ x }) => x,
  Identity: ({ x }) => x,
  Floor: ofShapes(Math.floor),
  Ceil: ofShapes(Math.ceil),
};
