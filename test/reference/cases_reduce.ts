/** Cases for the three-way check: reductions, normalisation, products and losses. */

import * as t from "../../engine/tensor/mod.ts";
import { type Case, distinct, indices, operation, random, within } from "../support/check.ts";

const subsets = (rank: number) =>
  Array.from(
    { length: 2 ** rank },
    (_, bits) => Array.from({ length: rank }, (_, d) => d).filter((d) => bits >> d & 1),
  );

const axisSets: Case[] = subsets(4).flatMap((axes) => [
  operation(
    `sum over ${t.showShape(axes)}`,
    [random([2, 3, 1, 4])],
    (x) => t.square(t.sum(x, axes)),
  ),
  operation(
    `mean over ${t.showShape(axes)}, kept`,
    [random([3, 2, 2, 3])],
    (x) => t.mul(x, t.mean(t.square(x), axes, { keepDims: true })),
  ),
  operation(
    `max over ${t.showShape(axes)}`,
    [distinct([2, 3, 1, 4])],
    (x) => t.square(t.max(x, axes)),
  ),
]);

/** Short and long, split or not, whole in vectors or not. */
const lengths: [t.Shape, number[]][] = [
  [[1, 5000, 3], [1]],
  [[1, 5000, 4], [1]],
  [[7, 1, 4], [1]],
  [[7, 4], [1]],
  [[3, 65], [1]],
  [[2, 4096], [1]],
  [[1, 100003], [1]],
  [[64, 2], [0]],
  [[5000], [0]],
];

const extents: Case[] = lengths.flatMap(([shape, axes]) => [
  operation(
    `sum of squares of ${t.showShape(shape)}`,
    [random(shape)],
    (x) => t.square(t.sum(t.square(x), axes)),
  ),
  operation(`max of ${t.showShape(shape)}`, [distinct(shape)], (x) => t.square(t.max(x, axes))),
]).filter((each) => each.inputs[0].size < 1e5 || each.name.startsWith("sum"));

const reductions: Case[] = [
  ...axisSets,
  ...extents,
  operation("sum of everything", [random([3, 5])], (x) => t.square(t.sum(x))),
  operation("sum over negative axes", [random([3, 5, 2])], (x) => t.square(t.sum(x, [-1, -3]))),
  operation("mean of everything", [random([3, 5])], (x) => t.mul(t.mean(x), t.mean(t.square(x)))),
  operation(
    "sum of a product of broadcasts",
    [random([4]), random([3, 1])],
    (a, b) => t.square(t.sum(t.mul(a, b), [0])),
  ),
  operation(
    "sum of a product with a channel factor",
    [random([2, 3, 8]), random([8])],
    (x, w) => t.square(t.sum(t.mul(t.square(x), w), [0, 1])),
  ),
  operation("sumTo", [random([2, 3, 4])], (x) => t.square(t.sumTo(x, [3, 1]))),
  operation(
    "sum of a constant",
    [random([3])],
    (x) => t.mul(t.sum(t.broadcastTo(t.constant(0.5), [4, 3]), [0]), t.square(x)),
  ),
];

const positive = (shape: t.Shape) => within(0.5, 2, shape);

const channels = (x: t.Tensor, axes: number[]) =>
  t.variance(x, t.mean(x, axes, { keepDims: true }), axes);

const batchNorm = (x: t.Tensor, weight: t.Tensor, bias: t.Tensor) =>
  t.normalize(x, t.batchStatistics(x), weight, bias, 1e-5);

/** Channels of which one has a mean of 50 standard deviations. */
const shifted = (x: t.Tensor) => t.add(x, t.mul(t.constant(1), 30));

const normalization: Case[] = [
  operation("variance over [0]", [random([5, 3])], (x) => t.square(channels(x, [0]))),
  operation(
    "variance over [0, 1, 2]",
    [random([2, 3, 3, 4])],
    (x) => t.square(channels(x, [0, 1, 2])),
  ),
  operation(
    "moments [2, 3, 3, 4]",
    [random([2, 3, 3, 4])],
    (x) => t.square(t.sub(x, t.mul(t.moments(x).mean, t.moments(x).variance))),
  ),
  operation("variance over [1]", [random([3, 7])], (x) => t.square(channels(x, [1]))),
  operation("batch norm [4, 3]", [random([4, 3]), random([3]), random([3])], batchNorm),
  operation("batch norm [2, 4, 4, 8]", [random([2, 4, 4, 8]), random([8]), random([8])], batchNorm),
  operation("batch norm [2, 3, 5, 3]", [random([2, 3, 5, 3]), random([3]), random([3])], batchNorm),
  operation(
    "batch norm, then square",
    [random([3, 3, 3, 4]), random([4]), random([4])],
    (x, weight, bias) => t.square(batchNorm(x, weight, bias)),
  ),
  operation(
    "batch norm twice",
    [random([3, 2, 2, 4]), positive([4]), positive([4])],
    (x, weight, bias) => batchNorm(t.square(batchNorm(x, weight, bias)), bias, weight),
  ),
  // With two samples the normalised values are +-1 but for eps. Here eps counts: were the variance
  // much larger, the gradient would be what is left of numbers that agree in most digits.
  operation(
    "batch norm of a batch of 2",
    [within(0, 0.02, [2, 3]), random([3]), random([3])],
    batchNorm,
  ),
  // The mean takes 30 / 0.58 of a standard deviation: 6 of 24 bits of each distance from it.
  operation(
    "batch norm with a large mean",
    [random([4, 3, 3, 4]), random([4]), random([4])],
    (x, weight, bias) => batchNorm(shifted(x), weight, bias),
    1e-4,
  ),
  operation(
    "batch norm in evaluation",
    [random([2, 3, 3, 4]), random([4]), positive([4]), random([4]), random([4])],
    (x, mean, variance, weight, bias) => t.normalize(x, { mean, variance }, weight, bias, 1e-5),
  ),
  operation(
    "batch norm in evaluation [5, 3]",
    [random([5, 3]), random([3]), positive([3]), random([3]), random([3])],
    (x, mean, variance, weight, bias) => t.normalize(x, { mean, variance }, weight, bias, 1e-5),
  ),
];

