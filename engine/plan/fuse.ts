/**
 * Decides which nodes of a graph get memory of their own, and writes the rest as chains inside the
 * kernels that use them.
 *
 * A pointwise node is computed on the way, inside its consumers, if all of them are pointwise or
 * reductions and either there is only one or computing it again costs no more loads than reading
 * it would (at most one full-size operand). Repetition is index arithmetic and never costs memory
 * unless a kernel of its own kind wants the repeated tensor.
 */

import type { Chain } from "../gpu/kernels/chain.ts";
import { floatLiteral } from "../gpu/kernel.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import { constantValue, type Tensor } from "../tensor/tensor.ts";

/** Operands of one kernel, so that with the output eight bindings, WebGPU's default, suffice. */
export const MAX_LEAVES = 7;

/** What a chain reads from memory: a tensor, seen under a shape that aligns with the chain's. */
export interface ChainLeaf {
  readonly tensor: Tensor;
  readonly shape: Shape;
}

export interface FusedChain {
  readonly chain: Chain;
  readonly leaves: readonly ChainLeaf[];
  /** The nodes whose values the chain's results are. */
  readonly nodes: readonly Tensor[];
}

export interface Fusion {
  /** Whether the node's value lies in memory (its own, its alias' source or a leaf's). */
  inMemory(node: Tensor): boolean;
  /**
   * The chain that computes a pointwise or repeated node, or what a reduction reduces.
   * @param before a stored pointwise node that `node` reads and that the chain computes too, as its
   *   first result
   */
  chainOf(node: Tensor, before?: Tensor): FusedChain;
}

/**
 * @param nodes all nodes, inputs before results
 * @param wanted nodes whose value must be in memory: outputs and assigned values
 */
export function fuse(nodes: readonly Tensor[], wanted: ReadonlySet<Tensor>): Fusion {
  const stored = new Set<Tensor>();
  const consumers = consumersOf(nodes);
  const operands = new Map<Tensor, ReadonlySet<Tensor>>();

  /** What a consumer of `node` reads from memory on its behalf. */
  const reads = (node: Tensor): ReadonlySet<Tensor> => {
    if (stored.has(node)) return new Set([node]);
    if (node.operation.kind === "broadcast") return reads(node.inputs[0]);
    return operands.get(node) ?? new Set();
  };

  /** What a pointwise node reads, after storing as many of its inputs as it takes. */
  const fittingOperands = (node: Tensor): ReadonlySet<Tensor> => {
    for (;;) {
      const all = new Set(node.inputs.flatMap((input) => [...reads(input)]));
      if (all.size <= MAX_LEAVES) return all;
      stored.add(node.inputs.reduce((a, b) => (reads(b).size > reads(a).size ? b : a)));
    }
  };

  const mustStore = (node: Tensor): boolean => {
    const uses = consumers.get(node) ?? [];
    const needed = wanted.has(node) || uses.some((use) => needsMemory(use, consumers));
    switch (node.operation.kind) {
      case "constant":
      case "broadcast":
        return needed;
      case "alias":
        return stored.has(node.inputs[0]);
      case "pointwise": {
        const fullSize = [...operands.get(node)!].filter((leaf) => leaf.size === node.size);
        const places = uses.flatMap((use) =>
          use.operation.kind === "alias" ? consumers.get(use)! : [use]
        );
        return needed || uses.some((use) => use.operation.kind === "broadcast") ||
          (places.length > 1 && fullSize.length > 1);
      }
      default:
        return true;
    }
  };

  // A node with many operands stores inputs that were passed over before, which changes what their
  // other consumers and aliases read: repeat until nothing is added.
  for (let before = -1; before < stored.size;) {
    before = stored.size;
    for (const node of nodes) {
      if (node.operation.kind === "pointwise") operands.set(node, fittingOperands(node));
      if (mustStore(node)) stored.add(node);
    }
  }
  return {
    inMemory: (node) => stored.has(node),
    chainOf: (node, before) => new ChainWriter(stored, node, before).write(),
  };
}

