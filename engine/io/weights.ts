/** Weights in any format that is read, told apart by what is in the file and not by its name. */
import { dirname } from "node:path";
import * as v from "valibot";
import { ExitCode, UserError } from "../errors.ts";
import { readBytes } from "./files.ts";
import type { HostTensor, TensorDict } from "./host_tensor.ts";
import { inside } from "./inside.ts";
import { parseJson } from "./json.ts";
import { dictsInPth, isPickle, isZip } from "./pth.ts";
import { decodeSafetensors } from "./safetensors.ts";

/** A file of weights: a checkpoint may hold several dicts of tensors. */
export interface WeightsFile {
  readonly path: string;
  /** The likeliest to be the weights first. */
  readonly dicts: readonly TensorDict[];
  /** How many files it is an index of. */
  readonly shards?: number;
}

/**
 * Opens a file of weights: safetensors, the index of one that was cut into several, or a state dict
 * or checkpoint saved by PyTorch. Tensors have the names and layouts that they have there; narrow
 * element types are widened.
 * @throws UserError (weights) that names the file and what is wrong with it
 */
export async function openWeightsFile(path: string): Promise<WeightsFile> {
  const bytes = await readBytes(path, ExitCode.weights);
  if (isSafetensors(bytes)) return { path, dicts: [whole(decodeSafetensors(bytes, path).tensors)] };
  if (isZip(bytes) || isPickle(bytes)) return { path, dicts: dictsInPth(bytes, path) };
  if (bytes[0] === BRACE) {
    const { tensors, shards } = await readShards(bytes, path);
    return { path, dicts: [whole(tensors)], shards };
  }
  const found = bytes.length === 0 ? "it is empty" : "it is in neither format";
  throw new UserError(
    `${path} holds no weights: ${found}`,
    ExitCode.weights,
    "Weights are read from .safetensors and from what PyTorch's torch.save writes (.pth, .pt).",
  );
}

/** The likeliest weights in a file. Throws what `openWeightsFile` does. */
export async function readWeights(path: string): Promise<Map<string, HostTensor>> {
  return (await openWeightsFile(path)).dicts[0].read();
}

const whole = (tensors: Map<string, HostTensor>): TensorDict => ({
  place: "",
  shapes: new Map([...tensors].map(([name, { shape }]) => [name, shape])),
  read: () => tensors,
});

const BRACE = "{".charCodeAt(0);

/** A JSON object after a length of 8 bytes, of which the upper half is 0. */
function isSafetensors(bytes: Uint8Array): boolean {
  return bytes[8] === BRACE && bytes.subarray(4, 8).every((byte) => byte === 0);
}

/** model.safetensors.index.json: which file beside it holds which tensor. */
const indexSchema = v.looseObject({ weight_map: v.record(v.string(), v.string()) });

/** The tensors that an index names, from the files beside it. */
async function readShards(bytes: Uint8Array, path: string) {
  const source = { name: path, exitCode: ExitCode.weights };
  const { weight_map } = parseJson(new TextDecoder().decode(bytes), indexSchema, source);
  const names = new Map(Object.entries(weight_map));
  const tensors = new Map<string, HostTensor>();
  const files = new Set(names.values());
  for (const file of files) {
    const shardPath = inside(dirname(path), file, path);
    const shard = await readBytes(shardPath, ExitCode.weights);
    const found = isSafetensors(shard)
      ? decodeSafetensors(shard, shardPath).tensors
      : dictsInPth(shard, shardPath)[0].read();
    for (const [name, of] of names) {
      if (of !== file) continue;
      const tensor = found.get(name);
      if (!tensor) {
        throw new UserError(
          `${shardPath} lacks ${name}, which ${path} says it holds`,
          ExitCode.weights,
        );
      }
      tensors.set(name, tensor);
    }
  }
  if (tensors.size > 0) return { tensors, shards: files.size };
  throw new UserError(`${path} holds no weights: it names none`, ExitCode.weights);
}
