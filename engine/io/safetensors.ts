/**
 * The safetensors format: 8 bytes of header length (little-endian), a JSON header that names each
 * tensor's dtype, shape and byte range, then the bytes. A file from elsewhere is not trusted: the
 * ranges must tile the data exactly, as the format's own reader demands.
 *
 * Source: the format's description at github.com/huggingface/safetensors.
 */
import { ExitCode, UserError } from "../errors.ts";
import {
  bytesOf,
  checkHostTensor,
  decodeElements,
  elementCount,
  elementSize,
  FileDType,
  fileDtypes,
  fileElementSize,
  HostTensor,
} from "./host_tensor.ts";
import { duplicateKey, isTooDeep } from "./json_text.ts";
import { LIMITS } from "./limits.ts";

/** What a file holds: the tensors in the header's order, and its free text entries. */
export interface Safetensors {
  tensors: Map<string, HostTensor>;
  metadata: Record<string, string>;
}

interface Entry {
  dtype: FileDType;
  shape: number[];
  data_offsets: [number, number];
}

const lengthBytes = 8;

/**
 * Encodes tensors as one safetensors file, which PyTorch's `safetensors.torch.load_file` reads.
 * The header keeps the map's order; in the data the wide elements come first, so that with the
 * header's length a multiple of 8 every tensor is aligned.
 */
export function encodeSafetensors(
  tensors: ReadonlyMap<string, HostTensor>,
  metadata: Record<string, string> = {},
): Uint8Array<ArrayBuffer> {
  const ranges = new Map<string, [number, number]>();
  const byWidth = [...tensors].sort(([, a], [, b]) => elementSize(b.dtype) - elementSize(a.dtype));
  let size = 0;
  for (const [name, tensor] of byWidth) {
    checkHostTensor(name, tensor);
    ranges.set(name, [size, size += tensor.data.byteLength]);
  }

  const header = encodeHeader(tensors, ranges, metadata);
  const start = lengthBytes + header.length;
  const file = new Uint8Array(start + size);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, lengthBytes);
  for (const [name, [begin]] of ranges) file.set(bytesOf(tensors.get(name)!), start + begin);
  return file;
}

function encodeHeader(
  tensors: ReadonlyMap<string, HostTensor>,
  ranges: ReadonlyMap<string, [number, number]>,
  metadata: Record<string, string>,
): Uint8Array {
  const entries: [string, unknown][] = [...tensors].map((
    [name, { dtype, shape }],
  ) => [name, { dtype, shape, data_offsets: ranges.get(name) }]);
  if (Object.keys(metadata).length > 0) entries.unshift(["__metadata__", metadata]);
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const padded = new Uint8Array(Math.ceil(text.length / 8) * 8).fill(0x20);
  padded.set(text);
  return padded;
}

/**
 * Decodes a safetensors file; F16 and BF16 tensors come out as F32, I8 and I16 as I32.
 * @param name the file, for messages
 * @throws UserError (weights) that names the file, the tensor and what is wrong with it
 */
export function decodeSafetensors(bytes: Uint8Array, name: string): Safetensors {
  const { header, data } = splitHeader(bytes, name);
  const { __metadata__: metadata = {}, ...entries } = header;
  if (!isRecord(metadata) || !Object.values(metadata).every((v) => typeof v === "string")) {
    throw invalid(name, "its __metadata__ is not a table of strings");
  }
  for (const [tensor, entry] of Object.entries(entries)) checkEntry(entry, `${name}: ${tensor}`);
  const checked = entries as Record<string, Entry>;
  checkTiling(checked, data.length, name);

  const tensors = new Map<string, HostTensor>();
  for (const [tensor, { dtype, shape, data_offsets }] of Object.entries(checked)) {
    tensors.set(tensor, { shape, ...decodeElements(dtype, data.subarray(...data_offsets)) });
  }
  return { tensors, metadata: metadata as Record<string, string> };
}

function splitHeader(bytes: Uint8Array, name: string) {
  if (bytes.length < lengthBytes) {
    throw invalid(name, `it has ${bytes.length} bytes, too few for a header`);
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = Number(view.getBigUint64(0, true));
  if (length > LIMITS.safetensorsHeader) {
    throw invalid(name, `it states a header of ${length} bytes`);
  }
  if (length > bytes.length - lengthBytes) {
    throw invalid(
      name,
      `it states a header of ${length} bytes, but only ${bytes.length - lengthBytes} follow`,
    );
  }
  const header = parseHeader(bytes.subarray(lengthBytes, lengthBytes + length), name);
  return { header, data: bytes.subarray(lengthBytes + length) };
}

function parseHeader(bytes: Uint8Array, name: string): Record<string, unknown> {
  let text: string;
  let header: unknown;
  try {
    text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
    if (isTooDeep(text)) throw new SyntaxError("it is nested too deep");
    header = JSON.parse(text);
  } catch (error) {
    throw invalid(name, `its header is not JSON (${(error as Error).message})`);
  }
  if (!isRecord(header)) throw invalid(name, "its header is not a JSON object");
  const twice = duplicateKey(text);
  if (twice !== undefined) throw invalid(name, `its header holds ${JSON.stringify(twice)} twice`);
  return header;
}

function checkEntry(entry: unknown, where: string): void {
  if (!isRecord(entry)) throw invalid(where, "its entry is not an object");
  const { dtype, shape, data_offsets: range } = entry;
  if (!isSizes(shape)) throw invalid(where, `its shape is ${JSON.stringify(shape)}`);
  if (!isSizes(range) || range.length !== 2 || range[0] > range[1]) {
    throw invalid(where, `its data_offsets are ${JSON.stringify(range)}`);
  }
  if (!fileDtypes.includes(dtype as FileDType)) {
    const known = fileDtypes.join(", ");
    throw invalid(where, `its dtype ${JSON.stringify(dtype)} is not one of ${known}`);
  }
  const size = fileElementSize(dtype as FileDType);
  const [stated, needed] = [range[1] - range[0], elementCount(shape) * size];
  if (stated !== needed) {
    throw invalid(
      where,
      `${dtype} [${shape.join(", ")}] takes ${needed} bytes, but its data_offsets span ${stated}`,
    );
  }
}

/** Checks that the ranges cover the data without gap or overlap. */
function checkTiling(entries: Record<string, Entry>, size: number, name: string): void {
  const sorted = Object.entries(entries).sort(([, { data_offsets: a }], [, { data_offsets: b }]) =>
    a[0] - b[0] || a[1] - b[1]
  );
  let end = 0;
  for (const [tensor, { data_offsets: range }] of sorted) {
    if (range[1] > size) {
      throw invalid(
        `${name}: ${tensor}`,
        `its data ends at byte ${range[1]}, but the file holds ${size} bytes of data`,
        "The file may be truncated: get it again.",
      );
    }
    if (range[0] < end) throw invalid(`${name}: ${tensor}`, "its data overlaps another tensor's");
    if (range[0] > end) {
      throw invalid(`${name}: ${tensor}`, `${range[0] - end} unused bytes precede its data`);
    }
    end = range[1];
  }
  if (end < size) throw invalid(name, `${size - end} bytes follow the last tensor's data`);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

function invalid(where: string, problem: string, hint?: string): UserError {
  return new UserError(`${where}: not valid safetensors: ${problem}`, ExitCode.weights, hint);
}
