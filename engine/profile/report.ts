/**
 * What a profile says: each dispatch's time over some steps, set against the roofline, and sums of
 * them by operation, by kernel and by layer.
 */

import { leastTime, type Roofline, type Work } from "../gpu/roofline.ts";
import type { Span } from "../gpu/timestamps.ts";
import { median } from "../averages.ts";
import { bytesOf } from "../plan/allocate.ts";
import type { Dispatch, Storage } from "../plan/dispatch.ts";
import { type TimedDispatch, type TimedStep } from "./profiler.ts";
import type { Command } from "../plan/record.ts";

/** What one dispatch does, or the copies before it. */
export interface Task extends Work {
  /** 1, or the number of copies. */
  readonly calls: number;
  /** The kernel's label. */
  readonly kernel: string;
  /** The operation's name; "pointwise" and "reduce" for fused chains. */
  readonly operation: string;
  readonly layer: string;
  /** 0 forward, 1 gradient, 2 gradient of a gradient. */
  readonly order: number;
}

export interface Entry extends Task {
  /** Milliseconds, the median over the steps. */
  readonly ms: number;
}

/** Entries that have something in common. */
export interface Row extends Work {
  readonly name: string;
  readonly calls: number;
  readonly ms: number;
  /** Of the time of all entries, 0 .. 1. */
  readonly share: number;
  /** 10^9 a second. */
  readonly gflops: number;
  readonly gbPerSecond: number;
  /** The least time that the roofline allows, over the time taken. */
  readonly roofline: number;
  /** The roof that most of that least time lies under. */
  readonly bound: "compute" | "memory";
}

/** A layer's time by order of differentiation. */
export interface LayerRow extends Row {
  /** Milliseconds: forward, gradient, gradient of a gradient. */
  readonly byOrder: readonly [number, number, number];
}

/** The name under which copies to textures stand among the kernels. */
export const COPIES = "copy to texture";

/** The dispatches of a plan with the median of their times. */
export function entriesOf(
  dispatches: readonly Command[],
  steps: readonly TimedStep[],
): Entry[] {
  return dispatches.flatMap(({ kernel, node, copies }, at) => {
    const msOf = (part: (timed: TimedDispatch) => Span) =>
      median(steps.map((step) => part(step.dispatches[at])).map(({ begin, end }) => end - begin));
    const own = { ...taskOf({ kernel, node }), ms: msOf((timed) => timed.kernel) };
    if (copies.length === 0) return [own];
    return [{ ...own, ...copiesTask(copies), ms: msOf((timed) => timed.copies!) }, own];
  });
}

/** What a dispatch does. */
export function taskOf({ kernel, node }: Pick<Dispatch, "kernel" | "node">): Task {
  const { layer, order } = node.origin;
  const { flops, bytes, label } = kernel;
  const operation = node.operation.kind === "kernels" || node.operation.kind === "reduce"
    ? node.operation.name
    : "pointwise";
  return { calls: 1, kernel: label, operation, layer, order, flops, bytes };
}

/** What copies to textures do, together. */
export const copiesTask = (copies: readonly { readonly storage: Storage }[]) => ({
  ...{ calls: copies.length, kernel: COPIES, operation: COPIES, flops: 0 },
  bytes: copies.reduce((sum, { storage }) => sum + 2 * bytesOf(storage), 0),
});

/**
 * Sums by a name, the slowest first.
 * @param most names; the others are one row, the last
 */
export function rowsBy(
  entries: readonly Entry[],
  roofline: Roofline,
  name: (entry: Entry) => string,
  most = Infinity,
): Row[] {
  const total = sum(entries, ({ ms }) => ms);
  const rows = [...Map.groupBy(entries, name)]
    .map(([name, own]) => rowOf(name, own, roofline, total))
    .sort((a, b) => b.ms - a.ms);
  const others = new Set(rows.slice(most).map(({ name }) => name));
  if (others.size < 2) return rows;
  const rest = entries.filter((entry) => others.has(name(entry)));
  return [...rows.slice(0, most), rowOf(`(${others.size} others)`, rest, roofline, total)];
}

/**
 * Sums by layer, in the order of the network's modules; what belongs to none comes last.
 * @param modules the names of all
 * @param depth the parts of a module's path that count; "a.b" and "a.c" are one at 1
 */
export function layerRows(
  entries: readonly Entry[],
  roofline: Roofline,
  modules: readonly string[],
  depth = Infinity,
): LayerRow[] {
  const total = sum(entries, ({ ms }) => ms);
  const group = ({ layer }: Entry) => layer.split(".").slice(0, depth).join(".") || "(other)";
  const place = new Map(modules.map((name, k) => [name, k]));
  const rows = [...Map.groupBy(entries, group)].map(([name, own]): LayerRow => {
    const during = (order: (of: number) => boolean) =>
      sum(own.filter((entry) => order(entry.order)), ({ ms }) => ms);
    return {
      ...rowOf(name, own, roofline, total),
      byOrder: [during((o) => o === 0), during((o) => o === 1), during((o) => o > 1)],
    };
  });
  const placeOf = ({ name }: Row) => place.get(name) ?? modules.length;
  return rows.sort((a, b) => placeOf(a) - placeOf(b));
}

/** All entries as one row. */
export function totalRow(entries: readonly Entry[], roofline: Roofline): Row {
  return rowOf("total", entries, roofline, sum(entries, ({ ms }) => ms));
}

function rowOf(name: string, entries: readonly Entry[], roofline: Roofline, total: number): Row {
  const [flops, bytes, ms] = (["flops", "bytes", "ms"] as const)
    .map((key) => sum(entries, (entry) => entry[key]));
  // Least times add up kernel by kernel: what one leaves of a roof is of no use to another.
  const least = entries.map((entry) => leastTime(roofline, entry));
  const under = (bound: string) => sum(least, (l) => (l.bound === bound ? l.ms : 0));
  return {
    name,
    calls: sum(entries, ({ calls }) => calls),
    ms,
    share: ms / total,
    flops,
    bytes,
    gflops: flops / ms / 1e6,
    gbPerSecond: bytes / ms / 1e6,
    roofline: sum(least, ({ ms }) => ms) / ms,
    bound: under("compute") > under("memory") ? "compute" : "memory",
  };
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}
