/**
 * Element-by-element operations: for each the WGSL expression and, beside it, the gradient rule,
 * written in operations of this table so that it can be differentiated again. Chains of them
 * become one kernel (engine/plan/fuse.ts).
 *
 * Operands broadcast; the repetition is a node of its own, so every rule here sees one shape.
 * Truth values are float 0 and 1.
 *
 * A NaN comes out of all of them but comparisons, as in PyTorch, so that a network that holds one
 * shows it. WGSL's max and clamp may return the other operand, and `x != x` may be taken for false;
 * so what could lose a NaN is written in comparisons that are false for it. x - x and the like may be
 * taken for 0 too; they are `timesZero` in a plan (engine/plan/simplify.ts).
 */

import { broadcastTo } from "./broadcast.ts";
import { define } from "./operation.ts";
import { broadcastShapes, sameShape, type Shape, shapeError } from "./shape.ts";
import {
  constant,
  constantValue,
  type DType,
  type GradientRule,
  type Pointwise,
  requireTensors,
  Tensor,
} from "./tensor.ts";

/** A tensor, or a number that stands for one everywhere. */
export type Operand = Tensor | number;

interface Entry {
  readonly wgsl: (...operands: string[]) => string;
  readonly gradient?: GradientRule;
  /** Whether it computes on unsigned integers too. */
  readonly u32?: boolean;
}

/** Within 1.5e-7. Source: Abramowitz and Stegun, 7.1.26. */
function erfExpression(x: string): string {
  const t = `(F(1.0) / (F(1.0) + F(0.3275911) * abs(${x})))`;
  const coefficients = [-1.453152027, 1.421413741, -0.284496736, 0.254829592];
  const polynomial = coefficients.reduce((sum, c) => `(${sum} * ${t} + F(${c}))`, "F(1.061405429)");
  const size = `(F(1.0) - ${polynomial} * ${t} * exp(-${x} * ${x}))`;
  return `select(${size}, -${size}, ${x} < F(0.0))`;
}