const sizes: [m: number, k: number, n: number][] = [
  [1, 1, 1],
  [1, 7, 1],
  [2, 3, 4],
  [5, 6, 7],
  [8, 9, 1],
  [9, 8, 5],
  [3, 64, 2],
  [64, 5, 64],
  [4, 4, 4],
  [8, 16, 12],
  [6, 1, 9],
];

const products: Case[] = sizes.flatMap(([m, k, n]) =>
  [[false, false], [true, false], [false, true], [true, true]].map(([transA, transB]) =>
    operation(
      `matmul ${m} x ${k} x ${n}${transA ? ", A transposed" : ""}${transB ? ", B transposed" : ""}`,
      [random(transA ? [k, m] : [m, k]), random(transB ? [n, k] : [k, n])],
      (a, b) => t.matmul(a, b, { transA, transB }),
    )
  )
).concat(
  operation("matmul 64 x 64 x 64", [random([64, 64]), random([64, 64])], (a, b) => t.matmul(a, b)),
  operation(
    "matmul with a long inner extent",
    [random([2, 1030]), random([1030, 3])],
    (a, b) => t.matmul(a, b),
  ),
  operation(
    "matmul of a matrix with itself",
    [random([5, 5])],
    (a) => t.matmul(a, a, { transB: true }),
  ),
);

const labels = () => indices(0, 2, 1, 4, 2, 3);
const rows = () => random([6, 5]);

const losses: Case[] = [
  operation("logSoftmax", [rows()], t.logSoftmax),
  operation("softmax", [rows()], t.softmax),
  operation("logSoftmax of one class", [random([4, 1])], t.logSoftmax),
  operation("crossEntropyPerSample", [rows(), labels()], t.crossEntropyPerSample),
  operation("crossEntropy", [rows(), labels()], t.crossEntropy),
  operation("crossEntropy of large logits", [within(-1e4, 1e4, [6, 5]), labels()], t.crossEntropy),
  operation("gather", [rows(), labels()], (x, at) => t.square(t.gather(x, at))),
  operation("gatherRows", [rows(), indices(1, 1, 5)], (x, at) => t.square(t.gatherRows(x, at))),
  operation("oneHot", [labels()], (at) => t.oneHot(at, 6)),
  operation("argmax", [distinct([6, 5])], t.argmax),
  operation("argmaxExcept", [distinct([6, 5]), labels()], t.argmaxExcept),
  operation(
    "takeRows",
    [indices(5, 0, 0, 9)],
    (at) => t.square(t.takeRows(random([10, 2, 3]), at)),
  ),
  operation("takeRows of one column", [indices(4, 1)], (at) => t.takeRows(random([5]), at)),
  operation(
    "takeRows (u32)",
    [indices(2, 0, 2)],
    (at) => t.takeRows(indices(7, 8, 4000000000), at),
  ),
];

const key = (...words: number[]) => indices(...words);

const draws: Case[] = [
  operation("uniform", [key(3, 17)], (k) => t.uniform(k, [3, 5], "a")),
  operation("uniform of a part", [key(3, 17, 4)], (k) => t.uniform(k, [3, 5], "a")),
  operation("uniform of large keys", [key(4294967295, 2147483648)], (k) => t.uniform(k, [9], "b")),
  operation(
    "dropout",
    [random([5, 7]), key(1, 2)],
    (x, k) => t.square(t.dropout(x, 0.3, k, "drop")),
  ),
  operation(
    "dropout in vectors",
    [random([8, 8]), key(1, 3)],
    (x, k) => t.square(t.dropout(x, 0.5, k, "drop")),
  ),
  operation(
    "noise",
    [random([4]), key(1, 2)],
    (x, k) => t.square(t.add(x, t.noise([3, 4], 0.25, k, "noise"))),
  ),
];

export const reductionCases: Case[] = [...reductions, ...normalization];
export const productCases: Case[] = products;
export const lossCases: Case[] = [...losses, ...draws];
