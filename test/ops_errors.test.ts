/** Shapes that an operation can't take are refused when the graph is built, with its name. */

import { ok, throws } from "node:assert/strict";
import { UserError } from "../engine/errors.ts";
import * as t from "../engine/tensor/mod.ts";
import { indices, random } from "./support/check.ts";

const [vector, matrix, image] = [random([3]), random([2, 3]), random([1, 5, 5, 4])];
const filter = random([3, 3, 4, 8]);
const labels = indices(0, 1);

/** For each mistake what its message must hold: the operation, the shapes. */
const mistakes: [build: () => t.Tensor, ...parts: string[]][] = [
  [() => t.add(matrix, random([2, 4])), "add", "[2, 3]", "[2, 4]"],
  [() => t.mul(labels, matrix), "mul", "u32", "f32"],
  [() => t.where(matrix, random([4]), 0), "where", "[2, 3]", "[4]"],
  [() => t.reshape(matrix, [4]), "reshape", "[2, 3]", "[4]"],
  [() => t.reshape(matrix, [4, -1]), "reshape", "[2, 3]", "[4, -1]"],
  [() => t.broadcastTo(matrix, [3, 3]), "broadcastTo", "[2, 3]", "[3, 3]"],
  [() => t.broadcastTo(matrix, [3]), "broadcastTo", "[2, 3]", "[3]"],
  [() => t.permute(matrix, [0]), "permute", "[2, 3]"],
  [() => t.permute(matrix, [0, 0]), "permute", "0, 0"],
  [() => t.permute(matrix, [0, 2]), "permute", "0, 2"],
  [() => t.permute(matrix, [1, -1]), "permute", "1, -1"],
  [() => t.window(matrix, [0], [2, 3]), "window", "[2, 3]"],
  [() => t.window(matrix, [0, 0], [2, 0]), "window", "[2, 0]"],
  [() => t.slice(matrix, 1, 2, 5), "slice", "2 to 5", "[2, 3]"],
  [() => t.slice(matrix, 1, 2, 2), "slice", "2 to 2", "[2, 3]"],
  [() => t.slice(matrix, 2, 0), "slice", "axes 2"],
  [() => t.concat([], 0), "concat", "nothing"],
  [() => t.concat([matrix, random([3, 4])], 0), "concat", "[2, 3]", "[3, 4]"],
  [() => t.concat([vector, matrix], 0), "concat", "[3]", "[2, 3]"],
  [() => t.sum(matrix, [2]), "sum", "axes 2"],
  [() => t.max(matrix, [0, -2]), "max", "axes 0, -2"],
  [() => t.exp(labels), "exp", "needs f32, not u32"],
  [() => t.relu(labels), "relu", "needs f32, not u32"],
  [() => t.where(labels, labels, 1), "where", "needs f32, not u32"],
  [() => t.conv2d(image, t.broadcastTo(t.constant(1, "u32"), [3, 3, 4, 8])), "conv2d", "input 1"],
  [() => t.matmul(matrix, t.reshape(indices(1, 2, 3), [3, 1])), "matmul", "must be f32, not u32"],
  [() => t.argmax(t.reshape(labels, [1, 2])), "argmax", "must be f32, not u32"],
  [() => t.mean(labels), "mean", "needs f32, not u32"],
  [() => t.mul(labels, 0.5), "constant", "0.5 is no u32"],
  [() => t.variance(matrix, vector, [0]), "variance", "[2, 3]", "[3]"],
  [() => t.matmul(matrix, matrix), "matmul", "[2, 3]"],
  [() => t.matmul(vector, matrix), "matmul", "[3]", "[2, 3]"],
  [() => t.conv2d(matrix, filter), "conv2d", "[2, 3]", "[3, 3, 4, 8]"],
  [() => t.conv2d(image, random([3, 3, 3, 8])), "conv2d", "1 group", "[3, 3, 3, 8]"],
  [() => t.conv2d(image, filter, { groups: 3 }), "conv2d", "3 group"],
  [() => t.conv2d(image, random([7, 7, 4, 2])), "conv2d", "larger", "[7, 7, 4, 2]"],
  [() => t.conv2d(image, filter, { stride: 0 }), "conv2d", "stride 0 x 0"],
  [() => t.conv2d(image, filter, { stride: [1, 1.5] }), "conv2d", "stride 1 x 1.5"],
  [() => t.conv2d(image, filter, { padding: -1 }), "conv2d", "padding -1 x -1"],
  [() => t.conv2d(image, filter, { padding: 0.5 }), "conv2d", "padding 0.5 x 0.5"],
  [() => t.conv2d(image, filter, { dilation: 0 }), "conv2d", "dilation 0 x 0"],
  [() => t.conv2d(image, filter, { groups: 0.5 }), "conv2d", "groups 0.5"],
  [() => t.conv2dInputGrad(image, filter, image.shape), "conv2dInputGrad", "[1, 3, 3, 8]"],
  [() => t.conv2dWeightGrad(image, image, filter.shape), "conv2dWeightGrad", "[1, 3, 3, 8]"],
  [() => t.maxPool2d(matrix, 2), "maxPool2d", "[2, 3]"],
  [() => t.maxPool2d(image, 6), "maxPool2d", "6 x 6", "[1, 5, 5, 4]"],
  [() => t.maxPool2d(image, 2, { padding: 2 }), "maxPool2d", "2 x 2"],
  [() => t.maxPool2d(image, 1.5), "maxPool2d", "window 1.5 x 1.5"],
  [() => t.maxPool2d(image, 2, { stride: NaN }), "maxPool2d", "stride NaN x NaN"],
  [() => t.maxPool2d(image, 2, { padding: -1 }), "maxPool2d", "padding -1 x -1"],
  [() => t.avgPool2d(matrix, 2), "avgPool2d", "[2, 3]"],
  [() => t.avgPool2d(image, 0), "avgPool2d", "window 0 x 0"],
  [() => t.adaptiveAvgPool2d(matrix, 1), "adaptiveAvgPool2d", "[2, 3]"],
  [() => t.adaptiveAvgPool2d(image, [2, 0]), "adaptiveAvgPool2d", "output 2 x 0"],
  [() => t.pad2d(matrix, 1, 1, 1, 1), "pad2d", "[2, 3]"],
  [() => t.dropout(image, 1, vector, "s"), "dropout", "p is 1"],
  [() => t.oneHot(vector, 3), "oneHot", "u32", "[3]"],
  [() => t.gather(matrix, indices(0)), "gather", "[2, 3]", "[1]"],
  [() => t.argmax(vector), "argmax", "[3]"],
  [() => t.takeRows(matrix, vector), "takeRows", "u32", "[3]"],
  [() => t.uniform(vector, [2], "s"), "uniform", "u32", "[3]"],
  [() => new t.Variable("weight", [2], new Float32Array(3)), "weight", "3 values", "[2]"],
  [() => t.grad(t.sum(labels), [labels])[0], "grad", "integers"],
  [() => t.grad(t.neg(matrix), [matrix], vector)[0], "grad", "[3]", "[2, 3]"],
];

