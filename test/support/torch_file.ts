/**
 * Files of PyTorch, byte by byte: pickles, zip archives, and both put together as torch.save does.
 * What a test wants wrong can be made wrong.
 */
import { crc32, deflateRawSync } from "node:zlib";
import { concat } from "./io.ts";

type Bytes = Uint8Array | number[];

const text = (value: string) => new TextEncoder().encode(value);

export function le(value: number | bigint, bytes: number): Uint8Array<ArrayBuffer> {
  const all = new Uint8Array(8);
  new DataView(all.buffer).setBigUint64(0, BigInt(value), true);
  return all.slice(0, bytes);
}

// Pickles of protocol 2. Each function gives the instructions that put its value on the stack.

const code = (letter: string) => letter.charCodeAt(0);
export const str = (value: string) => concat([code("X")], le(text(value).length, 4), text(value));
export const int = (value: number) => concat([0x8a, 8], le(BigInt.asUintN(64, BigInt(value)), 8));
export const NONE = [code("N")];
export const TRUE = [0x88];
export const FALSE = [0x89];
export const global = (module: string, name: string) => text(`c${module}\n${name}\n`);
export const tuple = (...items: Bytes[]) => concat([code("(")], ...items, [code("t")]);
export const list = (...items: Bytes[]) => concat([code("]"), code("(")], ...items, [code("e")]);
export const call = (callee: Bytes, ...args: Bytes[]) =>
  concat(callee, tuple(...args), [code("R")]);
export const dict = (entries: Record<string, Bytes>) =>
  concat(
    [code("}"), code("(")],
    ...Object.entries(entries).flatMap(([key, value]) => [str(key), value]),
    [code("u")],
  );
export const orderedDict = (entries: Record<string, Bytes>) =>
  concat(
    call(global("collections", "OrderedDict")),
    [code("(")],
    ...Object.entries(entries).flatMap(([key, value]) => [str(key), value]),
    [code("u")],
  );
export const pickle = (value: Bytes) => concat([0x80, 2], value, [code(".")]);

/** What a tensor of the file is: its storage by key, and how it looks at it. */
export interface TensorSpec {
  readonly storage: string;
  /** A class of torch: "FloatStorage". */
  readonly type: string;
  /** Elements of the storage. */
  readonly length: number;
  readonly offset?: number;
  readonly shape: readonly number[];
  readonly strides: readonly number[];
}

export function tensor({ storage, type, length, offset = 0, shape, strides }: TensorSpec) {
  const id = tuple(str("storage"), global("torch", type), str(storage), str("cpu"), int(length));
  return call(
    global("torch._utils", "_rebuild_tensor_v2"),
    concat(id, [code("Q")]),
    int(offset),
    tuple(...shape.map(int)),
    tuple(...strides.map(int)),
    FALSE,
    orderedDict({}),
  );
}

/** A float32 tensor of one axis in a storage of its own. */
export const vector = (storage: string, length: number) =>
  tensor({ storage, type: "FloatStorage", length, shape: [length], strides: [1] });

// Archives.

export interface ZipOptions {
  readonly deflate?: boolean;
  /** The size that the directory claims for every entry, instead of the right one. */
  readonly claim?: number;
  /** All sizes and places in the zip64 extension. */
  readonly zip64?: boolean;
}

export function zip(files: Record<string, Bytes>, options: ZipOptions = {}) {
  const { deflate = false, claim, zip64 = false } = options;
  const bodies: Uint8Array[] = [], directory: Uint8Array[] = [];
  let at = 0;
  for (const [path, content] of Object.entries(files)) {
    const data = Uint8Array.from(content);
    const body = deflate ? Uint8Array.from(deflateRawSync(data)) : data;
    const size = claim ?? data.length;
    const start = concat(le(20, 2), le(0, 2), le(deflate ? 8 : 0, 2), le(0, 4), le(crc32(data), 4));
    const narrow = (value: number) => le(zip64 ? 0xffffffff : value, 4);
    const extra = zip64
      ? concat(le(1, 2), le(24, 2), le(size, 8), le(body.length, 8), le(at, 8))
      : concat();
    const local = concat(
      ...[le(0x04034b50, 4), start, le(body.length, 4), le(size, 4)],
      ...[le(text(path).length, 2), le(0, 2), text(path), body],
    );
    directory.push(concat(
      ...[le(0x02014b50, 4), le(20, 2), start, narrow(body.length), narrow(size)],
      ...[le(text(path).length, 2), le(extra.length, 2), le(0, 2), le(0, 8), narrow(at)],
      ...[text(path), extra],
    ));
    bodies.push(local);
    at += local.length;
  }
  const count = directory.length, central = concat(...directory);
  const end64 = concat(
    ...[le(0x06064b50, 4), le(44, 8), le(45, 2), le(45, 2), le(0, 8)],
    ...[le(count, 8), le(count, 8), le(central.length, 8), le(at, 8)],
  );
  const locator = concat(le(0x07064b50, 4), le(0, 4), le(at + central.length, 8), le(1, 4));
  const wide = zip64 ? concat(end64, locator) : concat();
  const short = (value: number, bytes: number) => le(zip64 ? 2 ** (8 * bytes) - 1 : value, bytes);
  const end = concat(
    ...[le(0x06054b50, 4), le(0, 4), short(count, 2), short(count, 2)],
    ...[short(central.length, 4), short(at, 4), le(0, 2)],
  );
  return concat(...bodies, central, wide, end);
}

/** What torch.save writes since PyTorch 1.6. */
export function torchZip(
  value: Bytes,
  storages: Record<string, ArrayBufferView>,
  options?: ZipOptions & { byteorder?: string },
) {
  const files: Record<string, Bytes> = { "archive/data.pkl": pickle(value) };
  if (options?.byteorder) files["archive/byteorder"] = text(options.byteorder);
  for (const [key, view] of Object.entries(storages)) files[`archive/data/${key}`] = bytesOf(view);
  files["archive/version"] = text("3\n");
  return zip(files, options);
}

/** What torch.save wrote before. The elements' widths follow from the arrays. */
export function torchLegacy(
  value: Bytes,
  storages: Record<string, ArrayBufferView & { length: number }>,
  littleEndian = true,
) {
  const magic = [0x8a, 0x0a, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
  return concat(
    pickle(magic),
    pickle(int(1001)),
    pickle(dict({ protocol_version: int(1001), little_endian: littleEndian ? TRUE : FALSE })),
    pickle(value),
    pickle(list(...Object.keys(storages).map(str))),
    ...Object.values(storages).flatMap((view) => [le(view.length, 8), bytesOf(view)]),
  );
}

function bytesOf({ buffer, byteOffset, byteLength }: ArrayBufferView): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
