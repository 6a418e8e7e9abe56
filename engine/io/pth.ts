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
import { fileElementSize, type HostTensor } from "./host_tensor.ts";
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
const wrappers = ["state_dict", "model_state_dict", "model", "module", "net", "network"];
const deepestWrapper = 3;

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
 * The state dict in a file of PyTorch: the saved object, or what a checkpoint holds under
 * "state_dict", "model" and the like. Entries that are no tensors are left out.
 * @param name the file, for messages
 * @throws UserError (weights) that names the file and what is wrong or refused
 */
export function decodePth(bytes: Uint8Array, name: string): Map<string, HostTensor> {
  const { value, bytesOf } = isZip(bytes) ? readArchive(bytes, name) : readLegacy(bytes, name);
  return readTensors(findStateDict(value, name), bytesOf, bytes.length, name);
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

/**
 * The tensors of the state dict in a saved object. What a wrapper holds comes before tensors beside
 * it: checkpoints may hold their best accuracy as one.
 * @param path the keys that led here
 */
function findStateDict(
  value: unknown,
  name: string,
  path: readonly string[] = [],
): Map<string, TorchTensor> {
  const entries = value instanceof Map ? [...value] as [unknown, unknown][] : [];
  const inner = path.length < deepestWrapper ? wrapperIn(entries) : undefined;
  if (inner) return findStateDict(inner[1], name, [...path, inner[0]]);
  const tensors = tensorsIn(entries);
  if (tensors.length > 0) return new Map(tensors);
  const keys = entries.map(([key]) => key).filter((key) => typeof key === "string").slice(0, 8);
  const holds = keys.length > 0 ? `only ${keys.join(", ")}` : "no dict";
  const place = path.length > 0 ? ` in its ${path.join(".")}` : "";
  throw refuse(name, `there are no weights${place}: it holds ${holds}`, SAVE_STATE_DICT);
}

/** The dict that a checkpoint keeps its weights in: one of the usual names, or else the only one. */
function wrapperIn(entries: readonly [unknown, unknown][]): [string, unknown] | undefined {
  const dicts = entries.filter((entry): entry is [string, Map<unknown, unknown>] =>
    typeof entry[0] === "string" && entry[1] instanceof Map
  );
  const known = wrappers.map((wrapper) => dicts.find(([key]) => key === wrapper)).find(Boolean);
  if (known) return known;
  const others = dicts.filter(([, dict]) => tensorsIn([...dict]).length > 0);
  return others.length === 1 ? others[0] : undefined;
}

function tensorsIn(entries: readonly [unknown, unknown][]): [string, TorchTensor][] {
  return entries.filter((entry): entry is [string, TorchTensor] =>
    typeof entry[0] === "string" && entry[1] instanceof TorchTensor
  );
}

function refuse(name: string, problem: string, hint?: string): UserError {
  return new UserError(`${name}: not read: ${problem}`, ExitCode.weights, hint);
}
