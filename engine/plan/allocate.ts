/**
 * The memory of a plan, laid out and then made: a buffer for every storage, textures for what is read
 * as such.
 */

import { OutOfMemory, type Room } from "../errors.ts";
import { placeOf } from "../tensor/origin.ts";
import { numel } from "../tensor/shape.ts";
import { Input, Tensor, Variable } from "../tensor/tensor.ts";
import { createBuffer, showBytes } from "./buffers.ts";
import { bytesTogether, type Lifetime, placeValues } from "./memory.ts";
import type { Resources } from "./resources.ts";
import type { Dispatch, Storage } from "./dispatch.ts";
import { createTexture, layOutTextures, type TextureCopy, type TextureLayout } from "./textures.ts";

/** Bytes of a kind of memory, as it is and as it would be if every value had its own. */
export interface Use {
  readonly bytes: number;
  readonly withoutReuse: number;
}

/** What a plan occupies on the device, from when it is made until it is destroyed. */
export interface MemoryUse {
  /** Intermediate values and outputs. */
  readonly values: Use;
  /** Copies of values that are read as textures. */
  readonly textures: Use;
  readonly inputs: number;
  /** What the plan reads and writes but does not own: parameters, statistics, data sets. */
  readonly variables: number;
}

/** What of a plan lies where, before any of it is made. */
export interface Layout {
  /** What the plan reads and writes but does not own. */
  readonly variables: readonly Variable[];
  /** A buffer for each input, and those that values share one after the other. */
  readonly buffers: readonly PlannedBuffer[];
  readonly textures: TextureLayout;
  readonly use: MemoryUse;
}

interface PlannedBuffer {
  readonly label: string;
  readonly bytes: number;
  readonly holds: readonly Storage[];
}

/** A layout that has been made. */
export interface Memory {
  readonly place: ReadonlyMap<Storage, GPUBuffer>;
  /** In the order in which they are needed. */
  readonly copies: readonly TextureCopy[];
  /** What belongs to the plan. */
  readonly owned: readonly { destroy(): void }[];
}

export const bytesOf = (storage: Storage) => 4 * numel(storage.shape);

/** @param kept storages whose values stay after the last dispatch */
export function layOut(dispatches: readonly Dispatch[], kept: ReadonlySet<Storage>): Layout {
  const spans = lifetimes(dispatches, kept);
  const storages = [...spans.keys()];
  const variables = storages.filter((storage) => storage instanceof Variable);
  const inputs = storages.filter((storage) => storage instanceof Input);
  const values = storages.filter((s) => !(s instanceof Variable || s instanceof Input));

  const lived = values.map((storage) => spans.get(storage)!);
  const { buffers, sizes } = placeValues(lived);
  const shared = Map.groupBy(values.keys(), (k) => buffers[k]);
  const textures = layOutTextures(dispatches);
  const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0);
  return {
    variables,
    buffers: [
      ...inputs.map((input) => ({
        label: `input ${input.label}`,
        bytes: bytesOf(input),
        holds: [input],
      })),
      ...sizes.map((bytes, k) => {
        const holds = shared.get(k)!.map((at) => values[at]);
        const largest = holds.reduce((a, b) => bytesOf(b) > bytesOf(a) ? b : a);
        return { label: nameOf(largest, dispatches), bytes, holds };
      }),
    ],
    textures,
    use: {
      values: { bytes: total(sizes), withoutReuse: bytesTogether(lived) },
      textures: textures.use,
      inputs: total(inputs.map(bytesOf)),
      variables: total(variables.map(bytesOf)),
    },
  };
}

/** "the output of conv1 (conv2d [64, 32, 32, 64])": the layer of a value, and how it is computed. */
function nameOf(value: Storage, dispatches: readonly Dispatch[]): string {
  if (!(value instanceof Tensor)) {
    const { node } = dispatches.find(({ buffers }) => buffers.includes(value))!;
    return `scratch memory for ${nameOf(node, dispatches)}`;
  }
  return value.origin.layer === "" ? `${value}` : `${placeOf(value.origin)} (${value})`;
}

/**
 * Makes what is laid out, all of it or nothing; nothing at all where the device tells how much memory is
 * free and that is too little.
 * @param what it is for, in words
 * @throws OutOfMemory (gpu) with the room that it needs; TooLarge (gpu) that names a value the
 * device has no buffer for
 */
export async function allocate(
  resources: Resources,
  layout: Layout,
  what: string,
): Promise<Memory> {
  const { gpu } = resources;
  const place = new Map<Storage, GPUBuffer>();
  const buffers: GPUBuffer[] = [], textures: GPUTexture[] = [];
  const needed = bytesInAll(layout.use);
  const free = gpu.facts.memory ?? Infinity;
  if (needed > free) throw noRoom(what, { needed, available: free });
  let available = 0;
  try {
    for (const variable of layout.variables) {
      place.set(variable, await resources.hold(variable));
      available += bytesOf(variable);
    }
    for (const { label, bytes, holds } of layout.buffers) {
      const buffer = await gpu.scoped(label, () => createBuffer(gpu, label, bytes));
      buffers.push(buffer);
      for (const storage of holds) place.set(storage, buffer);
      available += bytes;
    }
    for (const planned of layout.textures.textures) {
      textures.push(await gpu.scoped("operand", () => createTexture(gpu.device, planned)));
      available += planned.bytes;
    }
  } catch (error) {
    for (const memory of [...buffers, ...textures]) memory.destroy();
    if (!(error instanceof OutOfMemory)) throw error;
    throw noRoom(what, { needed, available }, error);
  }
  const copies = layout.textures.copies.map((copy) => ({
    ...copy,
    texture: textures[copy.texture],
  }));
  return { place, copies, owned: [...buffers, ...textures] };
}

/** What several layouts occupy that are made at one time. */
export function together(layouts: readonly Layout[]): MemoryUse {
  const uses = layouts.map(({ use }) => use);
  const total = (bytes: (use: MemoryUse) => number) =>
    uses.reduce((sum, use) => sum + bytes(use), 0);
  const both = (kind: "values" | "textures"): Use => ({
    bytes: total((use) => use[kind].bytes),
    withoutReuse: total((use) => use[kind].withoutReuse),
  });
  const variables = new Set(layouts.flatMap(({ variables }) => variables));
  return {
    values: both("values"),
    textures: both("textures"),
    inputs: total(({ inputs }) => inputs),
    variables: [...variables].reduce((sum, variable) => sum + bytesOf(variable), 0),
  };
}

/** All that a plan occupies, its variables too. */
export const bytesInAll = ({ values, textures, inputs, variables }: MemoryUse): number =>
  values.bytes + textures.bytes + inputs + variables;

function noRoom(what: string, room: Room, cause?: OutOfMemory): OutOfMemory {
  const message = `the GPU has no memory left for ${what}: it needs ${showBytes(room.needed)}, ` +
    `and ${showBytes(room.available)} were to be had`;
  return new OutOfMemory(message, cause?.hint ?? "a smaller --batch needs less memory", room, {
    cause,
  });
}

/** From which dispatch to which each storage is in use; `kept` ones are never given up. */
export function lifetimes(
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
