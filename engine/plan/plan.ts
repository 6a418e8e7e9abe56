/**
 * A plan is a step traced once and replayed: kernels in order, buffers reused by liveness, bind
 * groups made. A run feeds the inputs, records every dispatch into one compute pass and submits
 * once; it allocates nothing and reads nothing back.
 */

import type { Gpu } from "../gpu/adapter.ts";
import type { Target } from "../gpu/kernels/target.ts";
import {
  type AssignmentPair,
  type DType,
  type HostArray,
  Input,
  type Tensor,
  type Variable,
} from "../tensor/tensor.ts";
import { allocate, layOut, type MemoryUse, together } from "./allocate.ts";
import { type Readable, readBuffers, requireBindable } from "./buffers.ts";
import { type Command, prepare, recordDispatch } from "./record.ts";
import type { Dispatch, Storage } from "./dispatch.ts";
import type { Resources, Site } from "./resources.ts";
import { schedule } from "./schedule.ts";
import { recordCopy } from "./textures.ts";

export interface PlanSpec<Name extends string = string> {
  /** What the plan is for, in the words of a message: "a training step on 64 images". */
  readonly purpose?: string;
  /** Values that can be read after a run. A variable is read as the run leaves it. */
  readonly outputs?: Readonly<Record<Name, Tensor>>;
  /** New values of variables; all of them are computed from the old ones. */
  readonly assign?: readonly AssignmentPair[];
}

/** A value for an input of the plan; a number for a scalar. */
export type Feed = readonly [Input, HostArray | number];

/** Copies an output to a place in a longer buffer, so that many runs share one readback. */
export interface OutputCopy<Name extends string> {
  readonly output: Name;
  readonly to: GPUBuffer;
  readonly byteOffset: number;
}

export class Plan<Name extends string = string> {
  private constructor(
    private readonly gpu: Gpu,
    /** What is dispatched in a run, in order. */
    readonly dispatches: readonly Command[],
    private readonly inputs: ReadonlyMap<Input, GPUBuffer>,
    private readonly outputs: ReadonlyMap<string, Readable>,
    private readonly owned: readonly { destroy(): void }[],
    readonly memory: MemoryUse,
  ) {}

  /** Traces, compiles and allocates. @throws UserError (gpu) naming the kernel that failed */
  static async make<Name extends string>(
    resources: Resources,
    spec: PlanSpec<Name>,
  ): Promise<Plan<Name>> {
    const { dispatches, kept, named, storageOf } = trace(spec, resources.target);
    const layout = layOut(dispatches, kept);
    const purpose = spec.purpose ?? "what is to be computed";
    const memory = await allocate(resources, layout, purpose);
    const commands = await prepare(resources, dispatches, memory);
    const inputs = [...memory.place].filter((entry): entry is [Input, GPUBuffer] =>
      entry[0] instanceof Input
    );
    const readable = named.map(([name, tensor]) => {
      const buffer = memory.place.get(storageOf(tensor))!;
      return [name, { buffer, bytes: 4 * tensor.size, dtype: tensor.dtype }] as const;
    });
    resources.gpu.check();
    return new Plan<Name>(
      resources.gpu,
      commands,
      new Map(inputs),
      new Map(readable),
      memory.owned,
      layout.use,
    );
  }

  /**
   * Runs the plan once: one submission, nothing awaited.
   * @param feeds the value of every input
   * @param copies outputs to keep before the next run overwrites them
   */
  run(feeds: readonly Feed[] = [], copies: readonly OutputCopy<Name>[] = []): void {
    this.feed(feeds);
    this.gpu.device.queue.submit([this.encode(copies)]);
  }

  /** Gives every input its value for the next run. */
  feed(feeds: readonly Feed[]): void {
    for (const [input, value] of feeds) this.write(input, value);
    const fed = new Set(feeds.map(([input]) => input));
    for (const input of this.inputs.keys()) {
      if (!fed.has(input)) throw new Error(`the run gives input ${input.label} no value`);
    }
  }

  /** Records a run, to be submitted once. */
  encode(copies: readonly OutputCopy<Name>[] = []): GPUCommandBuffer {
    const encoder = this.gpu.device.createCommandEncoder();
    let pass = encoder.beginComputePass();
    for (const command of this.dispatches) {
      if (command.copies.length > 0) {
        pass.end();
        for (const copy of command.copies) recordCopy(encoder, copy, copy.buffer);
        pass = encoder.beginComputePass();
      }
      recordDispatch(pass, command);
    }
    pass.end();
    for (const { output, to, byteOffset } of copies) {
      const { buffer, bytes } = this.outputs.get(output)!;
      encoder.copyBufferToBuffer(buffer, 0, to, byteOffset, bytes);
    }
    this.gpu.log?.ran(this.dispatches);
    return encoder.finish();
  }

  /** The outputs' values after the last run, in one readback. */
  read(...names: readonly Name[]): Promise<HostArray[]> {
    return readBuffers(this.gpu, names.map((name) => this.outputs.get(name)!));
  }

  /** Frees the plan's buffers and textures; variables stay. */
  destroy(): void {
    for (const memory of this.owned) memory.destroy();
  }

  private write(input: Input, value: HostArray | number): void {
    const data = typeof value === "number" ? scalar(value, input.dtype) : value;
    if (data.length !== input.size) {
      throw new Error(`input ${input.label} takes ${input.size} values, not ${data.length}`);
    }
    // An input that nothing depends on has no buffer, and its value doesn't matter.
    const buffer = this.inputs.get(input);
    if (buffer) this.gpu.device.queue.writeBuffer(buffer, 0, data);
  }
}

/** What is dispatched for a plan, and what stays after its last dispatch. */
export function trace<Name extends string>(
  { outputs, assign = [] }: PlanSpec<Name>,
  target: Target,
) {
  const named = Object.entries<Tensor>(outputs ?? {});
  const { dispatches, storageOf } = schedule(named.map(([, tensor]) => tensor), assign, target);
  const kept = new Set(named.map(([, tensor]) => storageOf(tensor)));
  for (const [target] of assign) kept.add(target);
  return { dispatches, kept, named, storageOf };
}

/** Plans that are there at one time, before any of them is made. */
export interface Draft {
  /** Each has memory of its own, but variables are all plans'. */
  readonly memory: MemoryUse;
  readonly variables: readonly Variable[];
  /** Of each plan. */
  readonly plans: readonly {
    readonly dispatches: readonly Dispatch[];
    /** What is copied to textures. */
    readonly copies: readonly { readonly storage: Storage }[];
  }[];
}

/**
 * What plans would do and occupy; nothing is compiled or made.
 * @throws TooLarge (gpu) that names the largest value, where the device has no buffer for it
 */
export function draft({ gpu, target }: Site, specs: readonly PlanSpec[]): Draft {
  const drafted = specs.map((spec) => {
    const { dispatches, kept } = trace(spec, target);
    return { dispatches, layout: layOut(dispatches, kept) };
  });
  const layouts = drafted.map(({ layout }) => layout);
  const [largest] = layouts.flatMap(({ buffers }) => buffers).sort((a, b) => b.bytes - a.bytes);
  if (largest) requireBindable(gpu, largest.label, largest.bytes);
  return {
    memory: together(layouts),
    variables: [...new Set(layouts.flatMap(({ variables }) => variables))],
    plans: drafted.map(({ dispatches, layout: { textures: { copies } } }) => ({
      ...{ dispatches, copies },
    })),
  };
}

function scalar(value: number, dtype: DType): HostArray {
  return dtype === "f32" ? Float32Array.of(value) : Uint32Array.of(value);
}
