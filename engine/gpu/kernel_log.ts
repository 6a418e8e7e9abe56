/** Who is told of kernels as they are made and run; a machine prints it (host/kernel_log.ts). */

import type { Kernel } from "./kernel.ts";

export interface Dispatched {
  readonly kernel: Kernel;
  /** What is bound, in the operands' order. */
  readonly buffers: readonly { readonly shape: readonly number[] }[];
}

export interface KernelLog {
  /** A pipeline has been made, in so many milliseconds. */
  made(kernel: Kernel, ms: number): void;
  /** A run of a plan has been recorded. */
  ran(dispatches: readonly Dispatched[]): void;
}
