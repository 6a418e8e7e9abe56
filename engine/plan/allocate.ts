/** The memory of a plan: a buffer for every storage, textures for what is read as such. */

import { numel } from "../tensor/shape.ts";
import { Input, Variable } from "../tensor/tensor.ts";
import { createBuffer } from "./buffers.ts";
import { bytesTogether, type Lifetime, placeValues } from "./memory.ts";
import type { Resources } from "./resources.ts";
import type { Dispatch, Storage } from "./dispatch.ts";
import { placeTextures, type TextureCopy } from "./textures.ts";

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

export interface Memory {
  readonly place: ReadonlyMap<Storage, GPUBuffer>;
  /** In the order in which they are needed. */
  readonly copies: readonly TextureCopy[];
  /** What belongs to the plan. */
  readonly owned: readonly { destroy(): void }[];
  readonly use: MemoryUse;
}

export const bytesOf = (storage: Storage) => 4 * numel(storage.shape);

/**
 * @param kept storages whose values stay after the last dispatch
 * @throws UserError (gpu) that names a value the device has no buffer for
 */
export function allocate(
  resources: Resources,
  dispatches: readonly Dispatch[],
  kept: ReadonlySet<Storage>,
): Memory {
  const { gpu } = resources;
  const spans = lifetimes(dispatches, kept);
  const storages = [...spans.keys()];
  const variables = storages.filter((storage) => storage instanceof Variable);
  const inputs = storages.filter((storage) => storage instanceof Input);
  const values = storages.filter((s) => !(s instanceof Variable || s instanceof Input));

  const place = new Map<Storage, GPUBuffer>();
  for (const variable of variables) place.set(variable, resources.bufferOf(variable));
  const fed = inputs.map((input) => createBuffer(gpu, `input ${input.label}`, bytesOf(input)));
  inputs.forEach((input, k) => place.set(input, fed[k]));
  const lived = values.map((storage) => spans.get(storage)!);
  const { buffers, sizes } = placeValues(lived);
  const pool = sizes.map((bytes, k) => createBuffer(gpu, `values ${k}`, bytes));
  values.forEach((storage, k) => place.set(storage, pool[buffers[k]]));

  const textures = placeTextures(gpu.device, dispatches);
  const total = (numbers: readonly number[]) => numbers.reduce((sum, n) => sum + n, 0);
  return {
    place,
    copies: textures.copies,
    owned: [...fed, ...pool, ...textures.owned],
    use: {
      values: { bytes: total(sizes), withoutReuse: bytesTogether(lived) },
      textures: textures.use,
      inputs: total(fed.map(({ size }) => size)),
      variables: total(variables.map(bytesOf)),
    },
  };
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
