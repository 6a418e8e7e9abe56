/**
 * What tuning would gain: every variant of the kernels of a training step is checked and timed, and
 * the step is then timed with the fastest beside the usual ones. Nothing is kept for later runs; that
 * is what `deno task tune` does.
 */

import { median } from "../../engine/averages.ts";
import type { Finding } from "../../engine/certify/certificate.ts";
import { sameBits } from "../../engine/certify/operations.ts";
import type { Target } from "../../engine/gpu/kernels/target.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { PlanProfiler } from "../../engine/profile/profiler.ts";
import { tunableClasses, tune, type Tuned } from "../../engine/tune/tune.ts";
import { constraintOf } from "../constraint_flags.ts";
import { openMadeUp, openStage } from "../profile/stage.ts";
import { NotHere, type Part, type Session, untuned } from "./part.ts";
import { stageArgs } from "./steps.ts";

/** Steps differ by less from one time to the next. */
const SLOWER = 1.05;
/** Turns of the step without and with, of so many steps each. */
const TURNS = 5, STEPS = 3;

export const tunePart = (model: string): Part => ({
  name: `tune ${model}`,
  needs: 90,
  async run(session: Session): Promise<Finding<"tune">> {
    const { gpu } = session;
    const usual = untuned(gpu);
    const before = await Contender.make(session, model, usual);
    try {
      const found = await tuned(session, before);
      const tuning = new Map(found.map(({ shapeClass, choice }) => [shapeClass, choice.variant]));
      const after = await Contender.make(session, model, { ...usual, tuning });
      try {
        const [untunedMs, tunedMs] = await inTurns([before, after]);
        const same = sameBits(await before.sums(), await after.sums());
        return {
          ...{ kind: "tune", model, untunedMs, tunedMs },
          classes: found.map(({ label, calls, choice, untuned }) => ({
            ...{ label, calls, untuned, ...choice },
          })),
          wrong: [
            ...same ? [] : ["the tuned step shows other losses than the usual one, bit by bit"],
            ...found.flatMap(differing),
          ],
          remarkable: tunedMs > SLOWER * untunedMs
            ? ["the step is slower with what was measured to be the fastest"]
            : [],
        };
      } finally {
        after.release();
      }
    } finally {
      before.release();
    }
  },
});

async function tuned({ gpu, signal, progress }: Session, { plan }: Contender): Promise<Tuned[]> {
  const classes = tunableClasses(plan.dispatches);
  if (classes.length === 0) {
    throw new NotHere("no kernel of the step has variants on this adapter");
  }
  const found: Tuned[] = [];
  for await (const each of tune(gpu, classes)) {
    found.push(each);
    progress(found.length, classes.length);
    signal.throwIfAborted();
  }
  return found;
}

/** Variants that compute something else than the first: that is a fault, and not theirs to decide. */
const differing = ({ label, measured }: Tuned): string[] =>
  measured.filter(({ refused }) => refused?.endsWith("elements differ")).map(({ name, refused }) =>
    `${label}, variant ${name}: ${refused}`
  );

/** A training step with the kernels of a target. */
class Contender {
  private steps = 0;

  private constructor(
    private readonly runtime: Runtime,
    private readonly subject: Awaited<ReturnType<typeof openStage>>,
    private readonly profiler: PlanProfiler,
  ) {}

  static async make(session: Session, model: string, target: Target): Promise<Contender> {
    const args = stageArgs(model, "train", session);
    const { set, network, entry } = await openMadeUp(args);
    const constraint = constraintOf(args, network, set, entry.featureLayer);
    const runtime = new Runtime(session.gpu, target);
    const subject = await openStage("train", runtime, network, set, constraint);
    const profiler = await PlanProfiler.make(session.gpu, subject.plan);
    return new Contender(runtime, subject, profiler);
  }

  get plan() {
    return this.subject.plan;
  }

  /** Milliseconds of a step. */
  async time(steps: number): Promise<number> {
    const begun = performance.now();
    for (let k = 0; k < steps; k++) this.profiler.run(await this.subject.feeds(this.steps++));
    return (await this.profiler.finish() - begun) / steps;
  }

  /** The sums of what all steps so far lost. */
  async sums(): Promise<Float32Array<ArrayBuffer>> {
    return Float32Array.from(await this.subject.read());
  }

  release(): void {
    this.profiler.destroy();
    this.plan.destroy();
    this.runtime.destroy();
  }
}

async function inTurns(contenders: readonly Contender[]): Promise<number[]> {
  for (const contender of contenders) await contender.time(1); // compiles
  const times = contenders.map((): number[] => []);
  for (let turn = 0; turn < TURNS; turn++) {
    for (const [i, contender] of contenders.entries()) times[i].push(await contender.time(STEPS));
  }
  return times.map(median);
}
