/**
 * From a graph to a list of dispatches: simplify, fuse, lower each stored node to its kernels, and
 * decide which assigned values can be computed right into their variable.
 */

import { type Combine } from "../gpu/kernels/reduce.ts";
import { chainReduceKernel, type Middle, reduceKernel } from "../gpu/kernels/reduce.ts";
import { withEpilogue } from "../gpu/kernels/epilogue.ts";
import { mapKernel } from "../gpu/kernels/map.ts";
import type { Target } from "../gpu/kernels/target.ts";
import type { Kernel } from "../gpu/kernel.ts";
import { sameShape, shapeError } from "../tensor/shape.ts";
import {
  type AssignmentPair,
  Scratch,
  type Step,
  Tensor,
  type Variable,
} from "../tensor/tensor.ts";
import { fuse, type FusedChain, type Fusion, MAX_LEAVES } from "./fuse.ts";
import { type SimpleGraph, simplify } from "./simplify.ts";

/** Where a value lies: a leaf, a node with memory of its own, or scratch memory. */
export type Storage = Tensor | Scratch;

/** One dispatch; the last buffers (`Kernel.outputs`) are written, the others are only read. */
export interface Dispatch {
  readonly kernel: Kernel;
  /** The node that it computes, or a part of it. */
  readonly node: Tensor;
  readonly buffers: readonly Storage[];
}

/** What a dispatch writes. */
export function written({ kernel, buffers }: Dispatch): readonly Storage[] {
  return buffers.slice(-(kernel.outputs ?? 1));
}

export interface Schedule {
  readonly dispatches: readonly Dispatch[];
  /** Where the value of an output of the original graph lies. */
  storageOf(tensor: Tensor): Storage;
}

export function schedule(
  outputs: readonly Tensor[],
  assign: readonly AssignmentPair[],
  target: Target,
): Schedule {
  checkAssignments(assign);
  const values = [...outputs, ...assign.map(([, value]) => value)];
  const graph = simplify(values);
  const wanted = new Set(values.map((value) => withoutAliases(graph.of(value))));
  return new Scheduler(graph, fuse(graph.nodes, wanted), wanted, assign, target).result();
}

function checkAssignments(assign: readonly AssignmentPair[]): void {
  const targets = new Set<Variable>();
  for (const [target, value] of assign) {
    const name = `assignment to ${target.label}`;
    if (!sameShape(target.shape, value.shape)) {
      throw shapeError(name, "shapes differ", target.shape, value.shape);
    }
    if (target.dtype !== value.dtype) {
      throw shapeError(name, `${value.dtype} is not ${target.dtype}`, target.shape);
    }
    if (targets.has(target)) throw shapeError(name, "it is assigned twice", target.shape);
    targets.add(target);
  }
}

/** The node whose elements these are. */
function withoutAliases(node: Tensor): Tensor {
  return node.operation.kind === "alias" ? withoutAliases(node.inputs[0]) : node;
}

class Scheduler {
  private readonly chains = new Map<Tensor, FusedChain>();
  /** Nodes that are computed on the way to the one node that reads them, by its kernel. */
  private readonly joined = new Map<Tensor, Tensor>();
  /** For the last pointwise node of a kernel's epilogue the step, and the node of the kernel. */
  private readonly epilogues = new Map<Tensor, { readonly step: Step; readonly of: Tensor }>();
  /** Nodes that are computed right into a variable. */
  private readonly inPlace = new Map<Tensor, Variable>();

  constructor(
    private readonly graph: SimpleGraph,
    private readonly fusion: Fusion,
    private readonly wanted: ReadonlySet<Tensor>,
    private readonly assign: readonly AssignmentPair[],
    private readonly target: Target,
  ) {
    for (const node of graph.nodes) {
      const { kind } = node.operation;
      const chained = ["pointwise", "broadcast", "constant"].includes(kind);
      if (kind === "reduce" || (chained && fusion.inMemory(node))) {
        this.chains.set(node, fusion.chainOf(node));
      }
    }
    this.joinPairs();
    this.joinEpilogues();
    const readers = this.readers();
    for (const [target, value] of assign) {
      const node = graph.of(value);
      if (this.canWriteInto(target, node, readers.get(target) ?? [])) {
        this.inPlace.set(node, target);
      }
    }
  }

  result(): Schedule {
    const dispatches = this.graph.nodes.flatMap((node) =>
      this.dispatches(this.epilogues.get(node)?.of ?? node, this.lower(node))
    );
    const late = this.assign.filter(([target, value]) => {
      const node = withoutAliases(this.graph.of(value));
      return node !== target && this.inPlace.get(node) !== target;
    });
    const copies = late.flatMap(([target, value]) =>
      this.dispatches(value, [this.copy(target, value)])
    );
    return {
      dispatches: [...dispatches, ...copies],
      storageOf: (tensor) => this.resolve(this.graph.of(tensor)),
    };
  }

  private dispatches(node: Tensor, steps: readonly Step[]): Dispatch[] {
    return steps.map(({ kernel, buffers }) => ({
      kernel,
      node,
      buffers: buffers.map((buffer) => this.resolve(buffer)),
    }));
  }

  /** The memory behind a node: aliases share their source's, assigned values their variable's. */
  private resolve(storage: Storage): Storage {
    if (storage instanceof Scratch) return storage;
    const node = withoutAliases(storage);
    return this.inPlace.get(node) ?? node;
  }