const entries = {
  neg: { wgsl: (x) => `-${x}`, gradient: (_, g) => [neg(g)] },
  abs: { wgsl: (x) => `abs(${x})`, gradient: ({ inputs: [x] }, g) => [mul(g, sign(x))] },
  sign: { wgsl: (x) => `sign(${x})` },
  exp: { wgsl: (x) => `exp(${x})`, gradient: (y, g) => [mul(g, y)] },
  log: { wgsl: (x) => `log(${x})`, gradient: ({ inputs: [x] }, g) => [div(g, x)] },
  sqrt: { wgsl: (x) => `sqrt(${x})`, gradient: (y, g) => [div(mul(g, 0.5), y)] },
  rsqrt: {
    wgsl: (x) => `inverseSqrt(${x})`,
    gradient: (y, g) => [mul(mul(g, -0.5), mul(y, square(y)))],
  },
  square: {
    wgsl: (x) => `${x} * ${x}`,
    gradient: ({ inputs: [x] }, g) => [mul(g, mul(x, 2))],
  },
  sigmoid: {
    wgsl: (x) => `F(1.0) / (F(1.0) + exp(-${x}))`,
    gradient: (y, g) => [mul(g, mul(y, sub(1, y)))],
  },
  tanh: {
    // Of an exponential that overflows, 1 or -1 is left.
    wgsl: (x) => `F(1.0) - F(2.0) / (exp(F(2.0) * ${x}) + F(1.0))`,
    gradient: (y, g) => [mul(g, sub(1, square(y)))],
  },
  erf: {
    wgsl: erfExpression,
    gradient: ({ inputs: [x] }, g) => [mul(g, mul(exp(neg(square(x))), 2 / Math.sqrt(Math.PI)))],
  },
  relu: {
    wgsl: (x) => `select(${x}, F(0.0), ${x} <= F(0.0))`,
    gradient: (y, g) => [gate(g, y)],
  },
  relu6: {
    wgsl: (x) => `select(select(${x}, F(0.0), ${x} <= F(0.0)), F(6.0), ${x} >= F(6.0))`,
    gradient: (y, g) => [gate(gate(g, y), sub(6, y))],
  },
  add: { wgsl: (a, b) => `${a} + ${b}`, gradient: (_, g) => [g, g], u32: true },
  sub: { wgsl: (a, b) => `${a} - ${b}`, gradient: (_, g) => [g, neg(g)], u32: true },
  mul: {
    wgsl: (a, b) => `${a} * ${b}`,
    gradient: ({ inputs: [a, b] }, g) => [mul(g, b), mul(g, a)],
    u32: true,
  },
  div: {
    wgsl: (a, b) => `${a} / ${b}`,
    gradient: (y, g) => {
      const share = div(g, y.inputs[1]);
      return [share, neg(mul(share, y))];
    },
    u32: true,
  },
  // At a tie each operand takes half of the gradient, beside a NaN all of it, as in PyTorch.
  maximum: {
    wgsl: (a, b) => `select(max(${a}, ${b}), ${a} + ${b}, !((${a} <= ${b}) | (${b} <= ${a})))`,
    gradient: ({ inputs: [a, b] }, g) => {
      const shared = where(equal(a, b), mul(g, 0.5), g);
      return [where(greater(b, a), 0, shared), where(greater(a, b), 0, shared)];
    },
    u32: true,
  },
  // x 0, in bits: a shader compiler may take the product for 0, whatever x is.
  timesZero: {
    wgsl: (x) =>
      `select(F(0.0), bitcast<F>(bitcast<U>(${x}) | U(0x7fc00000u)), ` +
      `(bitcast<U>(${x}) & U(0x7f800000u)) == U(0x7f800000u))`,
    gradient: (_, g) => [timesZero(g)],
  },
  // 0 where x <= 0, else g: ReLU's gradient, linear in g and constant in x.
  gate: {
    wgsl: (g, x) => `select(${g}, F(0.0), ${x} <= F(0.0))`,
    gradient: ({ inputs: [, x] }, g) => [gate(g, x), undefined],
  },
  where: {
    wgsl: (condition, a, b) => `select(${a}, ${b}, ${condition} == F(0.0))`,
    gradient: ({ inputs: [condition] }, g) => [
      undefined,
      where(condition, g, 0),
      where(condition, 0, g),
    ],
  },
  greater: { wgsl: (a, b) => `select(F(0.0), F(1.0), ${a} > ${b})`, u32: true },
  equal: { wgsl: (a, b) => `select(F(0.0), F(1.0), ${a} == ${b})`, u32: true },
  toFloat: { wgsl: (x) => `F(${x})`, u32: true },
} satisfies Record<string, Entry>;

type Name = keyof typeof entries;

const table = Object.fromEntries(
  Object.entries<Entry>(entries).map(([name, { wgsl, gradient }]) => [
    name,
    define({ name, kind: "pointwise", wgsl, gradient }),
  ]),
) as Readonly<Record<Name, Pointwise>>;

/** A node of an operation of the table. */
function node(name: Name, operands: readonly Tensor[], shape: Shape, dtype: DType): Tensor {
  const { u32 = false }: Entry = entries[name];
  if (!u32 && operands.some((operand) => operand.dtype === "u32")) {
    throw shapeError(name, "needs f32, not u32", ...operands.map((operand) => operand.shape));
  }
  return new Tensor(table[name], operands, shape, dtype);
}

function unary(name: Name, x: Tensor): Tensor {
  requireTensors(name, x);
  return node(name, [x], x.shape, "f32");
}

function nary(name: Name, operands: readonly Operand[]): Tensor {
  requireTensors(name, ...operands.filter((operand) => typeof operand !== "number"));
  const dtype = operands.find((o) => o instanceof Tensor)?.dtype ?? "f32";
  const tensors = operands.map((o) => (o instanceof Tensor ? o : constant(o, dtype)));
  if (tensors.some((t) => t.dtype !== dtype)) {
    throw shapeError(name, `mixes ${tensors.map((t) => t.dtype).join(" and ")}`);
  }
  const shape = tensors.map((t) => t.shape).reduce((a, b) => broadcastShapes(name, a, b));
  const result = name === "equal" || name === "greater" ? "f32" : dtype;
  return node(name, tensors.map((t) => broadcastTo(t, shape)), shape, result);
}

/** Whether an operand is the constant `value`, so that an identity needs no kernel. */
function is(value: number, operand: Operand): boolean {
  return (operand instanceof Tensor ? constantValue(operand) : operand) === value;
}

