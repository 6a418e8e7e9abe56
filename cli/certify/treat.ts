/**
 * A treatment on this adapter: a few steps with the constraint, whose losses must be those of the
 * same steps in float64; then the whole of `treat`, timed.
 */

import type { Finding, PartOf } from "../../engine/certify/certificate.ts";
import { type Losses, trajectory } from "../../engine/certify/trajectory.ts";
import { treat } from "../../engine/doctor/treat.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { RunFolder } from "../../engine/run/run_folder.ts";
import { openData } from "../data.ts";
import { constraintOf } from "../constraint_flags.ts";
import { parseFlags } from "../framework/flags.ts";
import { madeUpPenalty, openMadeUp } from "../profile/stage.ts";
import { treatFlags } from "../treat_flags.ts";
import { prepare } from "../treatment.ts";
import { type Part, type Session, untuned } from "./part.ts";
import { stageArgs } from "./steps.ts";

/** Steps of so many images, as float64 takes a second or so for each. */
const STEPS = 4, BATCH = 8;
const LR = 0.01;
/**
 * Relative, of the first step's loss and of those after it: rounding, and then now and then a ReLU
 * that is open in one and shut in the other, by which gradients differ as a whole.
 */
const FIRST_TOLERANCE = 1e-5, TOLERANCE = 1e-3;

/** A whole treatment: as it is by default on a GPU, and a short one elsewhere. */
const SHORT = ["--limit=100", "--epochs=1", "--treat-epochs=1", "--measures=fgsm"];

export const treatPart: Part = {
  name: "treat",
  needs: 45,
  async run(session: Session): Promise<Finding<"treat">> {
    const losses = await stepsInFloat64(session);
    const flags = session.gpu.isCpu ? [...SHORT, `--width=${session.width}`] : [];
    const { stages, epochs } = await timed(session, flags);
    return {
      ...{ kind: "treat", losses, flags, stages, epochs },
      wrong: [
        ...losses.flatMap((of, k) =>
          isNear(of, k)
            ? []
            : [`step ${k + 1} shows a loss of ${of.here}, and must show ${of.float64}`]
        ),
        ...epochs.flatMap(({ stage, epoch, loss }) =>
          Number.isFinite(loss) ? [] : [`${stage}: the loss of epoch ${epoch} is not finite`]
        ),
      ],
      remarkable: [],
    };
  },
};

const isNear = ({ here, float64 }: Losses, step: number): boolean =>
  Math.abs(here - float64) <= (step === 0 ? FIRST_TOLERANCE : TOLERANCE) * Math.abs(float64);

async function stepsInFloat64({ gpu, width, progress }: Session): Promise<Losses[]> {
  const args = stageArgs("small", "treat", { batch: STEPS * BATCH, width });
  const { set, network, entry } = await openMadeUp(args);
  const constraint = constraintOf(args, network, set, entry.featureLayer);
  const penalty = madeUpPenalty(network, set, constraint);
  const options = { seed: 0, momentum: 0.9, weightDecay: 5e-4, penalty };
  const runtime = new Runtime(gpu, untuned(gpu));
  try {
    return await trajectory(runtime, network, set, {
      ...options,
      ...{ batch: BATCH, steps: STEPS, lr: LR },
    }, (done) => progress(done, STEPS + 1));
  } finally {
    runtime.destroy();
  }
}

/** All that `treat` does, in a folder that is thrown away. */
async function timed({ gpu, signal }: Session, flags: readonly string[]) {
  const args = parseFlags(treatFlags, flags);
  const set = await openData(args, signal);
  const { network, set: examined, options } = await prepare(args, set);
  const path = await Deno.makeTempDir({ prefix: "certify" });
  const runtime = new Runtime(gpu, untuned(gpu));
  const epochs: PartOf<"treat">["epochs"] = [];
  const quiet = () => {};
  try {
    const folder = await RunFolder.create(path, { command: "treat", ...args });
    const { seconds } = await treat(runtime, network, examined, folder, options, {
      ...{ signal, stage: quiet, progress: quiet, looked: quiet, note: quiet },
      epoch: ({ stage, epoch, train }) => void epochs.push({ stage, epoch, loss: train.loss }),
    });
    await folder.leave();
    return { stages: { ...seconds }, epochs };
  } finally {
    runtime.destroy();
    await Deno.remove(path, { recursive: true });
  }
}
