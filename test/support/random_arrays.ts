/**
 * Random graphs of arrays: pointwise operations, broadcasts, reductions, movement. Into each go the
 * examples of some operations, in turn, so that no operation goes without, a new one included.
 */

import { sourceOf } from "../../engine/plan/item.ts";
import * as t from "../../engine/tensor/mod.ts";
import { examples } from "../reference/cases.ts";
import { Chooser } from "./chooser.ts";

/** A graph with what is asked of it. */
export interface Graph {
  readonly outputs: readonly t.Tensor[];
  readonly assign: readonly t.AssignmentPair[];
}

const NODES = 14;
/** Examples in a graph. */
const EXAMPLES = 3;
const EXTENTS = [1, 2, 3, 4, 5, 8];

type Step = (choose: Chooser, pick: () => t.Tensor) => t.Tensor;

const unary: ((x: t.Tensor) => t.Tensor)[] = [
  t.neg,
  t.square,
  t.sigmoid,
  t.relu,
  t.abs,
  t.silu,
  t.detach,
  (x) => t.exp(t.neg(t.square(x))),
  (x) => t.rsqrt(t.add(t.square(x), 0.5)),
  (x) => t.sqrt(t.add(t.square(x), 0.5)),
  (x) => t.mul(x, 0.5),
  (x) => t.add(x, -0.25),
];
const binary = [
  t.add,
  t.sub,
  t.mul,
  t.mul,
  t.maximum,
  (a: t.Tensor, b: t.Tensor) => t.div(a, t.add(t.square(b), 1)),
];

/** Drops axes or gives them extent 1, so that the result broadcasts against x. */
function shrunk(choose: Chooser, x: t.Tensor): t.Tensor {
  const axes = x.shape.map((_, d) => d).filter(() => choose.chance(50));
  const leading = axes.every((axis, i) => axis === i);
  return t.sum(x, axes, { keepDims: !leading || choose.chance(50) });
}

/** The same elements with neighbouring axes joined or an axis split. */
function reshaped(choose: Chooser, x: t.Tensor): t.Tensor {
  if (x.rank > 1 && choose.chance(60)) {
    const d = choose.below(x.rank - 1);
    return t.reshape(x, [
      ...x.shape.slice(0, d),
      x.shape[d] * x.shape[d + 1],
      ...x.shape.slice(d + 2),
    ]);
  }
  const d = choose.below(Math.max(x.rank, 1));
  const extent = x.shape[d] ?? 1;
  const factor = choose.of([1, 2, 3, 4, 5].filter((f) => extent % f === 0));
  return t.reshape(x, [...x.shape.slice(0, d), factor, extent / factor, ...x.shape.slice(d + 1)]);
}

const steps: Step[] = [
  (choose, pick) => choose.of(unary)(pick()),
  (choose, pick) => choose.of(unary)(pick()),
  (choose, pick) => {
    const a = pick();
    // What broadcasts against a: something smaller made from it, or any node of a fitting shape.
    for (let tries = 0; tries < 4; tries++) {
      const b = pick();
      try {
        const result = choose.of(binary)(a, b);
        if (result.size <= 4000) return result;
      } catch { /* doesn't broadcast */ }
    }
    return choose.of(binary)(a, shrunk(choose, a));
  },
  (choose, pick) => {
    const a = pick();
    return choose.of(binary)(shrunk(choose, a), a);
  },
  (choose, pick) => {
    const x = pick();
    const axes = x.shape.map((_, d) => d).filter(() => choose.chance(40));
    const reduce = choose.of([t.sum, t.mean, t.max]);
    return reduce(x, axes, { keepDims: choose.chance(50) });
  },
  (choose, pick) => {
    const [a, b] = [pick(), pick()];
    const product = t.sameShape(a.shape, b.shape) ? t.mul(a, b) : t.mul(a, shrunk(choose, a));
    return t.sum(product, product.shape.map((_, d) => d).filter(() => choose.chance(60)));
  },
  (choose, pick) => {
    const x = pick();
    return x.size > 1000 ? t.neg(x) : t.broadcastTo(x, [choose.of([2, 3, 4]), ...x.shape]);
  },
  (choose, pick) => reshaped(choose, pick()),
  (choose, pick) => reshaped(choose, pick()),
  (choose, pick) => {
    const x = pick();
    const axes = x.shape.map((_, d) => d);
    for (let i = axes.length - 1; i > 0; i--) {
      const j = choose.below(i + 1);
      [axes[i], axes[j]] = [axes[j], axes[i]];
    }
    return t.permute(x, axes);
  },
  (choose, pick) => {
    const x = pick();
    const starts = x.shape.map(() => choose.below(4) - 2);
    return t.window(x, starts, x.shape.map(() => choose.of(EXTENTS.slice(0, 5))));
  },
  (choose, pick) => {
    const x = pick();
    return x.rank === 0 || x.size > 1000 ? x : t.concat([x, t.neg(x)], choose.below(x.rank));
  },
  (_, pick) => {
    const x = pick();
    if (x.rank === 0) return x;
    return t.variance(x, t.mean(x, [0], { keepDims: true }), [0]);
  },
  (choose, pick) => {
    const x = pick();
    if (x.rank === 0) return x;
    const { mean, variance } = t.moments(x);
    return choose.chance(50) ? t.sub(x, mean) : variance;
  },
];

/**
 * The value of an example, where its operation is defined, as a node among others: what comes before
 * it is a chain that changes nothing, what comes after it is up to the graph.
 */
function exampleOf(number: number): t.Tensor {
  const { f, inputs } = examples[number % examples.length];
  const value = f(...inputs.map((x) => x.dtype === "f32" ? t.neg(t.neg(x)) : x));
  return value.dtype === "f32" ? value : t.toFloat(value);
}

/** A graph with what is asked of it: some of its nodes, gradients, new values of its variables. */
export function arrayGraph(seed: number): Graph {
  const choose = new Chooser(seed);
  const variables = [1 + choose.below(4), 1 + choose.below(4), 1].map((rank, k) => {
    const shape = Array.from({ length: rank }, () => choose.of(EXTENTS));
    return new t.Variable(`v${k}`, shape, choose.numbers(t.numel(shape)));
  });
  const nodes: t.Tensor[] = [...variables];
  // Recent nodes more often, so that graphs grow deep.
  const pick = () => nodes[Math.max(choose.below(nodes.length), choose.below(nodes.length))];
  const given = Array.from({ length: EXAMPLES }, (_, k) => exampleOf(EXAMPLES * seed + k));
  nodes.push(...given);
  while (nodes.length < NODES + EXAMPLES) nodes.push(choose.of(steps)(choose, pick));
  const made = nodes.filter((node) => !(sourceOf(node) instanceof t.Variable));
  const assign = variables.filter(() => choose.chance(40)).map((variable) => {
    const fitting = made.filter((node) => t.sameShape(node.shape, variable.shape));
    const other = t.add(t.mul(variable, 0.5), t.mean(pick()));
    return [variable, choose.of([other, ...fitting])] as const;
  });
  const outputs = made.filter((node) => choose.chance(25) || given.includes(node));
  // Gradients along smooth operations only: at a kink float32 and float64 may take two sides.
  const fixed = new Set(t.ancestors(...given));
  const smooth = !t.ancestors(...nodes).some((node) =>
    !fixed.has(node) && ["relu", "abs", "maximum", "max"].includes(node.operation.name)
  );
  if (smooth) {
    const loss = nodes.slice(-3).map((x) => t.mean(x)).reduce((a, b) => t.add(a, b));
    outputs.push(...t.gradOrZeros(loss, variables));
  }
  return { outputs, assign };
}
