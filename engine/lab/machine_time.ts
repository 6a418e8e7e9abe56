/** How long the kernels of a step take on a device, each between two timestamps. */

import { median } from "../averages.ts";
import type { Feed } from "../plan/plan.ts";
import type { Runtime } from "../plan/runtime.ts";
import { PlanProfiler, type TimedStep } from "../profile/profiler.ts";
import type { HostArray, Input } from "../tensor/tensor.ts";
import type { StepGraph } from "./machine.ts";

/** Steps that are timed, after one that compiles. */
const STEPS = 5;

/**
 * Milliseconds of each kernel, in the plan's order: medians over some steps on made-up images. At a
 * learning rate of nothing the same work is done, and the network stays.
 * @throws UserError (gpu) where the device tells no time, or memory is short
 */
export async function timesOf(runtime: Runtime, { spec, inputs }: StepGraph): Promise<number[]> {
  const plan = await runtime.plan(spec);
  const profiler = await PlanProfiler.make(runtime.gpu, plan).catch((error) => {
    plan.destroy();
    throw error;
  });
  try {
    const feeds = inputs.map((input): Feed => [input, madeUp(input)]);
    profiler.run(feeds);
    await profiler.finish();
    const steps: TimedStep[] = [];
    for (let k = 0; k < STEPS; k++) steps.push(await profiler.time(feeds));
    runtime.gpu.check();
    return plan.dispatches.map((_, at) =>
      median(steps.map(({ dispatches }) => dispatches[at].kernel.end - dispatches[at].kernel.begin))
    );
  } finally {
    profiler.destroy();
    plan.destroy();
  }
}

/** Labels and keys of nothing, a learning rate of nothing, images of anything else. */
function madeUp({ size, dtype, shape }: Input): HostArray {
  if (dtype === "u32") return new Uint32Array(size);
  if (shape.length === 0) return new Float32Array(size);
  return Float32Array.from({ length: size }, (_, i) => (i * 40503 >> 4) % 256 / 128 - 1);
}
