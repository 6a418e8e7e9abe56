/**
 * NumPy's .npy format: a magic string, a Python dictionary with dtype and shape, padded so that
 * the data starts at a multiple of 64 bytes, then the values in row-major (C) order.
 *
 * Source: numpy.org/doc/stable/reference/generated/numpy.lib.format.html
 */
import { ExitCode, UserError } from "../errors.ts";
import {
  arrayFromBytes,
  bytesOf,
  checkHostTensor,
  DType,
  elementCount,
  elementSize,
  HostTensor,
} from "./host_tensor.ts";

const magic = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59];
const preamble = magic.length + 4;

const descriptions: Record<DType, string> = {
  F32: "<f4",
  F64: "<f8",
  I64: "<i8",
  I32: "<i4",
  U32: "<u4",
  U8: "|u1",
  BOOL: "|b1",
};

/** Encodes a tensor as a .npy file, version 1.0. */
export function encodeNpy(tensor: HostTensor): Uint8Array<ArrayBuffer> {
  checkHostTensor("to be saved as .npy", tensor);
  const { dtype, shape } = tensor;
  const tuple = shape.length === 1 ? `(${shape[0]},)` : `(${shape.join(", ")})`;
  const dictionary = `{'descr': '${
    descriptions[dtype]
  }', 'fortran_order': False, 'shape': ${tuple}, }`;
  const length = Math.ceil((preamble + dictionary.length + 1) / 64) * 64 - preamble;
  const file = new Uint8Array(preamble + length + tensor.data.byteLength);
  file.set([...magic, 1, 0, length & 0xff, length >> 8]);
  file.set(new TextEncoder().encode(dictionary.padEnd(length - 1) + "\n"), preamble);
  file.set(bytesOf(tensor), preamble + length);
  return file;
}

/**
 * Decodes a .npy file of version 1.0 in C order.
 * @param name the file, for messages
 * @throws UserError (data) that names the file and what is wrong with it
 */
export function decodeNpy(bytes: Uint8Array, name: string): HostTensor {
  if (!magic.every((byte, i) => bytes[i] === byte)) throw invalid(name, "it is not a .npy file");
  if (bytes[6] !== 1) throw invalid(name, `its version is ${bytes[6]}.${bytes[7]}, not 1.0`);
  const start = preamble + (bytes[8] | bytes[9] << 8);
  const dictionary = new TextDecoder().decode(bytes.subarray(preamble, start)).trim();

  const field = (key: string, value: string) =>
    new RegExp(`'${key}'\\s*:\\s*${value}`).exec(dictionary)?.[1];
  const descr = field("descr", "'([^']*)'");
  const order = field("fortran_order", "(True|False)");
  const sizes = field("shape", "\\(([\\d,\\s]*)\\)");
  if (descr === undefined || order === undefined || sizes === undefined) {
    throw invalid(name, `its header is ${JSON.stringify(dictionary)}`);
  }
  const dtype = (Object.keys(descriptions) as DType[]).find((d) => descriptions[d] === descr);
  if (!dtype) {
    throw invalid(
      name,
      `its dtype ${descr} is not one of ${Object.values(descriptions).join(" ")}`,
    );
  }
  if (order === "True") throw invalid(name, "it is in Fortran order; save it with order='C'");

  const shape = (sizes.match(/\d+/g) ?? []).map(Number);
  const [needed, found] = [elementCount(shape) * elementSize(dtype), bytes.length - start];
  if (needed !== found) {
    throw invalid(
      name,
      `${descr} (${shape.join(", ")}) takes ${needed} bytes, but ${Math.max(0, found)} follow`,
    );
  }
  return { dtype, shape, data: arrayFromBytes(dtype, bytes.subarray(start)) };
}

function invalid(name: string, problem: string): UserError {
  return new UserError(`${name}: cannot read: ${problem}`, ExitCode.data);
}
