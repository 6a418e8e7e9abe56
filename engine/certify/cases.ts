/**
 * What is held to float64 on an adapter: a fixed table of expressions (engine/lab/expression.ts),
 * each at one place, small enough for float64 on a processor. Every kind of kernel is among them;
 * convolutions come in the shapes that another family of kernels takes, each of whose gradients are
 * the other two faces.
 */

import { parseExpression } from "../lab/expression.ts";
import type { Subject } from "../lab/gradcheck.ts";
import { draws, streamId, uniform } from "../random.ts";
import { numel, type Shape } from "../tensor/shape.ts";
import { Variable } from "../tensor/tensor.ts";

export interface Case {
  readonly expression: string;
  readonly shapes: Readonly<Record<string, Shape>>;
  /** Where the inputs are drawn from (default -1 to 1). */
  readonly range?: readonly [number, number];
}

const POSITIVE = [0.5, 2] as const;

/** Everything but convolutions. */
export const OPERATIONS: readonly Case[] = [
  { expression: "exp(x) * sigmoid(y) - silu(x) / 3", shapes: { x: [3, 37], y: [37] } },
  { expression: "log(x) / sqrt(y) + rsqrt(x)", shapes: { x: [4, 8], y: [4, 1] }, range: POSITIVE },
  { expression: "where(greater(x, y), relu(x), relu6(y * 8))", shapes: { x: [64], y: [64] } },
  { expression: "maximum(abs(x), y) * sum(x * y, [0])", shapes: { x: [5, 12], y: [5, 12] } },
  { expression: "sum(square(x), [1, 2])", shapes: { x: [3, 33, 65, 4] } },
  { expression: "mean(x * y) + max(x * 2)", shapes: { x: [7, 129], y: [7, 129] } },
  { expression: "square(sum(x, [0]))", shapes: { x: [4099, 6] } },
  { expression: "softmax(x)", shapes: { x: [9, 10] } },
  { expression: "crossEntropy(x, [0, 2, 1, 4])", shapes: { x: [4, 5] } },
  { expression: "batchNorm(x, w, b)", shapes: { x: [4, 6, 6, 12], w: [12], b: [12] } },
  { expression: "square(maxPool2d(x, 3, {stride: 2, padding: 1}))", shapes: { x: [2, 9, 8, 8] } },
  { expression: "square(avgPool2d(x, 3, {stride: 2}))", shapes: { x: [2, 9, 9, 4] } },
  { expression: "square(globalAvgPool(x))", shapes: { x: [3, 7, 7, 16] } },
  {
    expression: "square(concat([slice(x, 3, 1, 4), y], 3))",
    shapes: { x: [2, 3, 3, 5], y: [2, 3, 3, 4] },
  },
  { expression: "permute(square(x), [3, 1, 0, 2])", shapes: { x: [2, 3, 4, 5] } },
  { expression: "matmul(x, y)", shapes: { x: [33, 48], y: [48, 20] } },
  { expression: "matmul(x, y, {transA: true})", shapes: { x: [65, 10], y: [65, 7] } },
];

const conv = (options: string, x: Shape, w: Shape): Case => ({
  expression: `conv2d(x, w${options && `, {${options}}`})`,
  shapes: { x, w },
});

/** Convolutions, and a network of some. */
export const CONVOLUTIONS: readonly Case[] = [
  conv("padding: 1", [2, 12, 12, 16], [3, 3, 16, 32]),
  conv("padding: 1", [1, 9, 7, 5], [3, 3, 5, 6]),
  conv("padding: 1", [2, 16, 16, 3], [3, 3, 3, 16]),
  conv("stride: 2, padding: 1", [2, 11, 12, 16], [3, 3, 16, 24]),
  conv("", [4, 8, 8, 32], [1, 1, 32, 48]),
  conv("stride: 2", [2, 9, 9, 16], [1, 1, 16, 32]),
  conv("stride: 2, padding: 3", [1, 17, 17, 3], [7, 7, 3, 8]),
  conv("dilation: 2, padding: 2", [1, 9, 9, 8], [3, 3, 8, 8]),
  conv("groups: 4, padding: 1", [2, 8, 8, 32], [3, 3, 8, 32]),
  conv("groups: 16, padding: 1", [2, 9, 9, 16], [3, 3, 1, 16]),
  conv("groups: 12, stride: 2, padding: 1", [2, 8, 8, 12], [3, 3, 1, 12]),
  {
    expression: "conv2d(relu(batchNorm(conv2d(x, v, {padding: 1}), a, b)), w, {padding: 1})",
    shapes: { x: [3, 8, 8, 8], v: [3, 3, 8, 16], a: [16], b: [16], w: [3, 3, 16, 8] },
  },
];

/** Those that can go Winograd's way: 3 x 3, stride 1, channels in whole vec4s. */
export const WINOGRAD: readonly Case[] = [
  CONVOLUTIONS[0],
  conv("padding: [0, 2]", [1, 7, 10, 12], [3, 3, 12, 4]),
  CONVOLUTIONS.at(-1)!,
];

/** The function of a case at its place. */
export function subjectOf({ expression, shapes, range: [from, to] = [-1, 1] }: Case): Subject {
  const parsed = parseExpression(expression);
  const inputs = parsed.names.map((name) => {
    const draw = draws(0, streamId(`input ${name} of ${expression}`));
    const values = Float32Array.from(
      { length: numel(shapes[name]) },
      (_, i) => from + (to - from) * uniform(draw(i)),
    );
    return { name, variable: new Variable(name, shapes[name], values) };
  });
  const variables = new Map(inputs.map(({ name, variable }) => [name, variable]));
  return { value: parsed.build(variables), inputs };
}
