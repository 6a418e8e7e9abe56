/**
 * A device with the variables that live on it and the pipelines compiled for it. Plans are made
 * and run here; see plan.ts.
 */

import type { Gpu } from "../gpu/adapter.ts";
import { compile } from "../gpu/compile.ts";
import type { Kernel } from "../gpu/kernel.ts";
import { render } from "../gpu/render.ts";
import { type Target, targetFor } from "../gpu/kernels/target.ts";
import { showShape } from "../tensor/shape.ts";
import { type HostArray, Tensor, type Variable } from "../tensor/tensor.ts";
import { createBuffer, readBuffers } from "./buffers.ts";
import { type Feed, Plan, type PlanSpec } from "./plan.ts";
import type { Resources } from "./resources.ts";

export class Runtime implements Resources {
  private readonly variables = new Map<Variable, GPUBuffer>();
  private readonly pipelines = new Map<string, Promise<GPUComputePipeline>>();
  /** Milliseconds that each pipeline took to make, by its kernel's text. */
  readonly compileTimes: Map<string, number> = new Map();

  /**
   * @param target what kernels may count on here, where that is not for the device to say:
   *   `exact(targetFor(gpu))` for convolutions whose every product is one of the formula's
   */
  constructor(readonly gpu: Gpu, readonly target: Target = targetFor(gpu)) {}

  /** The variable's buffer; its initial value is uploaded when it is first asked for. */
  bufferOf(variable: Variable): GPUBuffer {
    let buffer = this.variables.get(variable);
    if (!buffer) {
      const { label, shape, size } = variable;
      const hint = "use a smaller model, smaller images, or a GPU with larger buffers";
      buffer = createBuffer(this.gpu, `${label} ${showShape(shape)}`, 4 * size, hint);
      this.variables.set(variable, buffer);
      this.gpu.device.queue.writeBuffer(buffer, 0, variable.initial);
    }
    return buffer;
  }

  async hold(variable: Variable): Promise<GPUBuffer> {
    try {
      const { label, shape } = variable;
      return await this.gpu.scoped(`${label} ${showShape(shape)}`, () => this.bufferOf(variable));
    } catch (error) {
      this.release([variable]);
      throw error;
    }
  }

  /** Overwrites a variable's value. */
  write(variable: Variable, value: HostArray): void {
    if (value.length !== variable.size) {
      throw new Error(`${variable.label} takes ${variable.size} values, not ${value.length}`);
    }
    this.gpu.device.queue.writeBuffer(this.bufferOf(variable), 0, value);
  }

  /** The variables' values, in one readback. */
  read(variables: readonly Variable[]): Promise<HostArray[]> {
    const sources = variables.map((variable) => ({
      buffer: this.bufferOf(variable),
      bytes: 4 * variable.size,
      dtype: variable.dtype,
    }));
    return readBuffers(this.gpu, sources);
  }

  /** Frees the variables' memory. They start with their initial value if they are used again. */
  release(variables: Iterable<Variable>): void {
    for (const variable of variables) {
      this.variables.get(variable)?.destroy();
      this.variables.delete(variable);
    }
  }

  /** The compiled kernel, made once for each text. */
  pipeline(kernel: Kernel): Promise<GPUComputePipeline> {
    const text = render(kernel);
    let pipeline = this.pipelines.get(text);
    if (!pipeline) {
      const begun = performance.now();
      pipeline = compile(this.gpu, kernel);
      this.compileTimes.set(text, performance.now() - begun);
      this.pipelines.set(text, pipeline);
    }
    return pipeline;
  }

  /** Makes a plan that computes outputs and assigns variables; see plan.ts. */
  plan<Name extends string>(spec: PlanSpec<Name>): Promise<Plan<Name>> {
    return Plan.make(this, spec);
  }

  /** Computes tensors once. */
  async evaluate(tensors: readonly Tensor[], feeds: readonly Feed[] = []): Promise<HostArray[]> {
    const names = tensors.map((_, i) => `${i}`);
    const outputs = Object.fromEntries(tensors.map((tensor, i) => [names[i], tensor]));
    const plan = await this.plan({ outputs });
    try {
      plan.run(feeds);
      return await plan.read(...names);
    } finally {
      plan.destroy();
    }
  }

  /** Frees every variable; the device stays open. */
  destroy(): void {
    this.release([...this.variables.keys()]);
  }
}
