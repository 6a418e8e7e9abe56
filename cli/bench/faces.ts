/**
 * The three faces of convolutions against the roofline. Each is held to the general kernels before
 * it is timed, which the tests hold to float64.
 */

import { convStages } from "../../engine/gpu/kernels/conv.ts";
import { general } from "../../engine/gpu/kernels/conv_general.ts";
import {
  convCost,
  convLabel,
  type ConvShape,
  type Face,
} from "../../engine/gpu/kernels/conv_shape.ts";
import { exact, PLAIN, type Target } from "../../engine/gpu/kernels/target.ts";
import { leastTime, type Roofline } from "../../engine/gpu/roofline.ts";
import { ExitCode, UserError } from "../../engine/errors.ts";
import type { Plan } from "../../engine/plan/plan.ts";
import { Runtime } from "../../engine/plan/runtime.ts";
import { conv2d, conv2dInputGrad, conv2dWeightGrad } from "../../engine/tensor/conv.ts";
import { div, sqrt, square, sub } from "../../engine/tensor/pointwise.ts";
import { sum } from "../../engine/tensor/reduce.ts";
import { numel, type Shape } from "../../engine/tensor/shape.ts";
import { splitSum } from "../../engine/tensor/split.ts";
import { Tensor, Variable } from "../../engine/tensor/tensor.ts";
import { geometricMean, median } from "../../engine/averages.ts";
import type { Result } from "./result.ts";
import type { ShapeClass, TracedShape } from "./shapes.ts";
import { Stopwatch } from "./stopwatch.ts";
import { uniformValues } from "./values.ts";

export const FACES: readonly Face[] = ["forward", "input gradient", "weight gradient"];

/** Sums of thousands of float32 products in another order differ by this much. */
const TOLERANCE = 1e-5;

export interface FaceResult extends Result {
  readonly class: ShapeClass;
  readonly models: readonly string[];
  readonly face: Face;
  readonly gflops: number;
  /** Bytes that it has to move at least, every operand once, in 10^9 a second. */
  readonly gbPerSecond: number;
  /** The least time by the roofline over the time, in 0 .. 1. */
  readonly ofAchievable: number;
  /** Operations of the direct way over those of the multiply-add peak; Winograd's can pass 1. */
  readonly ofPeak: number;
  /** Where it goes Winograd's way: the direct way's time over its own, of each round. */
  readonly gains?: readonly number[];
}

export interface FaceOptions {
  readonly rounds: number;
  /** Milliseconds of work in a round. */
  readonly window: number;
  /** Whether it is timed by what the process has of processors, and not by the device's clock. */
  readonly byProcessor?: boolean;
  readonly signal: AbortSignal;
  readonly onFace?: (done: number, total: number) => void;
}

/** @throws UserError (failure) where a kernel computes something else than the general one */
export async function benchFaces(
  runtime: Runtime,
  roofline: Roofline,
  shapes: readonly TracedShape[],
  { rounds, window, byProcessor, signal, onFace }: FaceOptions,
): Promise<FaceResult[]> {
  const stopwatch = await Stopwatch.make(runtime.gpu, byProcessor);
  const results: FaceResult[] = [];
  const total = FACES.length * shapes.length;
  for (const { shape, class: kind, models } of shapes) {
    for (const face of FACES) {
      signal.throwIfAborted();
      onFace?.(results.length, total);
      const timed = await benchFace(runtime, stopwatch, shape, face, rounds, window);
      const { error, seconds, direct } = timed;
      const { flops, bytes } = convCost(shape);
      const time = median(seconds);
      results.push({
        group: `convolution: ${face}`,
        name: convLabel(shape, face),
        work: { kind: "face", face, shape },
        engine: "this engine",
        seconds: time,
        rounds: seconds,
        flops,
        error,
        class: kind,
        models,
        face,
        gflops: flops / time / 1e9,
        gbPerSecond: bytes / time / 1e9,
        ofAchievable: leastTime(roofline, { flops, bytes }).ms / 1000 / time,
        ofPeak: flops / time / 1e9 / roofline.gflops,
        gains: direct?.map((time, k) => time / seconds[k]),
      });
    }
  }
  onFace?.(total, total);
  stopwatch.destroy();
  return results;
}

