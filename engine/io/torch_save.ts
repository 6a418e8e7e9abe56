/**
 * Weights as PyTorch's torch.save writes a state dict: a zip archive of a pickle, which says for each
 * name what its tensor is, and of the elements of each tensor in a file of their own. torch.load
 * takes it with weights_only, as it names nothing but an OrderedDict and tensors. The same weights
 * give the same bytes: no entry has a time.
 *
 * Source: torch/serialization.py, torch/_weights_only_unpickler.py and pickletools.py, read as
 * descriptions of the formats. The reader is pth.ts.
 */
import { strToU8, zipSync } from "fflate";
import { bytesOf, checkHostTensor, type DType, type HostTensor } from "./host_tensor.ts";

/** The class of a storage, by the type of its elements; torch has none of unsigned words. */
const STORAGES: Partial<Record<DType, string>> = {
  F32: "FloatStorage",
  F64: "DoubleStorage",
  I64: "LongStorage",
  I32: "IntStorage",
  U8: "ByteStorage",
  BOOL: "BoolStorage",
};

/** The time of every entry: the first that a zip archive can state. */
const NO_TIME = new Date(1980, 0, 1);

/** Encodes tensors as `torch.save(state_dict, path)` does. */
export function encodePth(tensors: ReadonlyMap<string, HostTensor>): Uint8Array<ArrayBuffer> {
  const pickle = new PickleWriter();
  pickle.stateDict(tensors);
  const entries = [...tensors.values()].map((tensor, key) =>
    [`archive/data/${key}`, bytesOf(tensor)] as const
  );
  return zipSync({
    "archive/data.pkl": pickle.bytes(),
    "archive/byteorder": strToU8("little"),
    ...Object.fromEntries(entries),
    "archive/version": strToU8("3\n"),
  }, { level: 0, mtime: NO_TIME }) as Uint8Array<ArrayBuffer>;
}

/** Instructions of pickle's second protocol. */
const OP = {
  protocol: 0x80,
  stop: 0x2e, // .
  mark: 0x28, // (
  global: 0x63, // c
  reduce: 0x52, // R
  setItems: 0x75, // u
  persistentId: 0x51, // Q
  tuple: 0x74, // t
  emptyTuple: 0x29, // )
  false: 0x89,
  text: 0x58, // X
  byte: 0x4b, // K
  int: 0x4a, // J
  long: 0x8a,
} as const;

class PickleWriter {
  private readonly parts: Uint8Array[] = [Uint8Array.of(OP.protocol, 2)];

  bytes(): Uint8Array {
    this.put(OP.stop);
    const all = new Uint8Array(this.parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  stateDict(tensors: ReadonlyMap<string, HostTensor>): void {
    this.orderedDict();
    this.put(OP.mark);
    for (const [key, [name, tensor]] of [...tensors].entries()) {
      checkHostTensor(name, tensor);
      this.text(name);
      this.tensor(tensor, `${key}`);
    }
    this.put(OP.setItems);
  }

  /** _rebuild_tensor_v2(storage, offset, shape, strides, requires_grad, hooks) */
  private tensor({ dtype, shape, data }: HostTensor, key: string): void {
    const storage = STORAGES[dtype];
    if (!storage) throw new TypeError(`PyTorch has no tensors of ${dtype}`);
    const strides = shape.map((_, d) => shape.slice(d + 1).reduce((a, b) => a * b, 1));
    this.global("torch._utils", "_rebuild_tensor_v2");
    this.put(OP.mark);
    this.put(OP.mark);
    this.text("storage");
    this.global("torch", storage);
    this.text(key);
    this.text("cpu");
    this.int(data.length);
    this.put(OP.tuple, OP.persistentId);
    this.int(0);
    this.ints(shape);
    this.ints(strides);
    this.put(OP.false);
    this.orderedDict();
    this.put(OP.tuple, OP.reduce);
  }

  private orderedDict(): void {
    this.global("collections", "OrderedDict");
    this.put(OP.emptyTuple, OP.reduce);
  }

  private ints(values: readonly number[]): void {
    this.put(OP.mark);
    for (const value of values) this.int(value);
    this.put(OP.tuple);
  }

  private global(module: string, name: string): void {
    this.put(OP.global);
    this.parts.push(strToU8(`${module}\n${name}\n`));
  }

  private text(value: string): void {
    const bytes = strToU8(value);
    this.put(OP.text, ...littleEndian(bytes.length, 4));
    this.parts.push(bytes);
  }

  /** A whole number from 0 on. */
  private int(value: number): void {
    if (value < 2 ** 8) this.put(OP.byte, value);
    else if (value < 2 ** 31) this.put(OP.int, ...littleEndian(value, 4));
    else this.put(OP.long, 8, ...littleEndian(value, 8));
  }

  private put(...bytes: number[]): void {
    this.parts.push(Uint8Array.from(bytes));
  }
}

function littleEndian(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => Math.floor(value / 256 ** i) % 256);
}
