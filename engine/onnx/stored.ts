/**
 * Tensors as an ONNX file stores them: bytes of their own, lists of numbers, or a part of another
 * file. Each is a view of where it lies, checked against its shape before anything is made of it.
 */

import { dirname } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { readBytes } from "../io/files.ts";
import {
  decodeElements,
  elementCount,
  type FileDType,
  fileElementSize,
  type HostTensor,
} from "../io/host_tensor.ts";
import { inside } from "../io/inside.ts";
import { LIMITS } from "../io/limits.ts";
import { printable } from "../printable.ts";
import type { TensorProto } from "./schema.ts";

/** Element types by their numbers in TensorProto.DataType. */
const DTYPES: Readonly<Record<number, FileDType>> = {
  1: "F32",
  2: "U8",
  3: "I8",
  5: "I16",
  6: "I32",
  7: "I64",
  9: "BOOL",
  10: "F16",
  11: "F64",
  12: "U32",
  16: "BF16",
};

/** External data: the tensor is in another file. */
const EXTERNAL = 1;

export interface Stored {
  readonly dtype: FileDType;
  readonly shape: readonly number[];
  /** Its elements as they lie in the file; absent where the file has them as a list of integers. */
  readonly bytes?: Uint8Array;
  readonly read: () => HostTensor;
}

export const isFloat = ({ dtype }: Pick<Stored, "dtype">): boolean => /^B?F/.test(dtype);

/** @throws UserError (weights) where its elements are of no known type, or not as many as it says */
export function storedTensor(
  proto: TensorProto,
  external: ReadonlyMap<string, Uint8Array>,
  path: string,
): Stored {
  const { dims: shape, name = "a constant" } = proto;
  const wrong = (problem: string) =>
    new UserError(`${path}: tensor ${printable(name)} ${problem}`, ExitCode.weights);
  const dtype = DTYPES[proto.data_type ?? 0];
  if (!dtype) throw wrong(`is of type ${proto.data_type}, which is not read`);
  const count = elementCount(shape);
  if (
    !shape.every((extent) => Number.isSafeInteger(extent) && extent >= 0) || count > LIMITS.file
  ) {
    throw wrong(`claims the shape [${shape.join(", ")}]`);
  }
  const bytes = bytesOf(proto, external, wrong);
  if (bytes) {
    const needed = count * fileElementSize(dtype);
    if (bytes.length !== needed) {
      throw wrong(`has ${bytes.length} bytes, and [${shape.join(", ")}] of ${dtype} are ${needed}`);
    }
    return { dtype, shape, bytes, read: () => ({ shape, ...decodeElements(dtype, bytes) }) };
  }
  const list = dtype === "I64" ? proto.int64_data : proto.int32_data;
  if (list.length !== count) {
    throw wrong(`has ${list.length} elements, and [${shape.join(", ")}] are ${count}`);
  }
  return { dtype, shape, read: () => ({ shape, ...fromList(dtype, list) }) };
}

function bytesOf(
  proto: TensorProto,
  external: ReadonlyMap<string, Uint8Array>,
  wrong: (problem: string) => UserError,
): Uint8Array | undefined {
  if (proto.data_location === EXTERNAL) {
    const { location = "", offset = 0, length } = placeOf(proto);
    const file = external.get(location)!;
    const end = length === undefined ? file.length : offset + length;
    if (!(offset >= 0 && end >= offset && end <= file.length)) {
      throw wrong(
        `lies from byte ${offset} to ${end} of ${printable(location)}, which has ${file.length}`,
      );
    }
    return file.subarray(offset, end);
  }
  const listed = proto.data_type === 11 ? proto.double_data : proto.float_data;
  const isListed = proto.data_type === 1 || proto.data_type === 11;
  if (proto.raw_data) return proto.raw_data;
  // An empty list is not written at all.
  return isListed ? listed ?? new Uint8Array() : undefined;
}

/** Narrow types are in a list of 32-bit integers: halves of floats by their bits. */
function fromList(dtype: FileDType, list: readonly number[]) {
  if (dtype === "I64") return { dtype, data: BigInt64Array.from(list, BigInt) } as const;
  const narrow = fileElementSize(dtype);
  const bytes = new Uint8Array(narrow * list.length);
  const view = new DataView(bytes.buffer);
  list.forEach((value, i) => {
    if (narrow === 1) view.setUint8(i, value);
    else if (narrow === 2) view.setUint16(2 * i, value, true);
    else view.setInt32(4 * i, value, true);
  });
  return decodeElements(dtype, bytes);
}

function placeOf({ external_data }: TensorProto) {
  const entries = new Map(external_data.map(({ key, value }) => [key, value]));
  const number = (key: string) => entries.has(key) ? Number(entries.get(key)) : undefined;
  return { location: entries.get("location"), offset: number("offset"), length: number("length") };
}

/**
 * The files that tensors lie in, by the paths that the model states.
 * @throws UserError where one leads out of the model's folder, through a link too, or is not there
 */
export async function externalFiles(
  protos: readonly TensorProto[],
  path: string,
): Promise<Map<string, Uint8Array>> {
  const files = new Map<string, Uint8Array>();
  let total = 0;
  for (const proto of protos) {
    if (proto.data_location !== EXTERNAL) continue;
    const { location = "" } = placeOf(proto);
    if (files.has(location)) continue;
    const place = inside(dirname(path), location, path);
    await requireRealPlace(place, path);
    const bytes = await readBytes(place, ExitCode.weights, LIMITS.file - total);
    total += bytes.length;
    files.set(location, bytes);
  }
  return files;
}

/** A link in the folder may lead out of it. */
async function requireRealPlace(place: string, path: string): Promise<void> {
  const [real, folder] = await Promise.all([place, dirname(path)].map((p) => Deno.realPath(p)))
    .catch(() => [place, dirname(path)]);
  inside(folder, real.startsWith(folder + "/") ? real.slice(folder.length + 1) : real, path);
}
