/** A unit of a plan (unit.ts) on memory of its own, so that it can run with any values, over and over. */

import { Scratch } from "../gpu/kernel.ts";
import { allocate, layOut, type Memory } from "../plan/allocate.ts";
import { readBuffers } from "../plan/buffers.ts";
import type { Dispatch, Storage } from "../plan/dispatch.ts";
import { type Command, prepare, recordDispatch } from "../plan/record.ts";
import type { Runtime } from "../plan/runtime.ts";
import { recordCopy } from "../plan/textures.ts";
import { type HostArray, Input, Tensor } from "../tensor/tensor.ts";
import type { Unit } from "./unit.ts";

export class Rig {
  private constructor(
    private readonly runtime: Runtime,
    private readonly unit: Unit,
    /** In the unit's order. */
    readonly commands: readonly Command[],
    private readonly memory: Memory,
    private readonly own: ReadonlyMap<Storage, Storage>,
  ) {}

  /**
   * @param values of everything that the unit reads
   * @throws UserError (gpu) where a kernel doesn't compile or memory is short
   */
  static async make(
    runtime: Runtime,
    unit: Unit,
    values: ReadonlyMap<Tensor, HostArray>,
  ): Promise<Rig> {
    const own = new Map<Storage, Storage>();
    const ownOf = (storage: Storage): Storage => {
      const known = own.get(storage);
      if (known) return known;
      const isRead = storage instanceof Tensor && values.has(storage);
      const made = isRead
        ? new Input(`operand ${own.size}`, storage.shape, storage.dtype)
        : new Scratch(storage.shape);
      own.set(storage, made);
      return made;
    };
    const dispatches = unit.dispatches.map((dispatch): Dispatch => ({
      ...dispatch,
      buffers: dispatch.buffers.map(ownOf),
    }));
    // What is kept shares memory with nothing, so a kernel can run again without those before it.
    const layout = layOut(dispatches, new Set(own.values()));
    const memory = await allocate(runtime, layout, unit.dispatches[0].kernel.label);
    for (const tensor of unit.reads) {
      const buffer = memory.place.get(own.get(tensor)!)!;
      runtime.gpu.device.queue.writeBuffer(buffer, 0, values.get(tensor)!);
    }
    const commands = await prepare(runtime, dispatches, memory);
    return new Rig(runtime, unit, commands, memory, own);
  }

  /** Runs the unit and returns what it leaves; an element that it doesn't write is a NaN. */
  async run(): Promise<HostArray[]> {
    const { device } = this.runtime.gpu;
    const results = this.unit.writes.map((tensor) => ({
      buffer: this.memory.place.get(this.own.get(tensor)!)!,
      bytes: 4 * tensor.size,
      dtype: tensor.dtype,
    }));
    for (const { buffer, bytes } of results) {
      device.queue.writeBuffer(buffer, 0, new Uint32Array(bytes / 4).fill(UNWRITTEN));
    }
    const encoder = device.createCommandEncoder();
    for (const command of this.commands) {
      for (const copy of command.copies) recordCopy(encoder, copy, copy.buffer);
      const pass = encoder.beginComputePass();
      recordDispatch(pass, command);
      pass.end();
    }
    device.queue.submit([encoder.finish()]);
    const found = await readBuffers(this.runtime.gpu, results);
    this.runtime.gpu.check();
    return found;
  }

  destroy(): void {
    for (const memory of this.memory.owned) memory.destroy();
  }
}

/** A NaN that no computation makes. */
const UNWRITTEN = 0x7fc0dead;
