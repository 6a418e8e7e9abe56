/**
 * The file that a network came from, with other weights. Their places in it are known, and a weight
 * takes as many bytes as before: so the file is copied and these are put over, and every other byte,
 * whoever wrote it and whatever it means, stays as it was.
 */

import { ExitCode, UserError } from "../errors.ts";
import { bytesOf, type FileDType, type HostTensor } from "../io/host_tensor.ts";
import type { StateDict } from "../nn/state.ts";
import type { OnnxModel } from "./model.ts";

/**
 * The files of a model with the weights of `state`: "" is the model itself, the others those beside
 * it that hold tensors, by the paths that it has for them.
 * @throws UserError (weights) for a weight that the file doesn't store as floats of its own
 */
export function withWeights(model: OnnxModel, state: StateDict): Map<string, Uint8Array> {
  const files = new Map([["", model.bytes], ...model.external]);
  const copies = new Map([...files].map(([name, bytes]) => [name, bytes.slice()]));
  for (const [name, tensor] of state) {
    const stored = model.tensors.get(name);
    if (!stored) continue;
    const place = stored.bytes &&
      [...files].find(([, file]) => file.buffer === stored.bytes!.buffer);
    if (!stored.bytes || !place) {
      throw new UserError(
        `${model.path}: the weight ${name} can't be written back`,
        ExitCode.weights,
        "export the network with its tensors as raw data",
      );
    }
    const [file, original] = place;
    const offset = stored.bytes.byteOffset - original.byteOffset;
    copies.get(file)!.set(encoded(tensor, stored.dtype), offset);
  }
  return copies;
}

/** A tensor's elements as the file has them; halves of floats are rounded to the nearest. */
function encoded(tensor: HostTensor, dtype: FileDType): Uint8Array {
  const values = tensor.data as Float32Array;
  switch (dtype) {
    case "F16":
      return new Uint8Array(Float16Array.from(values).buffer);
    case "F64":
      return new Uint8Array(Float64Array.from(values).buffer);
    case "BF16":
      return new Uint8Array(
        Uint16Array.from(new Uint32Array(bytesOf(tensor).slice().buffer), toBF16).buffer,
      );
    default:
      return bytesOf(tensor);
  }
}

/** The upper half of a float's bits, rounded to the nearest, ties to even. */
const toBF16 = (bits: number): number => (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
