/**
 * The parts of a plan that can run alone: kernels that hand memory of their own to each other, such
 * as the parts of a sum and what adds them, are one unit.
 */

import type { Kernel } from "../gpu/kernel.ts";
import { render } from "../gpu/render.ts";
import { type Dispatch, type Storage, written } from "../plan/dispatch.ts";
import { Tensor } from "../tensor/tensor.ts";

export interface Unit {
  readonly dispatches: readonly Dispatch[];
  /** What it reads of what was there before, and what it leaves. */
  readonly reads: readonly Tensor[];
  readonly writes: readonly Tensor[];
}

/** A kernel, and where in a plan it is found first. */
export interface PlannedKernel {
  readonly kernel: Kernel;
  readonly unit: Unit;
  /** Its place in the unit. */
  readonly at: number;
  /** Dispatches with the same text. */
  readonly calls: number;
}

/** The units of a plan, in order. */
export function unitsOf(dispatches: readonly Dispatch[]): Unit[] {
  const groups: Dispatch[][] = [];
  for (const dispatch of dispatches) {
    const last = groups.at(-1);
    if (last?.[0].node === dispatch.node) last.push(dispatch);
    else groups.push([dispatch]);
  }
  return groups.map(unitOf);
}

function unitOf(dispatches: readonly Dispatch[]): Unit {
  const tensors = (storages: Iterable<Storage>) =>
    [...new Set(storages)].filter((storage) => storage instanceof Tensor);
  const writes = tensors(dispatches.flatMap(written));
  const all = tensors(dispatches.flatMap(({ buffers }) => buffers));
  return { dispatches, writes, reads: all.filter((tensor) => !writes.includes(tensor)) };
}

/** The kernels of a plan with different texts, in the order in which they first run. */
export function kernelsOf(dispatches: readonly Dispatch[]): PlannedKernel[] {
  const found = new Map<string, PlannedKernel>();
  for (const unit of unitsOf(dispatches)) {
    for (const [at, { kernel }] of unit.dispatches.entries()) {
      const text = render(kernel);
      const known = found.get(text) ?? { kernel, unit, at, calls: 0 };
      found.set(text, { ...known, calls: known.calls + 1 });
    }
  }
  return [...found.values()];
}

/** The unit with another kernel in the place of one. */
export function withKernel({ unit, at }: PlannedKernel, kernel: Kernel): Unit {
  return { ...unit, dispatches: unit.dispatches.with(at, { ...unit.dispatches[at], kernel }) };
}
