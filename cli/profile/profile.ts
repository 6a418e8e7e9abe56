/** Profiles a step: runs it, and brings together what was measured. */

import { expand } from "../../engine/gpu/expand.ts";
import type { Roofline } from "../../engine/gpu/roofline.ts";
import type { MemoryUse } from "../../engine/plan/allocate.ts";
import type { Plan } from "../../engine/plan/plan.ts";
import { type HostSpans, PlanProfiler, type TimedStep } from "../../engine/plan/profile.ts";
import {
  entriesOf,
  type Entry,
  type LayerRow,
  layerRows,
  median,
  type Row,
  rowsBy,
  totalRow,
} from "../../engine/plan/report.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import type { Subject } from "./stage.ts";

/** Times are in milliseconds and, but for the first step's, medians or means over the steps. */
export interface Profile {
  /** As the step is run in training: steps queued one behind the other. */
  readonly step: {
    readonly firstMs: number;
    readonly ms: number;
    readonly imagesPerSecond: number;
  };
  readonly roofline: Roofline;
  readonly host: Readonly<Record<keyof HostSpans, number>>;
  readonly counts: {
    readonly dispatches: number;
    /** Operands copied to textures, and the places at which the pass is interrupted for them. */
    readonly copies: number;
    readonly interruptions: number;
    readonly submits: 1;
  };
  readonly pipelines: { readonly count: number; readonly ms: number };
  readonly memory: MemoryUse;
  readonly total: Row;
  readonly operations: readonly Row[];
  readonly kernels: readonly Row[];
  readonly layers: readonly LayerRow[];
  readonly dispatches: readonly Entry[];
  readonly steps: readonly TimedStep[];
}

/** Steps of which the host's time is taken. */
const HOST_STEPS = 3;

/** How many steps are run in all. */
export const profiledSteps = (steps: number) => 1 + 2 * steps + HOST_STEPS;

/**
 * Runs the step once to have everything compiled, then `steps` times as it is and `steps` times
 * with timestamps.
 * @param onStep is told how many steps are done; may throw to stop
 */
export async function profile(
  runtime: Runtime,
  { plan, feeds }: Subject,
  roofline: Roofline,
  { steps, batch }: { readonly steps: number; readonly batch: number },
  onStep: (done: number) => void,
): Promise<Profile> {
  const profiler = await PlanProfiler.make(runtime, plan);
  try {
    const firstMs = -performance.now() + (profiler.run(await feeds(0)), await profiler.finish());
    onStep(1);

    const begun = performance.now();
    for (let k = 0; k < steps; k++) profiler.run(await feeds(k));
    const ms = (await profiler.finish() - begun) / steps;
    onStep(steps + 1);

    // A submission waits for the ones before where they are many; the host's own time is seen on
    // an idle device only.
    const hosts: HostSpans[] = [];
    for (let k = 0; k < HOST_STEPS; k++) {
      hosts.push(profiler.run(await feeds(k)));
      await profiler.finish();
      onStep(steps + k + 2);
    }

    const timed: TimedStep[] = [];
    for (let k = 0; k < steps; k++) {
      timed.push(await profiler.time(await feeds(k)));
      onStep(steps + HOST_STEPS + k + 2);
    }
    runtime.gpu.check();
    const entries = entriesOf(plan.dispatches, timed);
    return {
      step: { firstMs, ms, imagesPerSecond: 1000 * batch / ms },
      roofline,
      host: medianHost(hosts),
      counts: countsOf(plan),
      pipelines: pipelinesOf(runtime, plan),
      memory: plan.memory,
      total: totalRow(entries, roofline),
      operations: rowsBy(entries, roofline, ({ operation }) => operation),
      kernels: rowsBy(entries, roofline, ({ kernel }) => kernel),
      layers: layerRows(entries, roofline),
      dispatches: entries,
      steps: timed,
    };
  } finally {
    profiler.destroy();
  }
}

function medianHost(hosts: readonly HostSpans[]) {
  const of = (part: keyof HostSpans) =>
    median(hosts.map((host) => host[part].end - host[part].begin));
  return { feed: of("feed"), encode: of("encode"), submit: of("submit") };
}

function countsOf({ dispatches }: Plan): Profile["counts"] {
  const copying = dispatches.filter(({ copies }) => copies.length > 0);
  return {
    dispatches: dispatches.length,
    copies: copying.reduce((sum, { copies }) => sum + copies.length, 0),
    interruptions: copying.length,
    submits: 1,
  };
}

function pipelinesOf({ compileTimes }: Runtime, { dispatches }: Plan): Profile["pipelines"] {
  const sources = [...new Set(dispatches.map(({ kernel }) => kernel.source))];
  const ms = sources.reduce((sum, source) => sum + (compileTimes.get(source) ?? 0), 0);
  return { count: sources.length, ms };
}

/** The plan's shaders as the driver gets them, each with a file name of its own. */
export function shadersOf({ dispatches }: Plan): { name: string; text: string }[] {
  const kernels = new Map(dispatches.map(({ kernel }) => [kernel.source, kernel]));
  return [...kernels.values()].map(({ label, source }, k) => {
    const title = label.replaceAll("->", "to").replace(/[^\w.]+/g, "-").slice(0, 80);
    const number = String(k + 1).padStart(3, "0");
    return { name: `${number}-${title}.wgsl`, text: `// ${label}\n\n${expand(source)}` };
  });
}