/** Seconds of a face, and in turns those of the direct way where it goes Winograd's. */
async function benchFace(
  runtime: Runtime,
  stopwatch: Stopwatch,
  shape: ConvShape,
  face: Face,
  rounds: number,
  window: number,
) {
  const { operands, result, reference } = graphOf(shape, face);
  try {
    const error = await validate(runtime, result, reference, convLabel(shape, face));
    const { gpu, target } = runtime;
    const runtimes = [runtime];
    if (convStages(shape, face, target)) runtimes.push(new Runtime(gpu, exact(target)));
    const plans: Plan[] = [];
    try {
      for (const on of runtimes) plans.push(await on.plan({ outputs: { result } }));
      const [seconds, direct] = await stopwatch.time(plans, rounds, window);
      return { error, seconds, direct };
    } finally {
      for (const plan of plans) plan.destroy();
      runtimes[1]?.destroy();
    }
  } finally {
    runtime.release(operands);
  }
}

async function validate(runtime: Runtime, result: Tensor, reference: Tensor, label: string) {
  const difference = sum(square(sub(result, reference)));
  const error = sqrt(div(difference, sum(square(reference))));
  // The result is an output too: so nothing is fused with it, and the kernel is the one timed.
  const plan = await runtime.plan({ outputs: { result, error } });
  plan.run();
  const [[off]] = await plan.read("error");
  plan.destroy();
  if (off <= TOLERANCE) return off;
  throw new UserError(
    `${label} is off by ${off.toExponential(1)} from the general kernel: nothing is timed that ` +
      "computes something else",
    ExitCode.failure,
    "deno task test names the kernel that is wrong; please report it with the adapter's name",
  );
}

/** The face as the engine computes it, and by the general kernel, of the same random operands. */
function graphOf(shape: ConvShape, face: Face) {
  const { stride, padding, dilation, groups, kernelHeight, kernelWidth } = shape;
  const options = { stride, padding, dilation, groups };
  const image = [shape.batch, shape.inHeight, shape.inWidth, shape.inChannels];
  const output = [shape.batch, shape.outHeight, shape.outWidth, shape.outChannels];
  const filter = [kernelHeight, kernelWidth, shape.inChannels / groups, shape.outChannels];
  const [x, w, dy] = [random("x", image), random("w", filter), random("dy", output)];
  const reference = (inputs: Variable[], of: Shape) => {
    const lower = (node: Tensor, target: Target) =>
      splitSum(node, general.faces[face](shape, PLAIN), target);
    return new Tensor({ name: `general ${face}`, kind: "kernels", lower }, inputs, of);
  };
  switch (face) {
    case "forward":
      return {
        operands: [x, w],
        result: conv2d(x, w, options),
        reference: reference([x, w], output),
      };
    case "input gradient":
      return {
        operands: [dy, w],
        result: conv2dInputGrad(dy, w, image, options),
        reference: reference([dy, w], image),
      };
    case "weight gradient":
      return {
        operands: [x, dy],
        result: conv2dWeightGrad(x, dy, filter, options),
        reference: reference([x, dy], filter),
      };
  }
}

const random = (name: string, shape: Shape) =>
  new Variable(name, shape, uniformValues(name, numel(shape)));

/** For each face, the mean share of the peak over the 3 x 3 convolutions that arithmetic bounds. */
export function sharesOfPeak(results: readonly FaceResult[]): { face: Face; share: number }[] {
  const wide = results.filter(({ class: kind, work }) =>
    kind === "3x3" && work.kind === "face" &&
    Math.min(work.shape.inChannels, work.shape.outChannels) >= 64
  );
  if (wide.length === 0) return [];
  return FACES.map((face) => ({
    face,
    share: geometricMean(wide.filter((r) => r.face === face).map((r) => r.ofPeak)),
  }));
}
