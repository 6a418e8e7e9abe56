/**
 * A tensor in the host's memory, as files hold it: row-major values with a shape. The element
 * types are those that have a typed array of their own, so `data` always follows from `dtype`;
 * readers widen the narrower ones that files have (16-bit floats, 8- and 16-bit integers).
 *
 * Files and typed arrays are both little-endian, as is every platform that Deno runs on.
 */

const arrays = {
  F32: Float32Array,
  F64: Float64Array,
  I64: BigInt64Array,
  I32: Int32Array,
  U32: Uint32Array,
  U8: Uint8Array,
  BOOL: Uint8Array,
} as const;

/** Element types, named as safetensors does; BOOL is a byte that is 0 or 1. */
export type DType = keyof typeof arrays;

export type HostArray = InstanceType<typeof arrays[DType]>;

export interface HostTensor {
  readonly dtype: DType;
  readonly shape: readonly number[];
  /** Row-major; as many elements as the product of the shape. */
  readonly data: HostArray;
}

/** Tensors of a file by their names, whose values are read when they are asked for. */
export interface TensorDict {
  /** Where it is in the file: "state_dict", "ema.module"; "" for the whole. */
  readonly place: string;
  readonly shapes: ReadonlyMap<string, readonly number[]>;
  /** @throws UserError (weights) that names the file and the tensor that can't be read */
  readonly read: () => Map<string, HostTensor>;
}

/** Every element type, in the order in which messages list them. */
export const dtypes = Object.keys(arrays) as DType[];

/** Bytes of one element. */
export function elementSize(dtype: DType): number {
  return arrays[dtype].BYTES_PER_ELEMENT;
}

/** The number of elements of a shape; 1 for a scalar's []. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** A typed array over a copy of the bytes (a copy, because a view would need alignment). */
export function arrayFromBytes(dtype: DType, bytes: Uint8Array): HostArray {
  return new arrays[dtype](bytes.slice().buffer);
}

/** Element types that only files have, with what each widens to, without loss. */
const narrow = {
  F16: [2, "F32", (bytes) => Float32Array.from(new Float16Array(bytes.buffer))],
  BF16: [2, "F32", (bytes) => {
    const words = Uint32Array.from(new Uint16Array(bytes.buffer), (half) => half << 16);
    return new Float32Array(words.buffer);
  }],
  I16: [2, "I32", (bytes) => Int32Array.from(new Int16Array(bytes.buffer))],
  I8: [1, "I32", (bytes) => Int32Array.from(new Int8Array(bytes.buffer))],
} as const satisfies Record<
  string,
  readonly [size: number, DType, (aligned: Uint8Array<ArrayBuffer>) => HostArray]
>;

/** Element types of files. */
export type FileDType = DType | keyof typeof narrow;

const isNarrow = (dtype: FileDType): dtype is keyof typeof narrow => Object.hasOwn(narrow, dtype);

/** Every element type of files, in the order in which messages list them. */
export const fileDtypes = [...dtypes, ...Object.keys(narrow)] as FileDType[];

/** Bytes of one element in a file. */
export function fileElementSize(dtype: FileDType): number {
  return isNarrow(dtype) ? narrow[dtype][0] : elementSize(dtype);
}

/** The elements of a file's tensor, copied and widened where need be. */
export function decodeElements(
  dtype: FileDType,
  bytes: Uint8Array,
): { dtype: DType; data: HostArray } {
  if (!isNarrow(dtype)) return { dtype, data: arrayFromBytes(dtype, bytes) };
  const [, wide, widen] = narrow[dtype];
  return { dtype: wide, data: widen(bytes.slice()) };
}

/** The bytes of a tensor, not copied. */
export function bytesOf(tensor: HostTensor): Uint8Array {
  const { buffer, byteOffset, byteLength } = tensor.data;
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** Throws where data, dtype and shape of a tensor to be written don't belong together. */
export function checkHostTensor(name: string, tensor: HostTensor): void {
  const { dtype, shape, data } = tensor;
  if (!(data instanceof arrays[dtype])) {
    throw new TypeError(`tensor ${name} is ${dtype} but its data is a ${data.constructor.name}`);
  }
  if (data.length !== elementCount(shape)) {
    throw new RangeError(
      `tensor ${name} has shape [${shape.join(", ")}] but ${data.length} elements`,
    );
  }
}
