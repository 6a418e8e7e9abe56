/**
 * Tensors as PyTorch pickles them: a storage (a flat array of one element type, kept beside the
 * pickle) with an offset, a shape and strides. Several tensors may look at one storage. Here are
 * the names that such pickles use, and the way from a tensor's description to its values; nothing
 * is read until a tensor is asked for.
 *
 * Source: torch/_utils.py and torch/serialization.py, read as a description of the format.
 */
import { ExitCode, UserError } from "../errors.ts";
import {
  decodeElements,
  elementCount,
  type FileDType,
  fileElementSize,
  type HostArray,
  type HostTensor,
} from "./host_tensor.ts";
import { weightsExpansion } from "./limits.ts";
import { PickleError, type PickleFunction, type PickleRules } from "./pickle.ts";
import { plainGlobals } from "./torch_globals.ts";

/** A storage that a pickle refers to. */
export class TorchStorage {
  constructor(
    readonly dtype: FileDType,
    /** Its name in the file. */
    readonly key: string,
    /** Where this view of it begins, in elements. */
    readonly start: number,
    /** Elements of this view. */
    readonly length: number,
  ) {}
}

/** A tensor that a pickle describes. */
export class TorchTensor {
  constructor(
    readonly storage: TorchStorage,
    readonly offset: number,
    readonly shape: readonly number[],
    readonly strides: readonly number[],
  ) {}

  /** Bytes of its elements, each counted as often as the tensor shows it. */
  get bytes(): number {
    return elementCount(this.shape) * fileElementSize(this.storage.dtype);
  }
}

const storages: Readonly<Record<string, FileDType>> = {
  FloatStorage: "F32",
  DoubleStorage: "F64",
  HalfStorage: "F16",
  BFloat16Storage: "BF16",
  LongStorage: "I64",
  IntStorage: "I32",
  ShortStorage: "I16",
  CharStorage: "I8",
  ByteStorage: "U8",
  BoolStorage: "BOOL",
};

const dtypeNames =
  "float32 float64 float16 bfloat16 int64 int32 int16 int8 uint8 bool complex64 complex128";

/** A storage's class, or a dtype: only ever compared and shown. */
class TorchName {
  constructor(readonly name: string) {}
}

const rebuildTensor: PickleFunction = (storage, offset, shape, strides) => {
  if (!(storage instanceof TorchStorage)) throw new PickleError("it makes a tensor of no storage");
  if (!isSize(offset) || !isSizes(shape) || !isSizes(strides) || shape.length !== strides.length) {
    throw new PickleError("it makes a tensor of impossible shape");
  }
  return new TorchTensor(storage, offset, shape, strides);
};

const rebuildParameter: PickleFunction = (tensor) => {
  if (!(tensor instanceof TorchTensor)) throw new PickleError("it makes a parameter of no tensor");
  return tensor;
};

const size: PickleFunction = (sizes = []) => {
  if (!isSizes(sizes)) throw new PickleError("it makes a torch.Size of no sizes");
  return sizes;
};

const globals: ReadonlyMap<string, unknown> = new Map<string, unknown>([
  ...plainGlobals,
  ["torch.Size", size],
  ["torch._utils._rebuild_tensor", rebuildTensor],
  ["torch._utils._rebuild_tensor_v2", rebuildTensor],
  ["torch._utils._rebuild_parameter", rebuildParameter],
  ...[...Object.keys(storages), ...dtypeNames.split(" ")]
    .map((name): [string, unknown] => [`torch.${name}`, new TorchName(name)]),
]);

/** What a pickle of PyTorch may name. */
export const torchRules: PickleRules = { globals, persistent: storageOf };

/** ("storage", class, key, device, length), and in old files a view (key, start, length) or None. */
function storageOf(id: unknown): TorchStorage {
  if (!Array.isArray(id) || id[0] !== "storage") {
    throw new PickleError("it refers to what is no storage");
  }
  const [, type, key, , length, view] = id;
  const dtype = type instanceof TorchName ? storages[type.name] : undefined;
  if (!dtype || typeof key !== "string" || !isSize(length)) {
    throw new PickleError("it refers to a storage of unknown kind");
  }
  if (!view) return new TorchStorage(dtype, key, 0, length);
  const [, start, viewLength] = Array.isArray(view) ? view : [];
  if (!isSize(start) || !isSize(viewLength) || start + viewLength > length) {
    throw new PickleError("it refers to an impossible part of a storage");
  }
  return new TorchStorage(dtype, key, start, viewLength);
}

/**
 * The values of tensors, in their order.
 * @param bytesOf a storage's bytes by its key
 * @param fileSize bytes of the file that they are in, against which they are weighed
 * @throws UserError (weights) naming the tensor that reaches past its storage, or all of them
 *   where they take many times the file's size (one value shown over and over)
 */
export function readTensors(
  tensors: ReadonlyMap<string, TorchTensor>,
  bytesOf: (key: string) => Uint8Array,
  fileSize: number,
  where: string,
): Map<string, HostTensor> {
  const total = [...tensors.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  if (!(total <= weightsExpansion(fileSize))) {
    throw unreadable(where, `its tensors take ${total} bytes, but the file has ${fileSize}`);
  }
  return new Map(
    [...tensors].map(([name, t]) => [name, readTensor(t, bytesOf, `${where}: ${name}`)]),
  );
}

function readTensor(
  { storage, offset, shape, strides }: TorchTensor,
  bytesOf: (key: string) => Uint8Array,
  where: string,
): HostTensor {
  const count = elementCount(shape);
  const reach = count === 0
    ? 0
    : shape.reduce((last, extent, d) => last + (extent - 1) * strides[d], offset) + 1;
  if (reach > storage.length) {
    throw unreadable(where, `it reaches element ${reach} of a storage of ${storage.length}`);
  }
  const width = fileElementSize(storage.dtype);
  const bytes = bytesOf(storage.key);
  const [from, to] = [storage.start + Math.min(offset, reach), storage.start + reach];
  if (to * width > bytes.length) {
    throw unreadable(where, `its storage should have ${to * width} bytes, not ${bytes.length}`);
  }
  const { dtype, data } = decodeElements(storage.dtype, bytes.subarray(from * width, to * width));
  return { dtype, shape, data: isContiguous(shape, strides) ? data : gather(data, shape, strides) };
}

/** Whether the elements follow each other in row-major order, without gaps. */
function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  let step = 1;
  for (let d = shape.length - 1; d >= 0; d--) {
    if (shape[d] !== 1 && strides[d] !== step) return elementCount(shape) === 0;
    step *= shape[d];
  }
  return true;
}

/** The elements in row-major order, wherever the strides say they are. */
function gather(data: HostArray, shape: readonly number[], strides: readonly number[]): HostArray {
  const result = new (data.constructor as new (length: number) => HostArray)(elementCount(shape));
  const index = shape.map(() => 0);
  for (let i = 0, at = 0; i < result.length; i++) {
    result[i] = data[at];
    for (let d = shape.length - 1; d >= 0; d--) {
      at += strides[d];
      if (++index[d] < shape[d]) break;
      at -= strides[d] * shape[d];
      index[d] = 0;
    }
  }
  return result;
}

const isSize = (value: unknown): value is number =>
  Number.isSafeInteger(value) && value as number >= 0;

const isSizes = (value: unknown): value is number[] => Array.isArray(value) && value.every(isSize);

function unreadable(where: string, problem: string): UserError {
  return new UserError(`${where}: not read: ${problem}`, ExitCode.weights, "Get the file again.");
}
