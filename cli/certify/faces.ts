/** The faces of a classifier's convolutions, held to the general kernels and to the roofline. */

import type { Finding } from "../../engine/certify/certificate.ts";
import type { Gpu } from "../../engine/gpu/adapter.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { median } from "../../engine/averages.ts";
import { benchFaces, sharesOfPeak } from "../bench/faces.ts";
import { tracedShapes } from "../bench/shapes.ts";
import { type Part, rooflineOf, type Session, untuned } from "./part.ts";

const ROUNDS = 3;
/** Milliseconds of work in a round. */
const WINDOW = 30;
/** Less of the peak than this is worth a remark. */
const usual = ({ isCpu }: Gpu) => isCpu ? 0.4 : 0.6;

export const facesPart = (model: string): Part => ({
  name: `faces of ${model}`,
  needs: 60,
  async run(session: Session): Promise<Finding<"faces">> {
    const { gpu, batch, signal } = session;
    const runtime = new Runtime(gpu, untuned(gpu));
    try {
      const found = await benchFaces(
        runtime,
        rooflineOf(session),
        await tracedShapes([model], batch),
        {
          ...{ rounds: ROUNDS, window: WINDOW, signal },
          onFace: session.progress,
        },
      );
      return {
        ...{ kind: "faces", model, batch, wrong: [] },
        faces: found.map((of) => ({
          ...{ name: of.name, class: of.class, face: of.face, ms: 1000 * of.seconds },
          ...{ gflops: of.gflops, ofPeak: of.ofPeak, ofAchievable: of.ofAchievable },
          ...{ error: of.error!, flops: of.flops!, work: { ...of.work } },
          gain: of.gains && median(of.gains),
        })),
        remarkable: sharesOfPeak(found).filter(({ share }) => share < usual(gpu)).map((
          { face, share },
        ) =>
          `${face} 3x3, 64 channels or more: ${(100 * share).toFixed(1)} % of the multiply-add ` +
          `peak, where ${100 * usual(gpu)} % are usual`
        ),
      };
    } finally {
      runtime.destroy();
    }
  },
});
