/**
 * Steps as training runs them, each submitted as soon as its images are there, and how long the
 * device had nothing to do meanwhile:
 *
 *     waited = |[end of the step before, begin of the step] and [images asked for, images there]|
 *
 * The first is told by the device's clock, by passes between the steps that do nothing else; the
 * second by the host's. What the host needs to record and hand over a step is not counted.
 */

import type { Gpu } from "../gpu/adapter.ts";
import { type Span, Timestamps } from "../gpu/timestamps.ts";
import type { Feed } from "../plan/plan.ts";
import type { PlanProfiler } from "./profiler.ts";

/** How long the device waited for images, in all steps but the first, which has none before it. */
export interface Waited {
  /** Milliseconds a step. */
  readonly ms: number;
  /** Of the time that those steps took. */
  readonly share: number;
}

/**
 * Milliseconds a step, and what of it was waiting.
 * @param feeds what the next step is fed, when its images are there
 */
export async function runInTurn(
  gpu: Gpu,
  profiler: PlanProfiler,
  steps: number,
  feeds: () => Promise<readonly Feed[]>,
): Promise<{ readonly ms: number; readonly waited: Waited }> {
  const stamps = await Timestamps.make(gpu, 2 * steps);
  const submit = (record: (encoder: GPUCommandEncoder) => void) => {
    const encoder = gpu.device.createCommandEncoder();
    record(encoder);
    gpu.device.queue.submit([encoder.finish()]);
  };
  const mark = (k: number) =>
    submit((encoder) => encoder.beginComputePass({ timestampWrites: stamps.pass(k) }).end());
  try {
    const asked: Span[] = [];
    const begun = performance.now();
    for (let k = 0; k < steps; k++) {
      const begin = performance.now();
      const values = await feeds();
      asked.push({ begin, end: performance.now() });
      mark(2 * k);
      profiler.run(values);
      mark(2 * k + 1);
    }
    const ms = (await profiler.finish() - begun) / steps;
    submit((encoder) => stamps.resolve(encoder));
    return { ms, waited: waitedFor(asked, await stamps.read()) };
  } finally {
    stamps.destroy();
  }
}

/**
 * @param asked for each step, from when its images are asked for to when they are there
 * @param marks two for each step, before and after it on the device
 */
export function waitedFor(asked: readonly Span[], marks: readonly Span[]): Waited {
  const waits = asked.slice(1).map((images, k) =>
    common(images, { begin: marks[2 * k + 1].end, end: marks[2 * k + 2].begin })
  );
  if (waits.length === 0) return { ms: 0, share: 0 };
  const sum = waits.reduce((sum, wait) => sum + wait, 0);
  return { ms: sum / waits.length, share: sum / (marks.at(-1)!.begin - marks[1].end) };
}

/** How long two spans have in common. */
const common = (a: Span, b: Span): number =>
  Math.max(0, Math.min(a.end, b.end) - Math.max(a.begin, b.begin));
