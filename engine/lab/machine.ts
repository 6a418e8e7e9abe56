/**
 * A step of a network as a machine: the kernels that a plan makes of it, in order, each told apart by
 * the layer that it belongs to and by how often that was differentiated, with what lies in memory
 * while it runs. Nothing of it needs a device.
 */

import type { Constraint } from "../doctor/constraint.ts";
import { undiagnosed } from "../doctor/penalty.ts";
import type { Module } from "../nn/module.ts";
import { type Layout, layOut, lifetimes, type MemoryUse } from "../plan/allocate.ts";
import type { Dispatch } from "../plan/dispatch.ts";
import { type PlanSpec, trace } from "../plan/plan.ts";
import { simplify } from "../plan/simplify.ts";
import type { Target } from "../gpu/kernels/target.ts";
import { ancestors, gradOrZeros } from "../tensor/autograd.ts";
import { inLayer } from "../tensor/origin.ts";
import { mul, sub } from "../tensor/pointwise.ts";
import { type AssignmentPair, Input, type Tensor } from "../tensor/tensor.ts";
import { forward } from "../train/graph.ts";
import { lossOf } from "../train/loss.ts";
import { StepState } from "../train/state.ts";
import { shownOf } from "./graph.ts";
import { simplified, type StepNode, stepNodes } from "./machine_graph.ts";

export interface StepShape {
  readonly batch: number;
  /** Height and width of the images. */
  readonly size: number;
  readonly channels: number;
  readonly classes: number;
}

/** What is done with a batch; treating trains with a constraint on gradients. */
export type Purpose = "evaluate" | "train" | { readonly treat: Constraint };

/** A step's graph: what it leaves, and what it is fed. */
export interface StepGraph {
  readonly spec: PlanSpec<"logits">;
  readonly inputs: readonly Input[];
  /** What the network calls its parameters and statistics. */
  readonly names: ReadonlyMap<Tensor, string>;
}

/** A step of plain gradient descent, or the scores of a batch. */
export function stepGraph(
  network: Module,
  { batch, size, channels, classes }: StepShape,
  purpose: Purpose,
): StepGraph {
  const images = new Input("images", [batch, size, size, channels]);
  const labels = new Input("labels", [batch], "u32");
  const key = new Input("key", [2], "u32");
  const rate = new Input("learning rate", []);
  const training = purpose !== "evaluate";
  const names = new Map([...network.namedState()].map(([name, variable]) => [variable, name]));
  const { graph, updates } = forward(network, { images, labels }, key, { training });
  if (!training) return { ...specOf({ outputs: { logits: graph.logits } }), names };
  const penalty = purpose === "train" ? undefined : undiagnosed(network, classes, purpose.treat);
  const loss = lossOf(graph, { penalty }, new StepState());
  const parameters = [...network.namedParameters()].map(([, parameter]) => parameter);
  const gradients = gradOrZeros(loss.value, parameters);
  const trained = inLayer("(update)", () =>
    parameters.map((parameter, i): AssignmentPair => [
      parameter,
      sub(parameter, mul(gradients[i], rate)),
    ]));
  return { ...specOf({ assign: [...updates, ...trained] }), names };
}

function specOf(spec: PlanSpec<"logits">): Omit<StepGraph, "names"> {
  const nodes = ancestors(...valuesOf(spec));
  return { spec, inputs: nodes.filter((node) => node instanceof Input) };
}

const valuesOf = ({ outputs, assign = [] }: PlanSpec): Tensor[] => [
  ...Object.values(outputs ?? {}),
  ...assign.map(([, value]) => value),
];

/** A kernel at its place in the plan. */
export interface Part {
  readonly dispatch: Dispatch;
  readonly operation: string;
  readonly layer: string;
  /** 0 forward, 1 gradient, 2 gradient of a gradient; see tensor/origin.ts. */
  readonly order: number;
  /** Bytes of intermediate values that are in use while it runs. */
  readonly alive: number;
}

/** An intermediate value that has memory. */
export interface Value {
  readonly bytes: number;
  /** The kernel that writes it first, and the last that touches it. */
  readonly from: number;
  readonly to: number;
  /** Which of the buffers it lies in; no other value does at that time. */
  readonly buffer: number;
}

export interface Machine {
  readonly parts: readonly Part[];
  /** In the order of the buffers, then of time. */
  readonly values: readonly Value[];
  /** Bytes of each buffer that values lie in, one after the other. */
  readonly buffers: readonly number[];
  readonly memory: MemoryUse;
  /** How many operations were written. */
  readonly written: number;
  /** Those that simplifying left. */
  readonly operations: readonly StepNode[];
}

export function machineOf({ spec, names }: StepGraph, target: Target): Machine {
  const values = valuesOf(spec);
  const graph = simplify(values);
  const simple = simplified(spec, graph);
  const { dispatches, kept } = trace(simple, target);
  const layout = layOut(dispatches, kept);
  const own = layout.buffers.filter(({ holds }) => !(holds[0] instanceof Input));
  const placed = valuesIn(own, lifetimes(dispatches, kept), dispatches.length - 1);
  return {
    parts: dispatches.map((dispatch, at): Part => ({
      dispatch,
      operation: dispatch.node.operation.name,
      ...dispatch.node.origin,
      alive: aliveAt(placed, at).reduce((sum, { bytes }) => sum + bytes, 0),
    })),
    values: placed,
    buffers: own.map(({ bytes }) => bytes),
    memory: layout.use,
    written: shownOf(ancestors(...values)).filter(({ inputs }) => inputs.length > 0).length,
    operations: stepNodes(simple, graph, dispatches, new Map(names)),
  };
}

/** The values that are in memory while a kernel runs. */
export const aliveAt = (values: readonly Value[], at: number): Value[] =>
  values.filter(({ from, to }) => from <= at && at <= to);

/** @param last the last kernel; what is kept lives until then */
function valuesIn(
  buffers: Layout["buffers"],
  spans: ReturnType<typeof lifetimes>,
  last: number,
): Value[] {
  return buffers.flatMap(({ holds }, buffer) =>
    holds.map((storage): Value => {
      const { bytes, from, to } = spans.get(storage)!;
      return { bytes, from, to: Math.min(to, last), buffer };
    }).sort((a, b) => a.from - b.from)
  );
}
