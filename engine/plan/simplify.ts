/**
 * Puts a graph into normal form before it is planned: equal nodes become one, aliases that only
 * carry a gradient rule disappear, and what is constant along a summed axis leaves the sum. These
 * rewrites keep the value of every node; they happen here and not when the graph is built, so that
 * a gradient can be asked for at any node that a model ever produced.
 *
 * The rule about sums is what makes batch normalisation's backward pass cheap: its three sums
 * become two, of g and of g (x - mean), and everything else is arithmetic on vectors. The rules about
 * max pooling do on the few pooled elements what would otherwise be done on all, most of them zeros.
 *
 * What is 0 for every number, x - x or 0 x, is written so that it stays NaN for an x that is none,
 * and x / 0 so that it is infinite: shader compilers take all of them for 0.
 */

import { ancestorsOf } from "../tensor/autograd.ts";
import { BROADCAST, broadcastTo, middle, SUM } from "../tensor/broadcast.ts";
import { reshape } from "../tensor/movement.ts";
import { withOrigin } from "../tensor/origin.ts";
import { div, gate, mul, neg, timesZero } from "../tensor/pointwise.ts";
import { poolGather, poolScatter, SCATTER } from "../tensor/pool.ts";
import { constantValue, Tensor } from "../tensor/tensor.ts";
import type { Shape } from "../tensor/shape.ts";

export interface SimpleGraph {
  /** Every node, inputs before results. */
  readonly nodes: readonly Tensor[];
  /** The node that stands for a tensor of the original graph. */
  of(tensor: Tensor): Tensor;
}

/** @param rules false merges equal nodes and leaves everything else as it is: to be looked at */
export function simplify(outputs: readonly Tensor[], { rules = true } = {}): SimpleGraph {
  const simplifier = new Simplifier(rules);
  for (const tensor of ancestorsOf(outputs)) simplifier.of(tensor);
  const nodes = ancestorsOf(outputs.map((output) => simplifier.of(output)));
  return { nodes, of: (tensor) => simplifier.of(tensor) };
}

class Simplifier {
  /** What stands for each tensor that was met; that stands for itself. */
  private readonly canonical = new Map<Tensor, Tensor>();
  /** What a rule made of a tensor, to be simplified in its turn. */
  private readonly rewritten = new Map<Tensor, Tensor>();
  private readonly byKey = new Map<string, Tensor>();

  constructor(private readonly rules: boolean) {}

  of(tensor: Tensor): Tensor {
    // A stack of our own: one rule may lead to the next as often as the graph is long.
    for (const stack = [tensor]; stack.length > 0;) {
      const first = this.simplify(stack.at(-1)!);
      if (first) stack.push(first);
      else stack.pop();
    }
    return this.canonical.get(tensor)!;
  }

  /** Finds what stands for the tensor, or returns another one that has to be simplified first. */
  private simplify(tensor: Tensor): Tensor | undefined {
    const { canonical, rewritten } = this;
    if (canonical.has(tensor)) return undefined;
    const first = tensor.inputs.find((input) => !canonical.has(input));
    if (first) return first;
    if (!rewritten.has(tensor)) {
      withOrigin(tensor.origin, () => {
        const same = rebuilt(tensor, tensor.inputs.map((input) => canonical.get(input)!));
        const simpler = this.rules ? rewrite(same) : undefined;
        if (simpler) rewritten.set(tensor, simpler);
        else this.replace(tensor, this.merge(same));
      });
      if (canonical.has(tensor)) return undefined;
    }
    const simpler = rewritten.get(tensor)!;
    const result = canonical.get(simpler);
    if (!result) return simpler;
    this.replace(tensor, result);
  }

  private replace(tensor: Tensor, result: Tensor): void {
    this.canonical.set(tensor, result);
    this.canonical.set(result, result);
  }

  /** The node that already computes this, if there is one. */
  private merge(tensor: Tensor): Tensor {
    const { kind, name } = tensor.operation;
    if (kind === "variable" || kind === "input") return tensor;
    const inputs = tensor.inputs.map((input) => input.id);
    const key = JSON.stringify([name, inputs, tensor.shape, tensor.dtype, tensor.attributes]);
    const known = this.byKey.get(key);
    if (!known) this.byKey.set(key, tensor);
    return known ?? tensor;
  }
}

/** What a rule makes of a tensor whose inputs are simplified: new nodes, or one of those before. */
function rewrite(tensor: Tensor): Tensor | undefined {
  const [x] = tensor.inputs;
  switch (tensor.operation.kind) {
    case "alias":
      if (tensor.operation.name === "reshape") return reshapeOf(x, tensor.shape);
      return tensor.size === x.size ? x : undefined; // a part of x is no name for x
    case "broadcast":
      return x.operation === BROADCAST ? broadcastTo(x.inputs[0], tensor.shape) : undefined;
    case "reduce":
      return tensor.operation === SUM ? factorOut(x) : undefined;
    case "pointwise":
      return tensor.operation.name === "gate" ? gateBefore(tensor) : withZero(tensor);
    default:
      return undefined;
  }
}

