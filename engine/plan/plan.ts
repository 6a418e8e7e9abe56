/**
 * A plan is a step traced once and replayed: kernels in order, buffers reused by liveness, bind
 * groups made. A run feeds the inputs, records every dispatch into one compute pass and submits
 * once; it allocates nothing and reads nothing back.
 */

import { numel } from "../tensor/shape.ts";
import { type DType, type HostArray, Input, Tensor, Variable } from "../tensor/tensor.ts";
import type { TextureInput } from "../gpu/kernel.ts";
import { type Lifetime, placeValues } from "./memory.ts";
import type { Readable, Runtime } from "./runtime.ts";
import { type AssignmentPair, type Dispatch, schedule, type Storage } from "./schedule.ts";
import { placeTextures, recordCopy, type TextureCopy } from "./textures.ts";

export interface PlanSpec<Name extends string = string> {
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

interface Recorded {
  /** Operands to be copied to textures before the dispatch. */
  readonly copies: readonly (readonly [TextureCopy, GPUBuffer])[];
  readonly pipeline: GPUComputePipeline;
  readonly bindGroup: GPUBindGroup;
  readonly workgroups: readonly [number, number, number];
}

const bytesOf = (storage: Storage) => 4 * numel(storage.shape);

export class Plan<Name extends string = string> {
  private constructor(
    private readonly runtime: Runtime,
    private readonly recorded: readonly Recorded[],
    private readonly inputs: ReadonlyMap<Input, GPUBuffer>,
    private readonly outputs: ReadonlyMap<string, Readable>,
    private readonly owned: readonly { destroy(): void }[],
    /** What is dispatched in a run, in order. */
    readonly dispatches: readonly Dispatch[],
    /** Bytes of the plan's own buffers: inputs, intermediate values and outputs. */
    readonly bytes: number,
  ) {}

  /** Traces, compiles and allocates. @throws UserError (gpu) naming the kernel that failed */
  static async make<Name extends string>(
    runtime: Runtime,
    { outputs, assign = [] }: PlanSpec<Name>,
  ): Promise<Plan<Name>> {
    const named = Object.entries<Tensor>(outputs ?? {});
    const { dispatches, storageOf } = schedule(
      named.map(([, tensor]) => tensor),
      assign,
      runtime.target,
    );
    const kept = new Set(named.map(([, tensor]) => storageOf(tensor)));
    for (const [target] of assign) kept.add(target);

    const owned: GPUBuffer[] = [];
    const place = allocate(runtime, dispatches, kept, owned);
    const textures: GPUTexture[] = [];
    const copies = placeTextures(runtime.gpu.device, dispatches, textures);
    const recorded: Recorded[] = [];
    for (const [at, dispatch] of dispatches.entries()) {
      recorded.push(await record(runtime, dispatch, place, copies, at));
    }

    const inputs = [...place.keys()].filter((s) => s instanceof Input);
    const readable = named.map(([name, tensor]) => {
      const buffer = place.get(storageOf(tensor))!;
      return [name, { buffer, bytes: 4 * tensor.size, dtype: tensor.dtype }] as const;
    });
    runtime.gpu.check();
    return new Plan<Name>(
      runtime,
      recorded,
      new Map(inputs.map((input) => [input, place.get(input)!])),
      new Map(readable),
      [...owned, ...textures],
      dispatches,
      owned.reduce((sum, buffer) => sum + buffer.size, 0),
    );
  }

  /**
   * Runs the plan once: one submission, nothing awaited.
   * @param feeds the value of every input
   * @param copies outputs to keep before the next run overwrites them
   */
  run(feeds: readonly Feed[] = [], copies: readonly OutputCopy<Name>[] = []): void {
    const { device } = this.runtime.gpu;
    for (const [input, value] of feeds) this.feed(input, value);
    this.checkFed(feeds);
    const encoder = device.createCommandEncoder();
    let pass = encoder.beginComputePass();
    for (const { copies, pipeline, bindGroup, workgroups } of this.recorded) {
      if (copies.length > 0) {
        pass.end();
        for (const [copy, buffer] of copies) recordCopy(encoder, copy, buffer);
        pass = encoder.beginComputePass();
      }
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, bindGroup);
      pass.dispatchWorkgroups(...workgroups);
    }
    pass.end();
    for (const { output, to, byteOffset } of copies) {
      const { buffer, bytes } = this.outputs.get(output)!;
      encoder.copyBufferToBuffer(buffer, 0, to, byteOffset, bytes);
    }
    device.queue.submit([encoder.finish()]);
  }

