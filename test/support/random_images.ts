/**
 * Random graphs of images: convolutions by all three faces, pooling, normalisation, labels, and the
 * steps of an optimiser, first and second derivatives in them.
 */

import * as t from "../../engine/tensor/mod.ts";
import { Chooser } from "./chooser.ts";
import type { Graph } from "./random_arrays.ts";

/** Operations of a graph, beside its gradients. */
const STEPS = 6;
const CHANNELS = [1, 2, 3, 4, 6, 8];

/** A graph under way. */
class Builder {
  readonly variables: t.Variable[] = [];
  /** [N, H, W, C], of f32. */
  readonly images: t.Tensor[] = [];
  /** [N] or [N, M], of u32. */
  readonly counts: t.Tensor[] = [];

  constructor(readonly choose: Chooser) {}

  /** A variable of random numbers, as large as the weights of a layer with such a fan-in. */
  weights(shape: readonly number[], fanIn = 1): t.Variable {
    const initial = this.choose.numbers(t.numel(shape), Math.sqrt(3 / fanIn));
    const variable = new t.Variable(`v${this.variables.length}`, shape, initial);
    this.variables.push(variable);
    return variable;
  }
  labels(length: number, classes: number): t.Variable {
    const initial = Uint32Array.from({ length }, () => this.choose.below(classes));
    return new t.Variable("labels", [length], initial);
  }
  /** One of the images, a recent one more often. */
  image(): t.Tensor {
    const at = Math.max(...[1, 2].map(() => this.choose.below(this.images.length)));
    return this.images[at];
  }
}

type Step = (b: Builder) => void;

/** A convolution of any geometry, and now and then one of its adjoints at what it computes. */
function convolution(b: Builder): void {
  const { choose } = b;
  const x = b.image();
  const channels = x.shape[3];
  const groups = choose.of([1, 1, 2, channels].filter((g) => channels % g === 0));
  const kernel = [1 + choose.below(3), 1 + choose.below(3)];
  const options = {
    stride: [choose.of([1, 1, 2]), choose.of([1, 1, 2])] as const,
    padding: [choose.below(3), choose.below(3)] as const,
    dilation: choose.of([1, 1, 2]),
    groups,
  };
  const out = groups * choose.of(CHANNELS.filter((k) => k * groups <= 8));
  const shape = [...kernel, channels / groups, out];
  const w = b.weights(shape, kernel[0] * kernel[1] * channels / groups);
  const y = fitting(() => t.conv2d(x, w, options));
  if (!y) return;
  b.images.push(y);
  const bent = () => t.mul(t.sigmoid(y), 0.5);
  if (choose.chance(25)) b.images.push(t.conv2dInputGrad(bent(), w, x.shape, options));
  if (choose.chance(25)) b.images.push(t.conv2dWeightGrad(x, bent(), w.shape, options));
}

function pooling(b: Builder): void {
  const { choose } = b;
  const x = b.image();
  const kernel = choose.of([2, 3]);
  const options = { stride: choose.of([1, 2, 3]), padding: choose.of([0, 1]) };
  const pooled = choose.chance(70)
    ? fitting(() => t.maxPool2d(x, kernel, { ...options, ceilMode: choose.chance(50) }))
    : fitting(() => t.avgPool2d(x, kernel, options));
  if (pooled) b.images.push(pooled);
}

/** What an operation makes, if it takes operands of such shapes. */
function fitting(make: () => t.Tensor): t.Tensor | undefined {
  try {
    return make();
  } catch {
    return undefined;
  }
}