/** `kept`, where the identity's other operand doesn't widen its shape. */
function identity(kept: Operand, other: Operand): Tensor | undefined {
  if (!(kept instanceof Tensor)) return undefined;
  const shape = other instanceof Tensor ? other.shape : [];
  return sameShape(broadcastShapes("identity", kept.shape, shape), kept.shape) ? kept : undefined;
}

/** -x */
export const neg = (x: Tensor): Tensor => unary("neg", x);
/** |x|, with gradient 0 at 0. */
export const abs = (x: Tensor): Tensor => unary("abs", x);
/** -1, 0 or 1; constant to every gradient. */
export const sign = (x: Tensor): Tensor => unary("sign", x);
/** e^x */
export const exp = (x: Tensor): Tensor => unary("exp", x);
/** Natural logarithm. */
export const log = (x: Tensor): Tensor => unary("log", x);
/** Square root. */
export const sqrt = (x: Tensor): Tensor => unary("sqrt", x);
/** 1 / sqrt(x) */
export const rsqrt = (x: Tensor): Tensor => unary("rsqrt", x);
/** x^2 */
export const square = (x: Tensor): Tensor => unary("square", x);
/** 1 / (1 + exp(-x)) */
export const sigmoid = (x: Tensor): Tensor => unary("sigmoid", x);
/** The hyperbolic tangent. */
export const tanh = (x: Tensor): Tensor => unary("tanh", x);
/** The error function. */
export const erf = (x: Tensor): Tensor => unary("erf", x);
/** max(x, 0), with gradient 0 at 0. */
export const relu = (x: Tensor): Tensor => unary("relu", x);
/** min(max(x, 0), 6), with gradient 0 at both ends. */
export const relu6 = (x: Tensor): Tensor => unary("relu6", x);
/** x sigmoid(x), also called swish. */
export const silu = (x: Tensor): Tensor => mul(x, sigmoid(x));
/** 0, or NaN where x is infinite or NaN. */
export const timesZero = (x: Tensor): Tensor => unary("timesZero", x);
/** Unsigned integers as floats. */
export const toFloat = (x: Tensor): Tensor => unary("toFloat", x);

/** a + b */
export function add(a: Operand, b: Operand): Tensor {
  return (is(0, b) && identity(a, b)) || (is(0, a) && identity(b, a)) || nary("add", [a, b]);
}
/** a - b */
export function sub(a: Operand, b: Operand): Tensor {
  return (is(0, b) && identity(a, b)) || nary("sub", [a, b]);
}
/** a b */
export function mul(a: Operand, b: Operand): Tensor {
  return (is(1, b) && identity(a, b)) || (is(1, a) && identity(b, a)) || nary("mul", [a, b]);
}
/** a / b */
export function div(a: Operand, b: Operand): Tensor {
  return (is(1, b) && identity(a, b)) || nary("div", [a, b]);
}
/** The larger of two values. */
export const maximum = (a: Operand, b: Operand): Tensor => nary("maximum", [a, b]);
/** 0 where x <= 0, else g; constant in x. */
export const gate = (g: Operand, x: Operand): Tensor => nary("gate", [g, x]);
/** a where the condition is not 0, else b. */
export const where = (condition: Tensor, a: Operand, b: Operand): Tensor =>
  nary("where", [condition, a, b]);
/** 1 where a > b, else 0; constant to every gradient. */
export const greater = (a: Operand, b: Operand): Tensor => nary("greater", [a, b]);
/** 1 where a = b, else 0; constant to every gradient. */
export const equal = (a: Operand, b: Operand): Tensor => nary("equal", [a, b]);

/** x to the power of a number; where that is no whole one x must not be negative. */
export function pow(x: Tensor, exponent: number): Tensor {
  if (exponent === 0.5) return sqrt(x);
  if (exponent === -0.5) return rsqrt(x);
  if (exponent === 1) return x;
  if (exponent < 0) return div(1, pow(x, -exponent));
  if (!Number.isInteger(exponent)) return exp(mul(log(x), exponent));
  if (exponent === 0) return add(mul(x, 0), 1);
  return exponent % 2 === 0 ? square(pow(x, exponent / 2)) : mul(x, pow(x, exponent - 1));
}