  /** The outputs' values after the last run, in one readback. */
  read(...names: readonly Name[]): Promise<HostArray[]> {
    return this.runtime.readBuffers(names.map((name) => this.outputs.get(name)!));
  }

  /** Frees the plan's buffers and textures; variables stay. */
  destroy(): void {
    for (const memory of this.owned) memory.destroy();
  }

  private checkFed(feeds: readonly Feed[]): void {
    const fed = new Set(feeds.map(([input]) => input));
    for (const input of this.inputs.keys()) {
      if (!fed.has(input)) throw new Error(`the run gives input ${input.label} no value`);
    }
  }

  private feed(input: Input, value: HostArray | number): void {
    const data = typeof value === "number" ? scalar(value, input.dtype) : value;
    if (data.length !== input.size) {
      throw new Error(`input ${input.label} takes ${input.size} values, not ${data.length}`);
    }
    // An input that nothing depends on has no buffer, and its value doesn't matter.
    const buffer = this.inputs.get(input);
    if (buffer) this.runtime.gpu.device.queue.writeBuffer(buffer, 0, data);
  }
}

function scalar(value: number, dtype: DType): HostArray {
  return dtype === "f32" ? Float32Array.of(value) : Uint32Array.of(value);
}

/** Gives every storage a buffer; adds those that belong to the plan to `owned`. */
function allocate(
  runtime: Runtime,
  dispatches: readonly Dispatch[],
  kept: ReadonlySet<Storage>,
  owned: GPUBuffer[],
): Map<Storage, GPUBuffer> {
  const place = new Map<Storage, GPUBuffer>();
  const own = (label: string, bytes: number) => {
    const buffer = runtime.createBuffer(label, bytes);
    owned.push(buffer);
    return buffer;
  };
  const values: Storage[] = [];
  const spans = lifetimes(dispatches, kept);
  for (const storage of spans.keys()) {
    if (storage instanceof Variable) place.set(storage, runtime.bufferOf(storage));
    else if (storage instanceof Input) {
      place.set(storage, own(`input ${storage.label}`, bytesOf(storage)));
    } else values.push(storage);
  }
  const { buffers, sizes } = placeValues(values.map((storage) => spans.get(storage)!));
  const pool = sizes.map((bytes, k) => own(`values ${k}`, bytes));
  values.forEach((storage, k) => place.set(storage, pool[buffers[k]]));
  return place;
}

/** From which dispatch to which each storage is in use; `kept` ones are never given up. */
function lifetimes(
  dispatches: readonly Dispatch[],
  kept: ReadonlySet<Storage>,
): Map<Storage, Lifetime> {
  const spans = new Map<Storage, Lifetime>();
  const touch = (storage: Storage, at: number) =>
    spans.set(storage, { bytes: bytesOf(storage), from: spans.get(storage)?.from ?? at, to: at });
  dispatches.forEach(({ buffers }, at) => buffers.forEach((storage) => touch(storage, at)));
  for (const storage of kept) touch(storage, Infinity);
  return spans;
}

async function record(
  runtime: Runtime,
  { kernel, buffers }: Dispatch,
  place: ReadonlyMap<Storage, GPUBuffer>,
  copies: readonly TextureCopy[],
  at: number,
): Promise<Recorded> {
  const pipeline = await runtime.pipeline(kernel);
  const asTexture = (storage: Storage, { format }: TextureInput) =>
    copies.findLast((c) => c.storage === storage && c.format === format && c.before <= at)!;
  const entries = buffers.map((storage, binding) => {
    const input = kernel.textures?.find((texture) => texture.binding === binding);
    return {
      binding,
      resource: input
        ? asTexture(storage, input).texture.createView()
        : { buffer: place.get(storage)!, size: bytesOf(storage) },
    };
  });
  const layout = pipeline.getBindGroupLayout(0);
  const { device } = runtime.gpu;
  const bindGroup = await runtime.gpu.scoped(
    kernel.label,
    () => device.createBindGroup({ label: kernel.label, layout, entries }),
  );
  const due = copies.filter(({ before }) => before === at);
  return {
    copies: due.map((copy) => [copy, place.get(copy.storage)!]),
    pipeline,
    bindGroup,
    workgroups: kernel.workgroups,
  };
}