function rebuilt(tensor: Tensor, inputs: readonly Tensor[]): Tensor {
  if (inputs.every((input, i) => input === tensor.inputs[i])) return tensor;
  return new Tensor(tensor.operation, inputs, tensor.shape, tensor.dtype, tensor.attributes);
}

/** A reshape of a reshape, a constant or a repetition as something simpler, if it is that. */
function reshapeOf(x: Tensor, shape: Shape): Tensor | undefined {
  if (x.operation.kind === "constant") return broadcastTo(x, shape);
  if (x.operation.name === "reshape") return reshape(x.inputs[0], shape);
  if (x.operation !== BROADCAST) return undefined;
  const source = sourceShape(x.inputs[0].shape, x.shape, shape);
  return source && broadcastTo(reshape(x.inputs[0], source), shape);
}

/**
 * For `source` repeated to `full` and then reshaped to `target`: the shape from which broadcasting
 * to `target` gives the same, or undefined where a run of axes is only partly repeated.
 */
function sourceShape(source: Shape, full: Shape, target: Shape): Shape | undefined {
  const aligned = [...new Array<number>(full.length - source.length).fill(1), ...source];
  const result: number[] = [];
  for (let i = 0, j = 0; i < full.length || j < target.length;) {
    // One run of axes on each side with the same number of elements.
    const [from, to] = [i, j];
    let left = full[i++] ?? 1;
    let right = target[j++] ?? 1;
    while (left !== right) {
      if (left < right) left *= full[i++];
      else right *= target[j++];
    }
    const axes = full.slice(from, i).map((_, d) => from + d).filter((d) => full[d] !== 1);
    const repeated = axes.every((d) => aligned[d] === 1);
    if (!repeated && !axes.every((d) => aligned[d] === full[d])) return undefined;
    for (const extent of target.slice(to, j)) result.push(repeated ? 1 : extent);
  }
  return result;
}

/** sum over the middle of x with what is constant along it taken out, if there is such a thing. */
function factorOut(x: Tensor): Tensor | undefined {
  const [, length] = x.shape;
  const sum = (t: Tensor) => middle(SUM, reshape(t, x.shape));
  const steady = steadyPart(x, x.shape);
  if (steady) return mul(steady, length);
  const term = x.operation.name === "reshape" ? x.inputs[0] : x;
  if (term.operation.name === "neg") return neg(sum(term.inputs[0]));
  if (term.operation === SCATTER) return sumBefore(term, x.shape);
  if (term.operation.name !== "mul") return undefined;
  for (const [factor, rest] of [[0, 1], [1, 0]]) {
    const part = steadyPart(term.inputs[factor], x.shape);
    if (part) return mul(sum(term.inputs[rest]), part);
  }
  return undefined;
}

/** gate(scatter(g), x) as scatter(gate(g, pooled x)), where x is what was pooled. */
function gateBefore({ inputs: [scattered, x] }: Tensor): Tensor | undefined {
  if (scattered.operation !== SCATTER) return undefined;
  const [g, indices] = scattered.inputs;
  if (indices.inputs[0] !== x) return undefined;
  const pool = SCATTER.attributesOf(scattered);
  return poolScatter(gate(g, poolGather(x, indices, pool)), indices, pool);
}

/** x 0, x - x, x + -x and 0 / x as what is 0 of numbers only; x / 0 as x times infinity. */
function withZero({ operation: { name }, inputs: [a, b], dtype }: Tensor): Tensor | undefined {
  if (dtype !== "f32") return undefined;
  const negates = (x: Tensor, y: Tensor) => x.operation.name === "neg" && x.inputs[0] === y;
  const isZero = (x: Tensor) => constantValue(x) === 0;
  switch (name) {
    case "add":
      return negates(a, b) ? timesZero(b) : negates(b, a) ? timesZero(a) : undefined;
    case "sub":
      return a === b ? timesZero(a) : undefined;
    case "mul":
      return isZero(a) ? timesZero(b) : isZero(b) ? timesZero(a) : undefined;
    case "div":
      if (isZero(a)) return timesZero(div(1, b));
      return isZero(b) && constantValue(a) === undefined ? mul(a, div(1, b)) : undefined;
  }
}

/** The sum over all pixels of scatter(g), which is that of g: every window has its one place. */
function sumBefore(scattered: Tensor, [outer, , inner]: Shape): Tensor | undefined {
  const [g] = scattered.inputs;
  const channels = g.shape[3];
  if (outer !== 1 || inner !== channels) return undefined;
  return middle(SUM, reshape(g, [1, g.size / channels, channels]));
}

/** The values [outer, inner] of something that is constant along the middle of `shape`. */
function steadyPart(x: Tensor, shape: Shape): Tensor | undefined {
  const [outer, , inner] = shape;
  if (x.operation !== BROADCAST) return undefined;
  if (constantValue(x) !== undefined) return broadcastTo(x.inputs[0], [outer, inner]);
  const source = sourceShape(x.inputs[0].shape, x.shape, shape);
  if (!source || source[1] !== 1) return undefined;
  const small = reshape(x.inputs[0], [source[0], source[2]]);
  return broadcastTo(small, [outer, inner]);
}
