/**
 * A classifier's steps (training, treatment, evaluation) on made-up images: their times, their
 * memory, whether every number is finite, and the time of each kind of kernel beside what is predicted.
 */

import type { Finding, PartOf } from "../../engine/certify/certificate.ts";
import { predictedMs, predictedShares } from "../../engine/certify/prediction.ts";
import { constraintIsConstant } from "../../engine/doctor/constant.ts";
import { resolveLayers } from "../../engine/doctor/layers.ts";
import type { Module } from "../../engine/nn/module.ts";
import { bytesInAll } from "../../engine/plan/allocate.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { PlanProfiler } from "../../engine/profile/profiler.ts";
import { entriesOf } from "../../engine/profile/report.ts";
import type { Shape } from "../../engine/tensor/shape.ts";
import { constraintOf } from "../constraint_flags.ts";
import { parseFlags, type Values } from "../framework/flags.ts";
import { openMadeUp, openStage, type Stage, stageFlags } from "../profile/stage.ts";
import { machineOf, type Part, type Session, untuned } from "./part.ts";

const STAGES: readonly Stage[] = ["train", "treat", "eval"];
/** Milliseconds of steps that are timed, in at least and at most so many. */
const WINDOW = 500, LEAST = 2, MOST = 20;
/** Steps of which kernels are timed one by one. */
const TIMED = 3;
/** A step that takes so many times what is predicted wants a look, or one that takes so little. */
const SURPRISE = 1.5;

type Measured = PartOf<"steps">["stages"][number];

export const stepsPart = (model: string): Part => ({
  name: `steps of ${model}`,
  needs: 25,
  async run(session: Session): Promise<Finding<"steps">> {
    const { batch, width } = session;
    const stages: Measured[] = [];
    for (const stage of STAGES) {
      stages.push(await measure(session, stageArgs(model, stage, session)));
      session.progress(stages.length, STAGES.length);
    }
    return {
      ...{ kind: "steps", model, batch, width, stages },
      wrong: stages.filter(({ finite }) => !finite).map(({ stage }) =>
        `${stage} came to a loss or scores that are not finite`
      ),
      remarkable: stages.flatMap(surprises),
    };
  },
});

/** The flags of `profile` for the step. */
export function stageArgs(
  model: string,
  stage: Stage,
  { batch, width }: Pick<Session, "batch" | "width">,
): Values<typeof stageFlags> {
  const of = { model, stage, batch, width, layer: "last" };
  return parseFlags(stageFlags, Object.entries(of).map(([key, value]) => `--${key}=${value}`));
}

/**
 * The last convolution, as the method's authors take; where that is the head itself, as in MobileNetV2,
 * the map that feeds it, for there the constraint would be constant.
 * @param image height, width and channels
 */
export function treatedLayer(network: Module, featureLayer: string, image: Shape): string {
  const [last] = resolveLayers(network, ["last"], featureLayer);
  return constraintIsConstant(network, last, image) ? featureLayer : last;
}

async function measure(session: Session, args: Values<typeof stageFlags>): Promise<Measured> {
  const { gpu, signal } = session;
  const { set, network, entry } = await openMadeUp(args);
  const image = [set.height, set.width, set.channels];
  const layer = [treatedLayer(network, entry.featureLayer, image)];
  const constraint = constraintOf({ ...args, layer }, network, set, entry.featureLayer);
  const runtime = new Runtime(gpu, untuned(gpu));
  const { plan, feeds, read } = await openStage(args.stage, runtime, network, set, constraint);
  const profiler = await PlanProfiler.make(gpu, plan);
  try {
    let step = 0;
    const timed = async (count: number) => {
      const begun = performance.now();
      for (let k = 0; k < count; k++) profiler.run(await feeds(step++));
      const ms = (await profiler.finish() - begun) / count;
      signal.throwIfAborted();
      return ms;
    };
    const firstMs = await timed(1);
    const count = Math.ceil(WINDOW / await timed(1));
    const ms = await timed(Math.min(MOST, Math.max(LEAST, count)));
    const each = [];
    for (let k = 0; k < TIMED; k++) each.push(await profiler.time(await feeds(step++)));
    const values = Array.from(await read());
    gpu.check();
    const shares = predictedShares(entriesOf(plan.dispatches, each), machineOf(session));
    return {
      stage: args.stage,
      ...{ firstMs, ms, imagesPerSecond: 1000 * args.batch / ms },
      memory: bytesInAll(plan.memory),
      dispatches: plan.dispatches.length,
      hostMs: profiler.timeEncoding(),
      finite: values.every(Number.isFinite),
      ...{ predictedMs: predictedMs(shares), shares },
    };
  } finally {
    profiler.destroy();
    plan.destroy();
    runtime.destroy();
  }
}

function surprises({ stage, ms, predictedMs }: Measured): string[] {
  const times = ms / predictedMs;
  if (times < SURPRISE && times > 1 / SURPRISE) return [];
  return [`${stage} takes ${times.toFixed(1)} times the ${predictedMs.toFixed(1)} ms predicted`];
}
