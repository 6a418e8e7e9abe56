/**
 * MATLAB's .mat files of version 5, as far as they hold numeric arrays: a header of 128 bytes, then
 * elements of a type, a number of bytes and the data, padded to 8 bytes. An array is an element
 * of elements (flags, dimensions, name, values), compressed with zlib or not. Values are stored in
 * the smallest type that holds them, column by column.
 *
 * Source: MathWorks, "MAT-File Format" (version 5), chapter 1.
 */
import { ExitCode, UserError } from "../errors.ts";
import { inflate, inflateBeginning } from "./inflate.ts";
import { dataExpansion } from "./limits.ts";

/** An array, its first dimension running fastest. */
export interface MatArray {
  readonly shape: readonly number[];
  readonly data: MatData;
}

export type MatData = InstanceType<typeof NUMBERS[keyof typeof NUMBERS]>;

/** Data types of numbers, by their codes mi*. */
const NUMBERS = {
  1: Int8Array,
  2: Uint8Array<ArrayBuffer>,
  3: Int16Array,
  4: Uint16Array,
  5: Int32Array,
  6: Uint32Array,
  7: Float32Array,
  9: Float64Array,
} as const;
const MATRIX = 14;
const COMPRESSED = 15;

/** Array classes mx* that hold numbers: double to uint32. */
const isNumeric = (arrayClass: number) => arrayClass >= 6 && arrayClass <= 13;
const COMPLEX = 0x08;

const HEADER = 128;
/** Bytes of an element before its data. */
const TAG = 8;

interface Element {
  readonly type: number;
  readonly data: Uint8Array<ArrayBuffer>;
  /** Where the next element begins. */
  readonly next: number;
}

/**
 * The numeric arrays of a file by name; others are passed over.
 * @param name the file, for messages
 * @throws UserError (data) that names the file: another version, truncated or corrupt
 */
export async function readMat(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
): Promise<Map<string, MatArray>> {
  checkHeader(bytes, name);
  const arrays = new Map<string, MatArray>();
  for (let at = HEADER; at < bytes.length;) {
    const outer = element(bytes, at, name);
    at = outer.next;
    const { type, data } = outer.type === COMPRESSED
      ? element(await unfolded(outer.data, name), 0, name)
      : outer;
    if (type !== MATRIX) continue;
    const array = matrix(data, name);
    if (array) arrays.set(array.name, array);
  }
  return arrays;
}

function checkHeader(bytes: Uint8Array, name: string): void {
  if (bytes.length < HEADER) {
    throw wrong(name, `truncated: ${bytes.length} bytes, but the header takes ${HEADER}`);
  }
  const [version, order] = [bytes[124] | bytes[125] << 8, [bytes[126], bytes[127]]];
  if (order[0] === 0x49 && order[1] === 0x4d && version >> 8 === 1) return;
  const hdf = version >> 8 === 2;
  throw wrong(
    name,
    `no .mat file of version 5${hdf ? ", but one of version 7.3" : ""}`,
    hdf ? "Save it in MATLAB with -v7 or -v6." : undefined,
  );
}

/** An element; a small one has its number of bytes and up to four of them in its first word. */
function element(bytes: Uint8Array<ArrayBuffer>, at: number, name: string): Element {
  if (at + TAG > bytes.length) throw truncated(name);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const word = view.getUint32(at, true);
  const small = word >>> 16;
  if (small > 4) throw wrong(name, `corrupt: a small element of ${small} bytes at byte ${at}`);
  if (small > 0) {
    return { type: word & 0xffff, data: bytes.subarray(at + 4, at + 4 + small), next: at + 8 };
  }
  const length = view.getUint32(at + 4, true);
  const end = at + TAG + length;
  if (end > bytes.length) throw truncated(name);
  // Compressed elements are not padded.
  const next = word === COMPRESSED ? end : Math.ceil(end / 8) * 8;
  return { type: word, data: bytes.subarray(at + 8, end), next };
}

function matrix(
  bytes: Uint8Array<ArrayBuffer>,
  file: string,
): MatArray & { name: string } | undefined {
  const flags = element(bytes, 0, file);
  const dimensions = element(bytes, flags.next, file);
  const named = element(bytes, dimensions.next, file);
  if (flags.data.length < 4) throw wrong(file, "corrupt: an array without flags");
  if (!isNumeric(flags.data[0])) return undefined;
  const name = new TextDecoder().decode(named.data);
  if (flags.data[1] & COMPLEX) throw wrong(file, `its array ${name} is complex`);
  const shape = [...numbers(dimensions, file)];
  const values = element(bytes, named.next, file);
  const data = numbers(values, file);
  const needed = shape.reduce((product, n) => product * n, 1);
  if (data.length !== needed) {
    throw wrong(
      file,
      `corrupt: its array ${name} of ${shape.join(" x ")} has ${data.length} values`,
    );
  }
  return { name, shape, data };
}

function numbers({ type, data }: Element, name: string): MatData {
  const Numbers = NUMBERS[type as keyof typeof NUMBERS];
  if (!Numbers) throw wrong(name, `corrupt: there is no type ${type} of numbers`);
  if (data.length % Numbers.BYTES_PER_ELEMENT !== 0) throw wrong(name, "corrupt: half a number");
  if (Numbers === Uint8Array) return data;
  return new Numbers(data.slice().buffer);
}

/** A compressed element: its first bytes say how long it is. */
async function unfolded(bytes: Uint8Array, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const compressed = { bytes, format: "deflate", name } as const;
  const tag = await inflateBeginning(compressed, TAG);
  if (tag.length < TAG) throw truncated(name);
  const small = new DataView(tag.buffer).getUint32(0, true) >>> 16 > 0;
  const length = TAG + (small ? 0 : new DataView(tag.buffer).getUint32(4, true));
  const most = dataExpansion(bytes.length);
  if (length <= most) return await inflate(compressed, length);
  throw wrong(
    name,
    `it holds an array of ${length} bytes, but its ${bytes.length} compressed ones may unfold ` +
      `to ${most} at most`,
    "If the file is right, save it without compression (-v6).",
  );
}

const truncated = (name: string) => wrong(name, "truncated: it ends in the middle of an array");

function wrong(name: string, problem: string, hint = "Get the file again."): UserError {
  return new UserError(`${name}: ${problem}`, ExitCode.data, hint);
}
