/**
 * PyTorch's files: what torch.save writes. Two formats go by the endings .pth and .pt:
 *
 * - since PyTorch 1.6 a zip archive, with the pickle in `<folder>/data.pkl` and each storage in
 *   `<folder>/data/<key>`;
 * - before, five things in a row: pickles of a magic number, a protocol version, the system, the
 *   saved object and the storages' keys, then every storage as its length and its bytes.
 *
 * Nothing in a file is executed; see pickle.ts.
 */
import { ExitCode, UserError } from "../errors.ts";
import { fileElementSize, type HostTensor, type TensorDict } from "./host_tensor.ts";
import { type PickleRules, unpickle } from "./pickle.ts";
import { readTensors, torchRules, TorchStorage, TorchTensor } from "./torch_tensor.ts";
import { ZipArchive } from "./zip.ts";

const SAVE_STATE_DICT = 'Save the weights alone: torch.save(model.state_dict(), "weights.pth")';

/** The first number of an old file. */
const magic = 0x1950a86a20f9469cfc6cn;
const protocolVersion = 1001;
/** Bytes of a storage's length in an old file. */
const countBytes = 8;

/** Where training scripts put the weights among other things, in the order of preference. */
const WRAPPERS = ["state_dict", "model_state_dict", "model", "module", "net", "network"];
const DEEPEST = 4;

/** A saved object, and the storages that its tensors look at. */
interface Saved {
  readonly value: unknown;
  readonly bytesOf: (key: string) => Uint8Array;
}

/** Whether the bytes begin as a zip archive does. */
export const isZip = (bytes: Uint8Array): boolean => bytes[0] === 0x50 && bytes[1] === 0x4b;

/** Whether the bytes begin as a binary pickle does. */
export const isPickle = (bytes: Uint8Array): boolean =>
  bytes[0] === 0x80 && bytes[1] >= 1 && bytes[1] <= 5;

/**
 * The dicts of tensors in a file of PyTorch, the likeliest to be the weights first: the saved
 * object itself, or what a checkpoint holds under "state_dict", "model" and the like. Entries that
 * are no tensors are left out.
 * @param name the file, for messages
 * @throws UserError (weights) that names the file and what is wrong or refused
 */
export function dictsInPth(bytes: Uint8Array, name: string): TensorDict[] {
  const { value, bytesOf } = isZip(bytes) ? readArchive(bytes, name) : readLegacy(bytes, name);
  const found = tensorDicts(value);
  if (found.length === 0) throw noWeights(value, name);
  return found.sort((a, b) => rank(a) - rank(b) || b.tensors.size - a.tensors.size)
    .map(({ path, tensors }) => ({
      place: path.join("."),
      shapes: new Map([...tensors].map(([key, { shape }]) => [key, shape])),
      read: () => readTensors(tensors, bytesOf, bytes.length, name),
    }));
}

/** The likeliest of them. Throws what `dictsInPth` does, and for tensors that can't be read. */
export function decodePth(bytes: Uint8Array, name: string): Map<string, HostTensor> {
  return dictsInPth(bytes, name)[0].read();
}

function readArchive(bytes: Uint8Array, name: string): Saved {
  const archive = new ZipArchive(bytes, name);
  const pickles = archive.paths.filter((path) => /(^|\/)data\.pkl$/.test(path));
  if (pickles.length !== 1) {
    throw refuse(name, "it is a zip archive, but not one of PyTorch's: it has no data.pkl");
  }
  const folder = pickles[0].slice(0, -"data.pkl".length);
  if (archive.paths.includes(`${folder}constants.pkl`)) {
    throw refuse(name, "it is a TorchScript program, not weights", SAVE_STATE_DICT);
  }
  const order = `${folder}byteorder`;
  if (archive.paths.includes(order)) {
    const written = new TextDecoder().decode(archive.read(order));
    if (written !== "little") {
      throw refuse(name, `its byte order is ${written}-endian; only little-endian is read`);
    }
  }
  const { value } = unpickle(archive.read(pickles[0]), 0, torchRules, name);
  const storages = new Map<string, Uint8Array>();
  const bytesOf = (key: string) => {
    const found = storages.get(key) ?? archive.read(`${folder}data/${key}`);
    storages.set(key, found);
    return found;
  };
  return { value, bytesOf };
}

