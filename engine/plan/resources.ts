/** What a plan is made from: a device, the variables that live on it, the kernels compiled for it. */

import type { Gpu } from "../gpu/adapter.ts";
import type { Kernel } from "../gpu/kernel.ts";
import type { Target } from "../gpu/kernels/target.ts";
import type { Variable } from "../tensor/tensor.ts";

/** What a plan can be drafted for, where nothing is made: a device's limits, and its kernels. */
export interface Site {
  readonly gpu: { readonly limits: Pick<Gpu["limits"], "maxStorageBufferBindingSize"> };
  readonly target: Target;
}

export interface Resources extends Site {
  readonly gpu: Gpu;
  /**
   * The variable's memory, made where there is none yet.
   * @throws TooLarge (gpu) where there is no room for it
   */
  hold(variable: Variable): Promise<GPUBuffer>;
  /** The compiled kernel. @throws UserError (gpu) that names it where it is wrong */
  pipeline(kernel: Kernel): Promise<GPUComputePipeline>;
}
