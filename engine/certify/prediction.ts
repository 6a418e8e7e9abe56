/**
 * How long a step should take, from what its kernels do: operations, bytes, dispatches. A
 * convolution reaches a share of the adapter's peak, everything else its bandwidth, and nothing is
 * faster than an empty dispatch. Registers and the last, half full wave of workgroups are left
 * aside; what is far from the prediction is a surprise that wants a look, not a fault.
 */

import { leastTime, type Roofline, type Work } from "../gpu/roofline.ts";
import type { PartOf } from "./certificate.ts";

/** An adapter, in what the prediction takes of it. */
export interface Machine extends Roofline {
  /** Microseconds of a kernel that does next to nothing. */
  readonly dispatchUs: number;
}

/**
 * The share of the peak that the kernels for GPUs were counted to reach on ResNet-34's faces: 79 % of
 * the instructions that an NVIDIA H100's compiler makes of them are multiply-adds, and the grids are
 * 1.3 waves of workgroups.
 */
export const CONVOLUTION_SHARE = 0.58;

/** A dispatch, or several copies: what it does. */
interface Kernel extends Work {
  readonly calls: number;
  /** The operation's name. */
  readonly operation: string;
}

/** And how long it took. */
interface Timed extends Kernel {
  readonly ms: number;
}

type Share = PartOf<"steps">["stages"][number]["shares"][number];

/** Kernels by what bounds them, as predicted and as measured; kinds without kernels are left out. */
export function predictedShares(kernels: readonly Timed[], machine: Machine): Share[] {
  const predicted = kernels.map((kernel) => ({ kernel, ...predict(kernel, machine) }));
  return [...Map.groupBy(predicted, ({ kind }) => kind)].map(([kind, own]) => {
    const total = (of: (each: typeof own[number]) => number) =>
      own.reduce((sum, each) => sum + of(each), 0);
    return {
      kind,
      dispatches: total(({ kernel }) => kernel.calls),
      gflop: total(({ kernel }) => kernel.flops) / 1e9,
      gb: total(({ kernel }) => kernel.bytes) / 1e9,
      predictedMs: total(({ ms }) => ms),
      measuredMs: total(({ kernel }) => kernel.ms),
    };
  }).sort((a, b) => b.predictedMs - a.predictedMs);
}

/** Milliseconds of kernels one after the other. */
export const predictedTime = (kernels: readonly Kernel[], machine: Machine): number =>
  kernels.reduce((sum, kernel) => sum + predict(kernel, machine).ms, 0);

export const predictedMs = (shares: readonly Pick<Share, "predictedMs">[]): number =>
  shares.reduce((sum, { predictedMs }) => sum + predictedMs, 0);

function predict({ operation, calls, ...work }: Kernel, machine: Machine) {
  const isConvolution = operation.startsWith("conv2d");
  const reached = isConvolution ? CONVOLUTION_SHARE * machine.gflops : machine.gflops;
  const { ms } = leastTime({ ...machine, gflops: reached }, work);
  const least = calls * machine.dispatchUs / 1000;
  if (ms < least) return { kind: "tiny kernels", ms: least };
  return { kind: isConvolution ? "convolutions" : "sums and pointwise", ms };
}