const steps: readonly Step[] = [
  convolution,
  convolution,
  convolution,
  pooling,
  pooling,
  // Bias and activation, the usual epilogue; and without one.
  (b) => {
    const x = b.image();
    const act = b.choose.of([t.relu, t.sigmoid, t.silu, t.relu6]);
    b.images.push(act(b.choose.chance(70) ? t.add(x, b.weights([x.shape[3]])) : x));
  },
  (b) => {
    const x = b.image();
    const [weight, bias] = [b.weights([x.shape[3]]), b.weights([x.shape[3]])];
    b.images.push(t.normalize(x, t.batchStatistics(x), weight, bias, 0.1));
  },
  // Two images of one shape, or two that broadcast; joined or added.
  (b) => {
    const x = b.image();
    const same = b.images.filter((y) => t.sameShape(x.shape, y.shape));
    const y = b.choose.of([...same, t.mean(x, [1, 2], { keepDims: true })]);
    const joined = t.sameShape(x.shape, y.shape) && x.size < 200 && b.choose.chance(40);
    b.images.push(joined ? t.concat([x, y], b.choose.below(4)) : b.choose.of([t.add, t.mul])(x, y));
  },
  (b) => {
    const x = b.image();
    const starts = x.shape.map((_, d) => d === 0 ? 0 : b.choose.below(3) - 1);
    const shape = x.shape.map((extent, d) => d === 0 ? extent : Math.min(6, extent + 1));
    b.images.push(t.window(x, starts, shape));
  },
  // Unsigned numbers: the place of the largest channel, look-up, arithmetic, movement.
  (b) => {
    const x = b.image();
    const channels = x.shape[3];
    const rows = t.reshape(x, [x.size / channels, channels]);
    const largest = t.argmax(rows);
    b.counts.push(largest);
    b.images.push(t.reshape(t.mul(t.oneHot(largest, channels), rows), x.shape));
  },
  (b) => {
    const x = b.image();
    const labels = b.labels(1 + b.choose.below(3), x.shape[0]);
    b.images.push(t.takeRows(x, labels));
    b.counts.push(t.add(t.mul(labels, t.constant(3, "u32")), labels));
  },
  (b) => {
    if (b.counts.length === 0) return;
    const counts = b.choose.of(b.counts);
    const column = t.reshape(counts, [counts.size, 1]);
    const table = t.broadcastTo(column, [counts.size, 2]);
    const turned = t.permute(t.concat([table, t.add(table, t.constant(1, "u32"))], 1), [1, 0]);
    const x = b.image();
    b.counts.push(turned);
    b.counts.push(b.choose.of([t.sum, t.max])(turned, [b.choose.below(2)]));
    const first = t.toFloat(t.window(turned, [0, -1], [1, x.shape[3]]));
    b.images.push(t.mul(x, t.sigmoid(t.mul(first, 0.1))));
    b.images.push(t.add(x, t.equal(t.window(turned, [0, 0], [1, 1]), t.constant(1, "u32"))));
  },
  // A classifier's end: a product, its loss; noise, and a choice by it.
  (b) => {
    const x = b.image();
    const rows = t.flatten(x);
    const classes = b.choose.of([2, 3, 8]);
    const logits = t.matmul(rows, b.weights([rows.shape[1], classes], rows.shape[1]));
    const labels = b.labels(x.shape[0], classes);
    const loss = t.crossEntropyPerSample(logits, labels);
    b.images.push(t.mul(x, t.sigmoid(t.reshape(loss, [x.shape[0], 1, 1, 1]))));
    b.counts.push(t.argmaxExcept(logits, labels));
  },
  (b) => {
    const x = b.image();
    const key = new t.Variable("key", [2], Uint32Array.of(b.choose.below(99), 1));
    const draws = t.uniform(key, x.shape, "noise");
    b.images.push(t.where(t.greater(draws, 0.3), x, t.mul(x, t.sub(draws, 0.5))));
  },
];

/** Some of the graph's nodes, gradients, and new values of its variables. */
export function imageGraph(seed: number): Graph {
  const choose = new Chooser(seed);
  const b = new Builder(choose);
  const extents = [1 + choose.below(2), 3 + choose.below(4), 3 + choose.below(4)];
  b.images.push(b.weights([...extents, choose.of(CHANNELS)]));
  convolution(b);
  for (let k = 0; k < STEPS; k++) choose.of(steps)(b);

  const last = b.images.slice(-2).map((image) => t.mean(t.square(image)));
  const task = last.reduce((a, c) => t.add(a, c));
  // A constraint on a gradient, as Model Doctor's: its own gradient is a second derivative.
  const [sensitivity] = t.gradOrZeros(task, [b.images[Math.min(1, b.images.length - 1)]]);
  const loss = choose.chance(40) ? t.add(task, t.mean(t.abs(sensitivity))) : task;
  const gradients = t.gradOrZeros(loss, b.variables);

  const assign: t.AssignmentPair[] = [];
  const outputs = [loss, ...b.images.slice(1), ...b.counts].filter(() => choose.chance(40));
  for (const [k, variable] of b.variables.entries()) {
    if (choose.chance(30)) {
      outputs.push(gradients[k]);
      continue;
    }
    const old = new t.Variable("velocity", variable.shape, choose.numbers(variable.size, 0.1));
    const velocity = t.add(t.mul(old, 0.9), gradients[k]);
    assign.push([old, velocity], [variable, t.sub(variable, t.mul(velocity, 0.1))]);
  }
  const counter = new t.Variable("steps", [], Uint32Array.of(seed));
  assign.push([counter, t.add(counter, t.constant(1, "u32"))]);
  return { outputs, assign };
}
