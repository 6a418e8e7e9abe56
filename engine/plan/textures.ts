/**
 * Operands that a kernel reads as textures (see `Storage` of a kernel): each value is copied to a texture
 * once a run, and the texture is reused like any other memory when its last reader is done.
 *
 * A copy interrupts the compute pass, which costs the host as much as five dispatches. So copies
 * are made together: whenever one is due, it takes along those that later dispatches need of what
 * is there already.
 */

import {
  TEXTURE_FORMATS,
  TEXTURE_WIDTH,
  type TextureFormat,
  textureInputs,
} from "../gpu/kernel.ts";
import { numel } from "../tensor/shape.ts";
import { bytesTogether, type Lifetime, placeValues } from "./memory.ts";
import { type Dispatch, type Storage, written } from "./dispatch.ts";

/** Copies a value's floats into a texture, before the dispatch numbered `before`. */
export interface TextureCopy {
  readonly storage: Storage;
  readonly format: TextureFormat;
  readonly before: number;
  readonly texture: GPUTexture;
}

/** The copies that a plan makes and the textures they go to, before those are made. */
export interface TextureLayout {
  /** In the order in which they are needed; each with the number of its texture. */
  readonly copies: readonly (Omit<TextureCopy, "texture"> & { readonly texture: number })[];
  readonly textures: readonly { readonly format: TextureFormat; readonly bytes: number }[];
  readonly use: { readonly bytes: number; readonly withoutReuse: number };
}

const floatsOf = (format: TextureFormat) => (format === "r32float" ? 1 : 4);
const rowBytes = (format: TextureFormat) => 4 * floatsOf(format) * TEXTURE_WIDTH;

/** The copies that the dispatches need, and how they share textures. */
export function layOutTextures(dispatches: readonly Dispatch[]): TextureLayout {
  const copies: TextureLayout["copies"][number][] = [];
  const textures: TextureLayout["textures"][number][] = [];
  let withoutReuse = 0;
  const needs = together(needsOf(dispatches));
  for (const format of Object.values(TEXTURE_FORMATS)) {
    const own = needs.filter((need) => need.format === format);
    const lifetimes = own.map(({ storage, from, to }): Lifetime => {
      const rows = Math.ceil(numel(storage.shape) / floatsOf(format) / TEXTURE_WIDTH);
      return { bytes: rows * rowBytes(format), from, to };
    });
    const { buffers, sizes } = placeValues(lifetimes);
    const first = textures.length;
    textures.push(...sizes.map((bytes) => ({ format, bytes })));
    withoutReuse += bytesTogether(lifetimes);
    own.forEach(({ storage, from }, k) =>
      copies.push({ storage, format, before: from, texture: first + buffers[k] })
    );
  }
  const bytes = textures.reduce((sum, { bytes }) => sum + bytes, 0);
  return {
    copies: copies.sort((a, b) => a.before - b.before),
    textures,
    use: { bytes, withoutReuse },
  };
}

export function createTexture(
  device: GPUDevice,
  { format, bytes }: TextureLayout["textures"][number],
): GPUTexture {
  const size = [TEXTURE_WIDTH, bytes / rowBytes(format)];
  const usage = GPUTextureUsage.STORAGE_BINDING | GPUTextureUsage.COPY_DST;
  return device.createTexture({ label: "operand", size, format, usage });
}

/** Something for each value and each format that it is read in. */
export class TextureMap<T> {
  private readonly values = new Map<Storage, Map<TextureFormat, T>>();

  get(storage: Storage, format: TextureFormat): T | undefined {
    return this.values.get(storage)?.get(format);
  }
  set(storage: Storage, format: TextureFormat, value: T): void {
    const known = this.values.get(storage);
    if (known) known.set(format, value);
    else this.values.set(storage, new Map([[format, value]]));
  }
}

/** A value that dispatches read as a texture, the first of them `from`, the last `to`. */
interface Need {
  readonly storage: Storage;
  readonly format: TextureFormat;
  /** The first dispatch before which the value is there. */
  readonly ready: number;
  readonly from: number;
  to: number;
}

/** By first use. A storage that is written in between is needed once more. */
function needsOf(dispatches: readonly Dispatch[]): Need[] {
  const needs: Need[] = [];
  const latest = new TextureMap<Need>();
  const ready = new Map<Storage, number>();
  dispatches.forEach((dispatch, at) => {
    const { kernel, buffers } = dispatch;
    for (const { binding, format } of textureInputs(kernel)) {
      const storage = buffers[binding];
      const last = latest.get(storage, format);
      const since = ready.get(storage) ?? 0;
      if (last && last.from >= since) {
        last.to = at;
        continue;
      }
      const need = { storage, format, ready: since, from: at, to: at };
      needs.push(need);
      latest.set(storage, format, need);
    }
    for (const storage of written(dispatch)) ready.set(storage, at + 1);
  });
  return needs;
}

/** The same with the fewest places at which copies are made: `from` becomes the place. */
function together(needs: readonly Need[]): Need[] {
  let place = -1;
  return needs.map((need) => {
    if (place < need.ready) place = need.from;
    return { ...need, from: place };
  });
}

/** Records a copy: the full rows, then what is left. */
export function recordCopy(
  encoder: GPUCommandEncoder,
  { storage, texture, format }: TextureCopy,
  buffer: GPUBuffer,
): void {
  const texels = numel(storage.shape) / floatsOf(format);
  const rows = Math.floor(texels / TEXTURE_WIDTH);
  const rest = texels % TEXTURE_WIDTH;
  const bytesPerRow = rowBytes(format);
  if (rows > 0) {
    encoder.copyBufferToTexture({ buffer, bytesPerRow }, { texture }, [TEXTURE_WIDTH, rows]);
  }
  if (rest > 0) {
    encoder.copyBufferToTexture(
      { buffer, bytesPerRow, offset: rows * bytesPerRow },
      { texture, origin: [0, rows] },
      [rest, 1],
    );
  }
}
