/** Cases for the three-way check: element-by-element operations, broadcasting and movement. */

import * as t from "../../engine/tensor/mod.ts";
import { type Case, indices, nonzero, operation, random, within } from "../support/check.ts";

// Seven elements don't fill vectors, 4 x 8 do.
const shapes: t.Shape[] = [[7], [4, 8]];

const each = (
  name: string,
  input: (shape: t.Shape) => t.Variable,
  f: (x: t.Tensor) => t.Tensor,
  tolerance?: number,
) =>
  shapes.map((shape) => operation(`${name} ${t.showShape(shape)}`, [input(shape)], f, tolerance));

const pairs = (
  name: string,
  input: (shape: t.Shape) => t.Variable,
  f: (a: t.Tensor, b: t.Tensor) => t.Tensor,
) =>
  shapes.map((shape) =>
    operation(`${name} ${t.showShape(shape)}`, [input(shape), input(shape)], f)
  );

const positive = (shape: t.Shape) => within(0.5, 2, shape);

const unary: Case[] = [
  ...each("neg", random, t.neg),
  ...each("abs", nonzero, t.abs),
  ...each("sign", nonzero, t.sign),
  ...each("exp", random, t.exp),
  ...each("log", positive, t.log),
  ...each("sqrt", positive, t.sqrt),
  ...each("rsqrt", positive, t.rsqrt),
  ...each("square", random, t.square),
  ...each("sigmoid", (shape) => within(-5, 5, shape), t.sigmoid),
  ...each("silu", (shape) => within(-5, 5, shape), t.silu),
  ...each("tanh", (shape) => within(-3, 3, shape), t.tanh),
  ...each("erf", (shape) => within(-3, 3, shape), t.erf),
  ...each("relu", nonzero, t.relu),
  ...each("leakyRelu", nonzero, t.leakyRelu),
  ...each("elu", nonzero, t.elu),
  ...each("selu", nonzero, t.selu),
  ...each("celu", nonzero, (x) => t.celu(x, 1.5)),
  ...each("softplus", (shape) => within(-5, 5, shape), t.softplus),
  ...each("mish", (shape) => within(-3, 3, shape), t.mish),
  ...each("gelu", (shape) => within(-3, 3, shape), t.gelu),
  ...each("gelu by tanh", (shape) => within(-3, 3, shape), t.geluTanh),
  ...each("hardsigmoid", (shape) => within(-5, 5, shape), (x) => t.square(t.hardsigmoid(x))),
  ...each("hardswish", (shape) => within(-5, 5, shape), t.hardswish),
  ...each("clamp", (shape) => within(-2, 2, shape), (x) => t.square(t.clamp(x, -1.1, 0.9))),
  ...each("relu6", (shape) => within(-3, 9, shape), t.relu6),
  ...each("timesZero", random, (x) => t.add(t.timesZero(x), t.square(x))),
  ...each("relu after square", random, (x) => t.relu(t.sub(t.square(x), 0.1234))),
  operation("toFloat", [indices(0, 1, 7, 1000000)], (x) => t.square(t.toFloat(x))),
];

const binary: Case[] = [
  ...pairs("add", random, t.add),
  ...pairs("sub", random, t.sub),
  ...pairs("mul", random, t.mul),
  ...pairs("div", nonzero, t.div),
  ...pairs("maximum", random, t.maximum),
  ...pairs("gate", nonzero, t.gate),
  ...pairs("greater", random, t.greater),
  ...pairs("equal", random, (a, b) => t.add(t.equal(a, b), t.equal(a, a))),
  operation(
    "where",
    [random([4, 8]), random([4, 8]), random([4, 8])],
    (c, a, b) => t.where(t.greater(c, 0), t.square(a), t.square(b)),
  ),
  operation(
    "where with numbers",
    [random([7]), random([7])],
    (c, a) => t.add(t.where(t.greater(c, 0), a, 2), t.where(t.greater(c, 0), -1, a)),
  ),
  operation("numbers on either side", [positive([3, 5])], (x) =>
    t.add(
      t.mul(t.sub(2, x), t.div(3, x)),
      t.mul(t.maximum(1.25, x), t.sub(t.div(x, 1e-3), 4e3)),
    )),
  operation("x with itself", [positive([6])], (x) => t.div(t.mul(x, x), t.add(x, 2))),
];

/** Operands of two shapes, multiplied, so that the second derivative has the mixed terms. */
const broadcasts: [t.Shape, t.Shape][] = [
  [[2, 3, 5, 4], [4]],
  [[2, 3, 5, 3], [3]],
  [[2, 3, 5, 3], [1]],
  [[2, 3, 4, 4], []],
  [[2, 3, 5, 4], [2, 1, 1, 1]],
  [[2, 3, 5, 3], [2, 1, 1, 1]],
  [[2, 3, 5, 4], [3, 1, 4]],
  [[2, 3, 5, 3], [3, 1, 3]],
  [[2, 3, 5, 8], [2, 1, 5, 1]],
  [[2, 3, 5, 8], [1, 3, 1, 8]],
  [[3, 1], [1, 4]],
  [[3, 1, 8], [5, 1]],
  [[4, 1, 4], [1, 4, 1]],
  [[1], [6]],
  [[], []],
  [[1, 1], [2, 4]],
  [[5], [2, 1, 3, 1]],
];

