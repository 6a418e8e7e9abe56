/** The functions that an expression may call (expression.ts), with what each of them takes. */

import * as t from "../tensor/mod.ts";

/** What stands in a place: a tensor, a tensor or number, numbers, names with values. */
export type Kind =
  | "tensor"
  | "operand"
  | "tensors"
  | "number"
  | "numbers"
  /** A number, or one for height and one for width. */
  | "pair"
  /** A whole number for each row: the classes. */
  | "labels"
  | readonly string[];

export interface Callable {
  readonly takes: readonly Kind[];
  /** How many must be given; all of them where absent. */
  readonly least?: number;
  // deno-lint-ignore no-explicit-any
  readonly call: (...values: any[]) => t.Tensor;
}

const of = (takes: readonly Kind[], call: Callable["call"], least?: number): Callable => ({
  takes,
  call,
  least,
});

const CONV = ["stride", "padding", "dilation", "groups"];
const POOL = ["stride", "padding"];
const AXES: readonly Kind[] = ["tensor", "numbers", ["keepDims"]];

/** Of each channel over a batch, as in training. */
function batchNorm(x: t.Tensor, weight: t.Tensor, bias: t.Tensor, eps = 1e-5): t.Tensor {
  return t.normalize(x, t.batchStatistics(x), weight, bias, eps);
}

/** The gradient of the sum of `y`. */
function grad(y: t.Tensor, x: t.Tensor): t.Tensor {
  return t.grad(t.sum(y), [x])[0];
}

const unary = {
  ...pick("neg", "abs", "sign", "exp", "log", "sqrt", "rsqrt", "square"),
  ...pick(
    "sigmoid",
    "silu",
    "relu",
    "relu6",
    "tanh",
    "erf",
    "softplus",
    "gelu",
    "mish",
    "hardswish",
    "softmax",
    "logSoftmax",
    "detach",
    "transpose",
    "globalAvgPool",
  ),
};

function pick(...names: readonly (keyof typeof t)[]): Record<string, Callable> {
  return Object.fromEntries(
    names.map((name) => [name, of(["tensor"], t[name] as Callable["call"])]),
  );
}

export const FUNCTIONS: Readonly<Record<string, Callable>> = {
  ...unary,
  maximum: of(["operand", "operand"], t.maximum),
  greater: of(["operand", "operand"], t.greater),
  where: of(["tensor", "operand", "operand"], t.where),
  sum: of(AXES, t.sum, 1),
  mean: of(AXES, t.mean, 1),
  max: of(AXES, t.max, 1),
  reshape: of(["tensor", "numbers"], t.reshape),
  flatten: of(["tensor", "number"], t.flatten, 1),
  permute: of(["tensor", "numbers"], t.permute),
  broadcastTo: of(["tensor", "numbers"], t.broadcastTo),
  slice: of(["tensor", "number", "number", "number"], t.slice, 3),
  concat: of(["tensors", "number"], t.concat),
  matmul: of(["tensor", "tensor", ["transA", "transB"]], t.matmul, 2),
  conv2d: of(["tensor", "tensor", CONV], t.conv2d, 2),
  conv2dInputGrad: of(["tensor", "tensor", "numbers", CONV], t.conv2dInputGrad, 3),
  conv2dWeightGrad: of(["tensor", "tensor", "numbers", CONV], t.conv2dWeightGrad, 3),
  maxPool2d: of(["tensor", "pair", [...POOL, "ceilMode"]], t.maxPool2d, 2),
  avgPool2d: of(["tensor", "pair", [...POOL, "countIncludePad"]], t.avgPool2d, 2),
  adaptiveAvgPool2d: of(["tensor", "pair"], t.adaptiveAvgPool2d),
  batchNorm: of(["tensor", "tensor", "tensor", "number"], batchNorm, 3),
  crossEntropy: of(["tensor", "labels"], t.crossEntropy),
  grad: of(["tensor", "tensor"], grad),
};
