/** Weights in any format that is read, told apart by what is in the file and not by its name. */
import { ExitCode, UserError } from "../errors.ts";
import { readBytes } from "./files.ts";
import type { HostTensor } from "./host_tensor.ts";
import { decodePth, isPickle, isZip } from "./pth.ts";
import { decodeSafetensors } from "./safetensors.ts";

/**
 * The state dict in a file: safetensors, or a state dict or checkpoint saved by PyTorch. Tensors
 * have the names and layouts that they have there; narrow element types are widened.
 * @throws UserError (weights) that names the file and what is wrong with it
 */
export async function readWeights(path: string): Promise<Map<string, HostTensor>> {
  const bytes = await readBytes(path, ExitCode.weights);
  if (isSafetensors(bytes)) return decodeSafetensors(bytes, path).tensors;
  if (isZip(bytes) || isPickle(bytes)) return decodePth(bytes, path);
  const found = bytes.length === 0 ? "it is empty" : "it is in neither format";
  throw new UserError(
    `${path} holds no weights: ${found}`,
    ExitCode.weights,
    "Weights are read from .safetensors and from what PyTorch's torch.save writes (.pth, .pt).",
  );
}

/** A JSON object after a length of 8 bytes, of which the upper half is 0. */
function isSafetensors(bytes: Uint8Array): boolean {
  return bytes[8] === "{".charCodeAt(0) && bytes.subarray(4, 8).every((byte) => byte === 0);
}