function readLegacy(bytes: Uint8Array, name: string): Saved {
  let at = 0;
  const next = (rules: PickleRules = torchRules) => {
    const { value, end } = unpickle(bytes, at, rules, name);
    at = end;
    return value;
  };
  if (next() !== magic) {
    throw refuse(name, "it is a pickle, but not one of PyTorch's", SAVE_STATE_DICT);
  }
  const version = next();
  const system = next();
  if (version !== protocolVersion) throw refuse(name, `its protocol version is ${version}`);
  if (!(system instanceof Map) || system.get("little_endian") !== true) {
    throw refuse(name, "its byte order is not little-endian");
  }
  const widths = new Map<string, number>();
  const value = next({
    globals: torchRules.globals,
    persistent: (id) => {
      const storage = torchRules.persistent(id) as TorchStorage;
      widths.set(storage.key, fileElementSize(storage.dtype));
      return storage;
    },
  });
  const storages = splitStorages(bytes, next(), at, widths, name);
  return { value, bytesOf: (key) => storages.get(key)! };
}

/** The storages of an old file: for each key the number of elements, then these. */
function splitStorages(
  bytes: Uint8Array,
  keys: unknown,
  start: number,
  widths: ReadonlyMap<string, number>,
  name: string,
): Map<string, Uint8Array> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const storages = new Map<string, Uint8Array>();
  let at = start;
  for (const key of Array.isArray(keys) ? keys : []) {
    const width = widths.get(key);
    if (width === undefined) throw refuse(name, `it holds a storage ${key} that nothing refers to`);
    const from = at + countBytes;
    at = from <= bytes.length ? from + width * Number(view.getBigUint64(at, true)) : from;
    if (at > bytes.length) throw refuse(name, "it is truncated", "Get the file again.");
    storages.set(key, bytes.subarray(from, at));
  }
  for (const key of widths.keys()) {
    if (!storages.has(key)) throw refuse(name, `it lacks the storage ${key}`);
  }
  return storages;
}

interface Found {
  /** The keys that lead to it. */
  readonly path: readonly string[];
  readonly tensors: ReadonlyMap<string, TorchTensor>;
}

/** Every dict in a saved object that holds tensors. */
function tensorDicts(value: unknown, path: readonly string[] = []): Found[] {
  if (!(value instanceof Map) || path.length > DEEPEST) return [];
  const entries = [...value] as [unknown, unknown][];
  const tensors = entries.filter((entry): entry is [string, TorchTensor] =>
    typeof entry[0] === "string" && entry[1] instanceof TorchTensor
  );
  const inside = entries.flatMap(([key, inner]) =>
    typeof key === "string" || typeof key === "number"
      ? tensorDicts(inner, [...path, `${key}`])
      : []
  );
  return tensors.length > 0 ? [{ path, tensors: new Map(tensors) }, ...inside] : inside;
}

/** What is under a known name comes first; a checkpoint's best accuracy may be a tensor too. */
function rank({ path }: Found): number {
  const places = path.map((key) => WRAPPERS.indexOf(key)).filter((at) => at >= 0);
  return places.length > 0 ? Math.min(...places) : WRAPPERS.length;
}

function noWeights(value: unknown, name: string): UserError {
  const keys = value instanceof Map
    ? [...value.keys()].filter((key) => typeof key === "string").slice(0, 8)
    : [];
  const holds = keys.length > 0 ? `only ${keys.join(", ")}` : "no dict";
  return refuse(name, `there are no weights: it holds ${holds}`, SAVE_STATE_DICT);
}

function refuse(name: string, problem: string, hint?: string): UserError {
  return new UserError(`${name}: not read: ${problem}`, ExitCode.weights, hint);
}
