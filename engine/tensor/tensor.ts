/**
 * A tensor is a handle on a node of a graph. Building one computes nothing: an operation notes
 * itself, its inputs and the shape of its result, and a plan (engine/plan) later turns the part of
 * the graph that is asked for into kernels. Gradients are graphs too (autograd.ts), so they can be
 * differentiated again.
 *
 * Every tensor is dense and row-major. Images are NHWC and convolution weights RSCK inside the
 * engine; PyTorch's layouts are made at the doors (engine/nn/state.ts).
 */

import type { Kernel, Scratch } from "../gpu/kernel.ts";
import type { Target } from "../gpu/kernels/target.ts";
import { currentOrigin, type Origin } from "./origin.ts";
import { checkExtents, numel, type Shape, shapeError, showShape } from "./shape.ts";

export type DType = "f32" | "u32";
export type HostArray = Float32Array<ArrayBuffer> | Uint32Array<ArrayBuffer>;

/** What an operation was given beside tensors. Must survive JSON: equal nodes are merged by it. */
export type Attributes = Readonly<Record<string, unknown>>;

/** For each input the gradient that reaches it, or undefined where none does. */
export type GradientRule = (node: Tensor, gradient: Tensor) => readonly (Tensor | undefined)[];

/** One dispatch: a kernel and its buffers in binding order. */
export interface Step {
  readonly kernel: Kernel;
  readonly buffers: readonly (Tensor | Scratch)[];
}

interface Base {
  readonly name: string;
  /** Absent where the operation is constant in all its inputs. */
  readonly gradient?: GradientRule;
}
/** A value that is there before a plan runs. */
export type Leaf = Base & { readonly kind: "variable" | "input" | "constant" };
/** The same elements, or the first of them, under another shape or another gradient; costs nothing. */
export type Alias = Base & { readonly kind: "alias" };
/** Inputs of the result's shape, element by element. `wgsl` is generic over scalar and vec4:
 * `F` is the float type at hand and `U` the unsigned one. */
export type Pointwise = Base & {
  readonly kind: "pointwise";
  readonly wgsl: (...operands: string[]) => string;
};
/** One input repeated along the axes that it lacks. */
export type Broadcast = Base & { readonly kind: "broadcast" };
/** One input [outer, length, inner] combined over its middle. */
export type Reduce = Base & { readonly kind: "reduce"; readonly combine: "sum" | "max" };
/** Anything with kernels of its own. The last buffer of the last step is the node. */
export type Kernels = Base & {
  readonly kind: "kernels";
  readonly lower: (node: Tensor, target: Target) => readonly Step[];
};
export type Operation = Leaf | Alias | Pointwise | Broadcast | Reduce | Kernels;

let nextId = 0;

/** Where Node and Deno look for what an object wants to be shown as. */
const INSPECT = Symbol.for("nodejs.util.inspect.custom");

export class Tensor {
  /** Grows with creation, so that sorting by it puts inputs before results. */
  readonly id = nextId++;
  /** Number of elements. */
  readonly size: number;
  readonly origin: Origin = currentOrigin();

  constructor(
    readonly operation: Operation,
    readonly inputs: readonly Tensor[],
    readonly shape: Shape,
    readonly dtype: DType = "f32",
    readonly attributes: Attributes = {},
  ) {
    checkExtents(operation.name, shape);
    this.size = numel(shape);
  }

  get rank(): number {
    return this.shape.length;
  }

  toString(): string {
    return `${this.operation.name} ${showShape(this.shape)}`;
  }

  /** What `console.log` shows: a tensor is a node of a graph, and has no value before it is computed. */
  [INSPECT](): string {
    const { layer, order } = this.origin;
    const where = [layer && `in ${layer}`, order > 0 && `gradient of order ${order}`];
    const of = this.inputs.map((input) => `${input}`).join(", ");
    return [`Tensor ${this} ${this.dtype}`, of && `of ${of}`, ...where].filter((part) => part)
      .join("; ");
  }
}

/** Values of a variable that are shown. */
const SHOWN = 6;

/** Throws a UserError unless all operands are tensors; there are callers without types. */
export function requireTensors(operation: string, ...operands: readonly unknown[]): void {
  for (const [i, operand] of operands.entries()) {
    if (operand instanceof Tensor) continue;
    const given = typeof operand === "string" ? JSON.stringify(operand) : String(operand);
    throw shapeError(operation, `operand ${i} must be a tensor, and is ${given}`);
  }
}

export const VARIABLE: Operation = { name: "variable", kind: "variable" };
export const INPUT: Operation = { name: "input", kind: "input" };
export const CONSTANT: Operation = { name: "constant", kind: "constant" };

/** A tensor that keeps its value between runs: parameters, statistics, data sets, metrics. */
export class Variable extends Tensor {
  /** @param initial the value it starts with, row-major */
  constructor(readonly label: string, shape: Shape, readonly initial: HostArray) {
    super(VARIABLE, [], shape, initial instanceof Uint32Array ? "u32" : "f32");
    if (initial.length !== this.size) {
      throw shapeError(`variable ${label}`, `${initial.length} values given`, shape);
    }
  }

  override toString(): string {
    return `variable ${this.label} ${showShape(this.shape)}`;
  }

  /** With the values that it starts with. */
  override [INSPECT](): string {
    const values = [...this.initial.subarray(0, SHOWN)].map((v) => `${Number(v.toPrecision(4))}`);
    const rest = this.size > SHOWN ? [`.. (${this.size} values)`] : [];
    const shown = [...values, ...rest].join(", ");
    return `Variable ${this.label} ${showShape(this.shape)} ${this.dtype}: ${shown}`;
  }
}

/** A variable and the value it takes at the end of each run of a plan. */
export type AssignmentPair = readonly [target: Variable, value: Tensor];

/** A tensor that the host feeds at every run: batch indices, the learning rate, the step. */
export class Input extends Tensor {
  constructor(readonly label: string, shape: Shape, dtype: DType = "f32") {
    super(INPUT, [], shape, dtype);
  }

  override toString(): string {
    return `input ${this.label} ${showShape(this.shape)}`;
  }

  override [INSPECT](): string {
    return `Input ${this.label} ${showShape(this.shape)} ${this.dtype}`;
  }
}

/** A scalar known when the graph is built; becomes a literal in the kernels that use it. */
class Constant extends Tensor {
  constructor(readonly value: number, dtype: DType) {
    super(CONSTANT, [], [], dtype, { value });
  }
}

/**
 * A scalar known when the graph is built.
 * @throws UserError where its type can't hold it: WGSL has no literals for infinity and NaN
 */
export function constant(value: number, dtype: DType = "f32"): Tensor {
  const held = dtype === "f32" ? Number.isFinite(Math.fround(value)) : value >>> 0 === value;
  if (!held) throw shapeError("constant", `${value} is no ${dtype}`);
  return new Constant(value, dtype);
}

/** The value of a constant scalar, or undefined. */
export function constantValue(tensor: Tensor): number | undefined {
  if (tensor instanceof Constant) return tensor.value;
  if (tensor.operation.kind === "broadcast") return constantValue(tensor.inputs[0]);
  return undefined;
}
