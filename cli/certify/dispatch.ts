/** What a kernel costs that does next to nothing, on the device and on the host, and a readback. */

import type { Finding } from "../../engine/certify/certificate.ts";
import { median } from "../../engine/averages.ts";
import type { Plan } from "../../engine/plan/plan.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { PlanProfiler } from "../../engine/profile/profiler.ts";
import { mul, sum, type Tensor, Variable } from "../../engine/tensor/mod.ts";
import { Stopwatch } from "../bench/stopwatch.ts";
import { uniformValues } from "../bench/values.ts";
import { type Part, type Session, untuned } from "./part.ts";

/** Kernels in a row. */
const KERNELS = 256;
const SIDE = 8;
const ROUNDS = 5;
/** Milliseconds of work in a round. */
const WINDOW = 30;

export const dispatchPart: Part = {
  name: "dispatch",
  needs: 5,
  async run({ gpu }: Session): Promise<Finding<"dispatch">> {
    const runtime = new Runtime(gpu, untuned(gpu));
    const stopwatch = await Stopwatch.make(gpu);
    let plan: Plan<"last"> | undefined;
    try {
      plan = await runtime.plan({ outputs: { last: chain() } });
      const [seconds] = await stopwatch.time([plan], ROUNDS, WINDOW);
      const profiler = await PlanProfiler.make(gpu, plan);
      const hostMs = profiler.timeEncoding();
      profiler.destroy();
      const waits: number[] = [];
      for (let round = 0; round < ROUNDS; round++) {
        const begun = performance.now();
        await plan.read("last");
        waits.push(performance.now() - begun);
      }
      const count = plan.dispatches.length;
      return {
        kind: "dispatch",
        deviceUs: 1e6 * median(seconds) / count,
        hostUs: 1e3 * hostMs / count,
        readbackMs: median(waits),
        wrong: [],
        remarkable: [],
      };
    } finally {
      plan?.destroy();
      stopwatch.destroy();
      runtime.destroy();
    }
  },
};

/** Products of a small matrix with a vector, each of which needs the one before. */
function chain(): Tensor {
  const matrix = new Variable("matrix", [SIDE, SIDE], uniformValues("matrix", SIDE * SIDE, 0.5));
  let vector: Tensor = new Variable("vector", [1, SIDE], uniformValues("vector", SIDE));
  for (let k = 0; k < KERNELS; k++) {
    vector = sum(mul(matrix, vector), [1 - k % 2], { keepDims: true });
  }
  return vector;
}
