/**
 * From a graph to a list of dispatches: simplify, fuse, lower each stored node to its kernels, and
 * decide which assigned values can be computed right into their variable.
 */

import { type Combine } from "../gpu/kernels/reduce.ts";
import { chainReduceKernel, type Middle, reduceKernel } from "../gpu/kernels/reduce.ts";
import { mapKernel } from "../gpu/kernels/map.ts";
import type { Kernel } from "../gpu/kernel.ts";
import { Scratch, type Step, Tensor, type Variable } from "../tensor/tensor.ts";
import { fuse, type FusedChain, type Fusion } from "./fuse.ts";
import { type SimpleGraph, simplify } from "./simplify.ts";

/** A variable and the value it takes at the end of each run. */
export type AssignmentPair = readonly [target: Variable, value: Tensor];

/** Where a value lies: a leaf, a node with memory of its own, or scratch memory. */
export type Storage = Tensor | Scratch;

/** One dispatch; the last buffer is written, the others are read unless they are the same. */
export interface Dispatch {
  readonly kernel: Kernel;
  readonly buffers: readonly Storage[];
}

export interface Schedule {
  readonly dispatches: readonly Dispatch[];
  /** Where the value of an output of the original graph lies. */
  storageOf(tensor: Tensor): Storage;
}

export function schedule(outputs: readonly Tensor[], assign: readonly AssignmentPair[]): Schedule {
  const graph = simplify([...outputs, ...assign.map(([, value]) => value)]);
  const wanted = new Set(outputs.map((o) => graph.of(o)));
  for (const [, value] of assign) wanted.add(graph.of(value));
  return new Scheduler(graph, fuse(graph.nodes, wanted), assign).result();
}

class Scheduler {
  private readonly chains = new Map<Tensor, FusedChain>();
  /** Nodes that are computed right into a variable. */
  private readonly inPlace = new Map<Tensor, Variable>();

  constructor(
    private readonly graph: SimpleGraph,
    private readonly fusion: Fusion,
    private readonly assign: readonly AssignmentPair[],
  ) {
    for (const node of graph.nodes) {
      const { kind } = node.operation;
      const chained = ["pointwise", "broadcast", "constant"].includes(kind);
      if (kind === "reduce" || (chained && fusion.inMemory(node))) {
        this.chains.set(node, fusion.chainOf(node));
      }
    }
    const readers = this.readers();
    for (const [target, value] of assign) {
      const node = graph.of(value);
      if (this.canWriteInto(target, node, readers.get(target) ?? [])) {
        this.inPlace.set(node, target);
      }
    }
  }

  result(): Schedule {
    const dispatches = this.graph.nodes.flatMap((node) => this.lower(node));
    const late = this.assign.filter(([target, value]) =>
      this.inPlace.get(this.graph.of(value)) !== target
    );
    return {
      dispatches: [...dispatches, ...late.map(([target, value]) => this.copy(target, value))]
        .map(({ kernel, buffers }) => ({ kernel, buffers: buffers.map((b) => this.resolve(b)) })),
      storageOf: (tensor) => this.resolve(this.graph.of(tensor)),
    };
  }

  /** The memory behind a node: aliases share their source's, assigned values their variable's. */
  private resolve(storage: Storage): Storage {
    if (storage instanceof Scratch) return storage;
    if (storage.operation.kind === "alias") return this.resolve(storage.inputs[0]);
    return this.inPlace.get(storage) ?? storage;
  }

  private lower(node: Tensor): readonly Step[] {
    const fused = this.chains.get(node);
    if (!fused) return node.operation.kind === "kernels" ? node.operation.lower(node) : [];
    const leaves = fused.leaves.map(({ tensor }) => tensor);
    if (node.operation.kind !== "reduce") {
      const target = this.inPlace.get(node);
      const own = target ? leaves.findIndex((leaf) => this.resolve(leaf) === target) : -1;
      const others = leaves.filter((_, k) => k !== own);
      const kernel = mapKernel(fused.chain, own >= 0 ? own : undefined);
      return [{ kernel, buffers: [...others, node] }];
    }
    const combine: Combine = node.operation.combine;
    const extents = node.inputs[0].shape as Middle;
    const { kernel, splits } = chainReduceKernel(fused.chain, extents, combine);
    if (splits === 1) return [{ kernel, buffers: [...leaves, node] }];
    const parts = new Scratch([splits, ...node.shape]);
    return [
      { kernel, buffers: [...leaves, parts] },
      { kernel: reduceKernel(combine, [1, splits, node.size]), buffers: [parts, node] },
    ];
  }

  /** Stores an assigned value that could not be computed in place, after everything else. */
  private copy(target: Variable, value: Tensor): Step {
    const node = this.graph.of(value);
    if (this.assign.some(([other]) => other === this.resolve(node))) {
      throw new Error(`${target.label} is assigned another assigned variable's old value`);
    }
    const chain = {
      label: `assign ${target.label}`,
      shape: node.shape,
      leaves: [{ shape: node.shape, dtype: node.dtype }],
      values: [],
      result: "x0",
      dtype: node.dtype,
    };
    return { kernel: mapKernel(chain), buffers: [node, target] };
  }

  /** For each variable the nodes whose kernels read it, in the order in which they run. */
  private readers(): Map<Tensor, Tensor[]> {
    const readers = new Map<Tensor, Tensor[]>();
    for (const node of this.graph.nodes) {
      const read = this.chains.get(node)?.leaves.map(({ tensor }) => tensor) ??
        (node.operation.kind === "kernels" ? node.inputs : []);
      for (const source of new Set(read.map((tensor) => this.resolve(tensor)))) {
        if (source instanceof Tensor) {
          readers.set(source, [...readers.get(source) ?? [], node]);
        }
      }
    }
    return readers;
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
    const position = this.graph.nodes.indexOf(node);
    if (readers.some((reader) => this.graph.nodes.indexOf(reader) > position)) return false;
    if (!readers.includes(node)) return true;
    const own = this.chains.get(node)?.leaves.filter(({ tensor }) =>
      this.resolve(tensor) === target
    );
    return kind === "pointwise" && own?.length === 1 && own[0].tensor.size === node.size;
  }
}