for (const [build, name, ...parts] of mistakes) {
  Deno.test(`${name} refuses ${parts.join(", ")}`, () => {
    throws(build, (error: Error) => {
      ok(error instanceof UserError, `${error.stack}`);
      ok(
        error.message.startsWith(name) || error.message.startsWith(`variable ${name}`),
        error.message,
      );
      for (const part of parts) ok(error.message.includes(part), error.message);
      return true;
    });
  });
}

// deno-lint-ignore no-explicit-any
const untyped = t as any;
const unary =
  "neg abs sign exp log sqrt rsqrt square sigmoid relu relu6 silu timesZero toFloat sum mean max " +
  "detach transpose argmax logSoftmax softmax globalAvgPool";
const others: Record<string, (x: unknown) => unknown> = {
  ...Object.fromEntries(unary.split(" ").map((name) => [name, untyped[name]])),
  ...Object.fromEntries(
    "add sub mul div maximum gate greater equal".split(" ").flatMap((name) => [
      [name, (x: unknown) => untyped[name](matrix, x)],
      [`${name} of two`, (x: unknown) => untyped[name](x, 1)],
    ]),
  ),
  where: (x) => untyped.where(matrix, x, 1),
  reshape: (x) => untyped.reshape(x, [2]),
  flatten: (x) => untyped.flatten(x),
  broadcastTo: (x) => untyped.broadcastTo(x, [2]),
  permute: (x) => untyped.permute(x, [0]),
  window: (x) => untyped.window(x, [0], [1]),
  slice: (x) => untyped.slice(x, 0, 1),
  pad2d: (x) => untyped.pad2d(x, 1, 1, 1, 1),
  concat: (x) => untyped.concat([matrix, x], 0),
  conv2d: (x) => untyped.conv2d(image, x),
  conv2dInputGrad: (x) => untyped.conv2dInputGrad(x, filter, image.shape),
  conv2dWeightGrad: (x) => untyped.conv2dWeightGrad(image, x, filter.shape),
  matmul: (x) => untyped.matmul(matrix, x),
  variance: (x) => untyped.variance(matrix, x),
  maxPool2d: (x) => untyped.maxPool2d(x, 2),
  avgPool2d: (x) => untyped.avgPool2d(x, 2),
  adaptiveAvgPool2d: (x) => untyped.adaptiveAvgPool2d(x, 2),
  oneHot: (x) => untyped.oneHot(x, 2),
  gather: (x) => untyped.gather(matrix, x),
  gatherRows: (x) => untyped.gatherRows(matrix, x),
  argmaxExcept: (x) => untyped.argmaxExcept(matrix, x),
  takeRows: (x) => untyped.takeRows(matrix, x),
  crossEntropy: (x) => untyped.crossEntropy(matrix, x),
  uniform: (x) => untyped.uniform(x, [2], "s"),
  dropout: (x) => untyped.dropout(x, 0.5, labels, "s"),
  grad: (x) => untyped.grad(x, [matrix]),
};

Deno.test("what is no tensor is refused by the operation's name, for callers without types", () => {
  for (const [name, f] of Object.entries(others)) {
    for (const value of [undefined, null, "1", [1, 2], {}]) {
      throws(() => f(value), (error: Error) => {
        ok(error instanceof UserError, `${name}: ${error.stack}`);
        ok(/^\w+: operand \d must be a tensor, and is /.test(error.message), error.message);
        return true;
      });
    }
  }
});
