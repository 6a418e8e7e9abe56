/** Writes nodes that are computed on the way as one chain of operations over operands in memory. */

import type { Chain } from "../gpu/kernels/chain.ts";
import { floatLiteral } from "../gpu/render.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import { constantValue, type Tensor } from "../tensor/tensor.ts";

/** What a chain reads from memory: a tensor, seen under a shape that aligns with the chain's. */
export interface ChainLeaf {
  readonly tensor: Tensor;
  readonly shape: Shape;
}

export interface FusedChain {
  readonly chain: Chain;
  readonly leaves: readonly ChainLeaf[];
  /** The node whose value the chain's result is. */
  readonly node: Tensor;
}

/**
 * The chain that computes a pointwise or repeated node, or what a reduction reduces.
 * @param stored the nodes whose values lie in memory; see fuse.ts
 */
export function chainOf(node: Tensor, stored: ReadonlySet<Tensor>): FusedChain {
  return new ChainWriter(stored, node).write();
}

/** The node computed on the way that a reshape renames, if it is such a reshape. */
function inlineSource(node: Tensor, stored: ReadonlySet<Tensor>): Tensor | undefined {
  const [source] = node.inputs;
  return node.operation.kind === "alias" && !stored.has(source) ? source : undefined;
}

/**
 * Writes one chain, operands and values numbered in the order in which they are met. Its recursion
 * is no deeper than a chain is long, and that is bounded (`MAX_VALUES`).
 */
class ChainWriter {
  private readonly leaves: ChainLeaf[] = [];
  private readonly values: string[] = [];
  private readonly names = new Map<Tensor, string>();

  constructor(
    private readonly stored: ReadonlySet<Tensor>,
    private readonly node: Tensor,
  ) {}

  write(): FusedChain {
    const { node } = this;
    const reduction = node.operation.kind === "reduce";
    const [input] = node.inputs;
    const root = reduction ? inlineSource(input, this.stored) ?? input : node;
    const result = reduction ? this.valueOf(root, root.shape) : this.compute(root, root.shape);
    const chain: Chain = {
      label: this.label(root),
      shape: root.shape,
      leaves: this.leaves.map(({ tensor, shape }) => ({ shape, dtype: tensor.dtype })),
      values: this.values,
      results: [result],
      dtype: root.dtype,
    };
    return { chain, leaves: this.leaves, node };
  }

  private valueOf(node: Tensor, shape: Shape): string {
    let name = this.names.get(node);
    if (!name) {
      name = this.stored.has(node) ? this.leaf(node, shape) : this.compute(node, shape);
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
        // Of literals alone it would be a constant of WGSL, which may be neither infinite nor NaN.
        const known = node.inputs.every((input) => constantValue(input) !== undefined);
        const texts = known ? operands.map((text) => this.value(text)) : operands;
        return this.value(node.operation.wgsl(...texts));
      }
      default:
        throw new Error(`${node} has no memory and is not computed on the way`);
    }
  }

  private value(text: string): string {
    return `v${this.values.push(text) - 1}`;
  }

  private leaf(tensor: Tensor, shape: Shape): string {
    const known = this.leaves.findIndex((l) => l.tensor === tensor && l.shape === shape);
    return `x${known >= 0 ? known : this.leaves.push({ tensor, shape }) - 1}`;
  }

  /** The distinct operations, the last one last, and the shape: short, however long the chain. */
  private label(root: Tensor): string {
    const names = new Set<string>();
    const seen = new Set<Tensor>();
    const visit = (node: Tensor) => {
      seen.add(node);
      if (node.operation.kind === "pointwise") names.add(node.operation.name);
      for (const input of node.inputs) {
        if (!this.stored.has(input) && this.names.has(input) && !seen.has(input)) visit(input);
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