  private lower(node: Tensor): readonly Step[] {
    if (this.joined.has(node)) return [];
    const epilogue = this.epilogues.get(node);
    if (epilogue) return [epilogue.step];
    const fused = this.chains.get(node);
    if (!fused) {
      return node.operation.kind === "kernels" ? node.operation.lower(node, this.target) : [];
    }
    const leaves = fused.leaves.map(({ tensor }) => tensor);
    if (node.operation.kind !== "reduce") {
      const inPlace = fused.nodes.map((result) => {
        const target = this.inPlace.get(result);
        const own = target ? leaves.findIndex((leaf) => this.resolve(leaf) === target) : -1;
        return own >= 0 ? own : undefined;
      });
      const others = leaves.filter((_, k) => !inPlace.includes(k));
      const kernel = mapKernel(fused.chain, this.target, inPlace);
      return [{ kernel, buffers: [...others, ...fused.nodes] }];
    }
    const combine: Combine = node.operation.combine;
    const extents = node.inputs[0].shape as Middle;
    const { kernel, splits } = chainReduceKernel(fused.chain, extents, combine, this.target);
    if (splits === 1) return [{ kernel, buffers: [...leaves, node] }];
    const parts = new Scratch([splits, ...node.shape]);
    return [
      { kernel, buffers: [...leaves, parts] },
      {
        kernel: reduceKernel(combine, [1, splits, node.size], this.target),
        buffers: [parts, node],
      },
    ];
  }

  /**
   * Joins each pointwise node that has memory, because it is wanted, with its only reader: an
   * optimiser's velocity with the weights that it moves. One kernel then computes both.
   */
  private joinPairs(): void {
    const readers = this.readers();
    for (const [node, { leaves }] of this.chains) {
      if (node.operation.kind !== "pointwise") continue;
      const before = leaves.find(({ tensor }) =>
        tensor.operation.kind === "pointwise" && this.chains.get(tensor)?.nodes.length === 1 &&
        tensor.dtype === node.dtype && sameShape(tensor.shape, node.shape) &&
        readers.get(tensor)!.length === 1
      )?.tensor;
      const both = before && this.fusion.chainOf(node, before);
      if (!both || both.leaves.length >= MAX_LEAVES) continue;
      this.chains.set(node, both);
      this.chains.delete(before);
      this.joined.set(before, node);
    }
  }

  /**
   * Puts a chain at the end of the kernel that computes one of its leaves, where nothing else reads
   * that. The kernel then runs when the chain would.
   */
  private joinEpilogues(): void {
    const readers = this.readers();
    for (const [node, { chain, leaves, nodes }] of this.chains) {
      if (node.operation.kind !== "pointwise" || nodes.length > 1 || node.dtype !== "f32") continue;
      for (const [own, { tensor }] of leaves.entries()) {
        const { operation } = tensor;
        if (operation.kind !== "kernels" || this.wanted.has(tensor)) continue;
        if (!sameShape(tensor.shape, node.shape) || readers.get(tensor)!.length > 1) continue;
        const steps = operation.lower(tensor, this.target);
        const inputs = steps[0].buffers.slice(0, -1);
        const kernel = steps.length === 1 &&
          withEpilogue(steps[0].kernel, inputs.length, chain, own, this.target);
        if (!kernel) continue;
        const others = leaves.filter((_, k) => k !== own).map(({ tensor }) => tensor);
        const step = { kernel, buffers: [...inputs, ...others, node] };
        this.epilogues.set(node, { step, of: tensor });
        this.joined.set(tensor, node);
        break;
      }
    }
  }

  /** Stores an assigned value that could not be computed in place, after everything else. */
  private copy(target: Variable, value: Tensor): Step {
    const node = this.graph.of(value);
    if (this.assign.some(([other]) => other === withoutAliases(node))) {
      throw new Error(`${target.label} is assigned another assigned variable's old value`);
    }
    const chain = {
      label: `assign ${target.label}`,
      shape: node.shape,
      leaves: [{ shape: node.shape, dtype: node.dtype }],
      values: [],
      results: ["x0"],
      dtype: node.dtype,
    };
    return { kernel: mapKernel(chain, this.target), buffers: [node, target] };
  }

  /** For each variable the nodes whose kernels read it, in the order in which they run. */
  private readers(): Map<Tensor, Tensor[]> {
    const readers = new Map<Tensor, Tensor[]>();
    for (const node of this.graph.nodes) {
      const read = this.read(node);
      for (const source of new Set(read.map((tensor) => this.resolve(tensor)))) {
        if (source instanceof Tensor) {
          readers.set(source, [...readers.get(source) ?? [], node]);
        }
      }
    }
    return readers;
  }

  /** What the kernels of a node read. */
  private read(node: Tensor): readonly (Tensor | Scratch)[] {
    if (this.joined.has(node)) return [];
    const epilogue = this.epilogues.get(node);
    if (epilogue) return epilogue.step.buffers.slice(0, -1);
    return this.chains.get(node)?.leaves.map(({ tensor }) => tensor) ??
      (node.operation.kind === "kernels" ? node.inputs : []);
  }

  /**
   * Whether `node` may overwrite the variable while it is computed: everybody else has read the
   * old value by then, and the node itself reads it, if at all, element by element.
   */
  private canWriteInto(target: Variable, node: Tensor, readers: readonly Tensor[]): boolean {
    const { kind } = node.operation;
    if (kind === "alias" || kind === "variable" || kind === "input" || this.inPlace.has(node)) {
      return false;
    }
    const host = this.joined.get(node) ?? node;
    const position = this.graph.nodes.indexOf(host);
    if (readers.some((reader) => this.graph.nodes.indexOf(reader) > position)) return false;
    if (!readers.includes(host)) return true;
    const own = this.chains.get(host)?.leaves.filter(({ tensor }) =>
      this.resolve(tensor) === target
    );
    return kind === "pointwise" && !this.epilogues.has(host) && own?.length === 1 &&
      own[0].tensor.size === node.size;
  }
}
