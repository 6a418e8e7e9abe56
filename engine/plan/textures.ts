/**
 * Operands that a kernel reads as textures (see `TextureInput`): each value is copied to a texture
 * once a run, just before its first use, and the texture is reused like any other memory when its
 * last reader is done.
 */

import { TEXTURE_WIDTH, type TextureInput } from "../gpu/kernel.ts";
import { numel } from "../tensor/shape.ts";
import { bytesTogether, type Lifetime, placeValues } from "./memory.ts";
import type { Dispatch, Storage } from "./schedule.ts";

type Format = TextureInput["format"];

/** Copies a value's floats into a texture, before the dispatch numbered `before`. */
export interface TextureCopy {
  readonly storage: Storage;
  readonly texture: GPUTexture;
  readonly format: Format;
  readonly before: number;
}

const floatsOf = (format: Format) => (format === "r32float" ? 1 : 4);
const rowBytes = (format: Format) => 4 * floatsOf(format) * TEXTURE_WIDTH;

/** The copies that the dispatches need, in order, and the textures they go to, made here. */
export function placeTextures(device: GPUDevice, dispatches: readonly Dispatch[]) {
  const copies: TextureCopy[] = [];
  const owned: GPUTexture[] = [];
  const use = { bytes: 0, withoutReuse: 0 };
  for (const format of ["r32float", "rgba32float", "rgba32uint"] as const) {
    const spans = lifetimes(dispatches, format);
    const { buffers, sizes } = placeValues([...spans.values()]);
    const textures = sizes.map((bytes) => {
      const size = [TEXTURE_WIDTH, bytes / rowBytes(format)];
      const usage = GPUTextureUsage.TEXTURE_BINDING | GPUTextureUsage.COPY_DST;
      return device.createTexture({ label: "operand", size, format, usage });
    });
    owned.push(...textures);
    use.bytes += sizes.reduce((sum, bytes) => sum + bytes, 0);
    use.withoutReuse += bytesTogether([...spans.values()]);
    [...spans].forEach(([storage, { from }], k) =>
      copies.push({ storage, format, before: from, texture: textures[buffers[k]] })
    );
  }
  return { copies: copies.sort((a, b) => a.before - b.before), owned, use };
}

/** From which dispatch to which each value is needed as a texture of the format. */
function lifetimes(dispatches: readonly Dispatch[], format: Format): Map<Storage, Lifetime> {
  const spans = new Map<Storage, Lifetime>();
  dispatches.forEach(({ kernel, buffers }, at) => {
    for (const input of kernel.textures ?? []) {
      if (input.format !== format) continue;
      const storage = buffers[input.binding];
      const rows = Math.ceil(numel(storage.shape) / floatsOf(format) / TEXTURE_WIDTH);
      const from = spans.get(storage)?.from ?? at;
      spans.set(storage, { bytes: rows * rowBytes(format), from, to: at });
    }
  });
  return spans;
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