const broadcasting: Case[] = broadcasts.map(([a, b]) =>
  operation(
    `mul ${t.showShape(a)} by ${t.showShape(b)}`,
    [random(a), random(b)],
    (x, y) => t.mul(t.square(x), y),
  )
);

const slope = (f: (x: t.Tensor) => t.Tensor) => (x: t.Tensor) => t.grad(t.sum(f(x)), [x])[0];

const chains: Case[] = [
  operation("sigmoid's slope, so its third derivative", [random([9])], slope(t.sigmoid)),
  operation("the slope of a quotient", [positive([9])], slope((x) => t.div(t.log(x), t.sqrt(x)))),
  operation(
    "add and relu over channels",
    [nonzero([2, 3, 3, 8]), random([8])],
    (x, bias) => t.relu(t.add(x, t.mul(bias, 1e-2))),
  ),
  operation(
    "three operands of three shapes",
    [random([3, 4, 8]), random([4, 1]), random([8])],
    (x, a, b) => t.mul(t.add(x, a), t.sub(t.mul(b, x), a)),
  ),
  operation(
    "broadcastTo a higher rank",
    [random([2, 1, 4])],
    (x) => t.square(t.broadcastTo(x, [3, 2, 5, 4])),
  ),
  operation(
    "broadcastTo, then broadcastTo",
    [random([3, 1])],
    (x) => t.square(t.broadcastTo(t.broadcastTo(x, [3, 2]), [2, 3, 2])),
  ),
  operation(
    "reshape of a broadcast",
    [random([1, 3]), random([2, 12])],
    (x, y) => t.mul(t.reshape(t.square(t.broadcastTo(x, [8, 3])), [2, 12]), y),
  ),
  operation(
    "reshape of a broadcast inside a broadcast",
    [random([3, 1]), random([3, 2, 2])],
    (x, y) => t.mul(t.reshape(t.broadcastTo(x, [3, 4]), [3, 2, 2]), y),
  ),
  operation("detach", [random([4, 4]), random([4])], (x, y) =>
    // Constant to the gradient, so not the derivative of the value; only y's is compared.
    t.add(t.mul(t.detach(t.square(y)), 0), t.square(x))),
];

const movement: Case[] = [
  operation("reshape with -1", [random([2, 3, 4])], (x) => t.square(t.reshape(x, [-1, 6]))),
  operation("flatten", [random([2, 3, 2, 2])], (x) => t.square(t.flatten(x))),
  operation("transpose", [random([3, 5])], (x) => t.square(t.transpose(x))),
  ...[[1, 0], [2, 0, 1], [0, 2, 1], [3, 1, 0, 2], [0, 3, 1, 2], [4, 2, 0, 3, 1], [-1, 0], [
    1,
    -1,
    -3,
  ]].map((axes) =>
    operation(
      `permute by ${t.showShape(axes)}`,
      [random([2, 3, 1, 4, 5].slice(0, axes.length))],
      (x) => t.square(t.permute(x, axes)),
    )
  ),
  operation(
    "window beyond every side",
    [random([3, 4])],
    (x) => t.square(t.window(x, [-2, -1], [6, 7])),
  ),
  operation(
    "window partly outside",
    [random([3, 4])],
    (x) => t.square(t.window(x, [1, -3], [4, 5])),
  ),
  operation(
    "window inside",
    [random([5, 4, 3])],
    (x) => t.square(t.window(x, [1, 2, 0], [2, 1, 2])),
  ),
  operation(
    "window wholly outside",
    [random([3, 2])],
    (x) => t.square(t.window(x, [5, 0], [2, 2])),
  ),
  operation(
    "window in fours, beyond and cropping",
    [random([2, 5, 12])],
    (x) => t.square(t.window(x, [-1, 1, 4], [3, 3, 12])),
  ),
  operation(
    "concat in fours along 1",
    [random([2, 1, 4]), random([2, 3, 4])],
    (...parts) => t.square(t.concat(parts, 1)),
  ),
  operation("slice", [random([2, 7, 3])], (x) => t.square(t.slice(x, 1, 2, 6))),
  operation("slice from the end", [random([2, 7])], (x) => t.square(t.slice(x, -1, -3))),
  operation("pad2d", [random([2, 3, 2, 2])], (x) => t.square(t.pad2d(x, 1, 0, 2, 3))),
  operation("pad2d cropping", [random([1, 5, 5, 2])], (x) => t.square(t.pad2d(x, -1, -2, 1, -1))),
  operation(
    "concat along 0",
    [random([2, 3]), random([1, 3])],
    (a, b) => t.square(t.concat([a, b], 0)),
  ),
  operation(
    "concat along the last",
    [random([2, 3]), random([2, 4]), random([2, 1])],
    (...parts) => t.square(t.concat(parts, -1)),
  ),
  operation(
    "concat of channels",
    [random([2, 2, 2, 4]), random([2, 2, 2, 8])],
    (...parts) => t.square(t.concat(parts, 3)),
  ),
  operation(
    "concat of nine",
    Array.from({ length: 9 }, (_, k) => random([2, 1 + k % 3])),
    (...parts) => t.square(t.concat(parts, 1)),
  ),
  operation(
    "concat of a part twice",
    [random([2, 2])],
    (x) => t.square(t.concat([x, t.square(x), x], 1)),
  ),
];

export const pointwiseCases: Case[] = [...unary, ...binary, ...broadcasting, ...chains];
export const movementCases: Case[] = movement;
