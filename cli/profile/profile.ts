/** Profiles a step: runs it, and brings together what was measured. */

import { render } from "../../engine/gpu/render.ts";
import { better, measureRoofline, type Roofline } from "../../engine/gpu/roofline.ts";
import type { MemoryUse } from "../../engine/plan/allocate.ts";
import type { Plan } from "../../engine/plan/plan.ts";
import { runInTurn, type Waited } from "../../engine/profile/in_turn.ts";
import { type HostSpans, PlanProfiler, type TimedStep } from "../../engine/profile/profiler.ts";
import {
  entriesOf,
  type Entry,
  type LayerRow,
  layerRows,
  type Row,
  rowsBy,
  totalRow,
} from "../../engine/profile/report.ts";
import type { Runtime } from "../../engine/plan/runtime.ts";
import { median } from "../../engine/averages.ts";
import { readingRate } from "./data.ts";
import type { Subject } from "./stage.ts";

/** Times are in milliseconds and, but for the first step's, medians or means over the steps. */
export interface Profile {
  /** As the step is run in training: steps queued one behind the other. */
  readonly step: {
    readonly firstMs: number;
    readonly ms: number;
    readonly imagesPerSecond: number;
  };
  readonly data: {
    /** How long the device had nothing to do as the images weren't there. */
    readonly waited: Waited;
    /** Read with nothing else to do; absent where they are in memory, or too few. */
    readonly imagesPerSecond?: number;
  };
  readonly roofline: Roofline;
  readonly host: Readonly<Record<keyof HostSpans | "encodingAlone", number>>;
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

export interface ProfileOptions {
  readonly steps: number;
  /** Parts of a module's path by which layers are told apart; all of them where absent. */
  readonly depth?: number;
}

/** Steps of which the host's time is taken. */
const HOST_STEPS = 3;

/** How many steps are run in all. */
export const profiledSteps = (steps: number) => 1 + 2 * steps + HOST_STEPS;

/**
 * Runs the step once to have everything compiled, then `steps` times as it is and `steps` times
 * with timestamps; before and after, the roofline is measured.
 * @param onStep is told how many steps are done; may throw to stop
 */
export async function profile(
  runtime: Runtime,
  { plan, feeds, modules, split, batch }: Subject,
  { steps, depth }: ProfileOptions,
  onStep: (done: number) => void,
): Promise<Profile> {
  const before = await measureRoofline(runtime.gpu);
  const profiler = await PlanProfiler.make(runtime.gpu, plan);
  try {
    let step = 0;
    const next = () => feeds(step++);
    const inTurn = (count: number) => runInTurn(runtime.gpu, profiler, count, next);
    const { ms: firstMs } = await inTurn(1);
    onStep(1);
    const { ms, waited } = await inTurn(steps);
    onStep(1 + steps);

    // A submission waits for the ones before where they are many; the host's own time is seen on
    // an idle device only.
    const hosts: HostSpans[] = [];
    const encodingAlone = profiler.timeEncoding();
    for (let k = 0; k < HOST_STEPS; k++) {
      hosts.push(profiler.run(await next()));
      await profiler.finish();
      onStep(steps + k + 2);
    }

    const timed: TimedStep[] = [];
    for (let k = 0; k < steps; k++) {
      timed.push(await profiler.time(await next()));
      onStep(steps + HOST_STEPS + k + 2);
    }
    // The images of the step to come were read ahead.
    const imagesPerSecond = await readingRate(split, (step + 1) * batch);
    const roofline = better(before, await measureRoofline(runtime.gpu));
    runtime.gpu.check();
    const entries = entriesOf(plan.dispatches, timed);
    return {
      step: { firstMs, ms, imagesPerSecond: 1000 * batch / ms },
      data: { waited, imagesPerSecond },
      roofline,
      host: { ...medianHost(hosts), encodingAlone },
      counts: countsOf(plan),
      pipelines: pipelinesOf(runtime, plan),
      memory: plan.memory,
      total: totalRow(entries, roofline),
      operations: rowsBy(entries, roofline, ({ operation }) => operation),
      kernels: rowsBy(entries, roofline, ({ kernel }) => kernel),
      layers: layerRows(entries, roofline, modules, depth),
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
  const texts = [...new Set(dispatches.map(({ kernel }) => render(kernel)))];
  const ms = texts.reduce((sum, text) => sum + (compileTimes.get(text) ?? 0), 0);
  return { count: texts.length, ms };
}