function consumersOf(nodes: readonly Tensor[]): Map<Tensor, Tensor[]> {
  const consumers = new Map<Tensor, Tensor[]>();
  for (const node of nodes) {
    for (const input of new Set(node.inputs)) {
      const list = consumers.get(input);
      if (list) list.push(node);
      else consumers.set(input, [node]);
    }
  }
  return consumers;
}

/** Whether `use` takes its input from memory only. A reshape before reductions looks through. */
function needsMemory(use: Tensor, consumers: ReadonlyMap<Tensor, readonly Tensor[]>): boolean {
  const { operation } = use;
  // The gradient of a maximum compares it with its elements: both must see the very same bits, and
  // an element computed twice, in two kernels, may be rounded in two ways.
  if (operation.kind === "reduce") return operation.combine === "max";
  if (operation.kind !== "alias") return operation.kind === "kernels";
  const next = consumers.get(use);
  return !next?.every((node) => node.operation.kind === "reduce" && !needsMemory(node, consumers));
}

/** The node computed on the way that a reshape renames, if it is such a reshape. */
function inlineSource(node: Tensor, stored: ReadonlySet<Tensor>): Tensor | undefined {
  const [source] = node.inputs;
  return node.operation.kind === "alias" && !stored.has(source) ? source : undefined;
}

/** Writes one chain, operands and values numbered in the order in which they are met. */
class ChainWriter {
  private readonly leaves: ChainLeaf[] = [];
  private readonly values: string[] = [];
  private readonly names = new Map<Tensor, string>();

  constructor(
    private readonly stored: ReadonlySet<Tensor>,
    private readonly node: Tensor,
    private readonly before?: Tensor,
  ) {}

  write(): FusedChain {
    const { node } = this;
    const reduction = node.operation.kind === "reduce";
    const [input] = node.inputs;
    const root = reduction ? inlineSource(input, this.stored) ?? input : node;
    const first = this.before ? [this.valueOf(this.before, root.shape)] : [];
    const result = reduction ? this.valueOf(root, root.shape) : this.compute(root, root.shape);
    const chain: Chain = {
      label: this.label(root),
      shape: root.shape,
      leaves: this.leaves.map(({ tensor, shape }) => ({ shape, dtype: tensor.dtype })),
      values: this.values,
      results: [...first, result],
      dtype: root.dtype,
    };
    return { chain, leaves: this.leaves, nodes: this.before ? [this.before, node] : [node] };
  }

  private valueOf(node: Tensor, shape: Shape): string {
    let name = this.names.get(node);
    if (!name) {
      const read = this.stored.has(node) && node !== this.before;
      name = read ? this.leaf(node, shape) : this.compute(node, shape);
      this.names.set(node, name);
    }
    return name;
  }

  private compute(node: Tensor, shape: Shape): string {
    const literal = constantValue(node);
    if (literal !== undefined) {
      return node.dtype === "f32" ? `F(${floatLiteral(literal)})` : `U(${literal}u)`;
    }
    switch (node.operation.kind) {
      case "broadcast":
        return this.leaf(node.inputs[0], node.inputs[0].shape);
      case "pointwise": {
        const operands = node.inputs.map((input) => this.valueOf(input, shape));
        return `v${this.values.push(node.operation.wgsl(...operands)) - 1}`;
      }
      default:
        throw new Error(`${node} has no memory and is not computed on the way`);
    }
  }

  private leaf(tensor: Tensor, shape: Shape): string {
    const known = this.leaves.findIndex((l) => l.tensor === tensor && l.shape === shape);
    return `x${known >= 0 ? known : this.leaves.push({ tensor, shape }) - 1}`;
  }

  private label(root: Tensor): string {
    const names = new Set<string>();
    const visit = (node: Tensor) => {
      if (node.operation.kind === "pointwise") names.add(node.operation.name);
      for (const input of node.inputs) {
        const computed = !this.stored.has(input) || input === this.before;
        if (computed && this.names.has(input)) visit(input);
      }
    };
    visit(root);
    const text = [...names].reverse().join(" ") || "copy";
    const reduction = this.node.operation.kind === "reduce"
      ? `${this.node.operation.name} of `
      : "";
    return `${reduction}${text} ${showShape(root.shape)}`;
  }
}
