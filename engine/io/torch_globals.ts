/**
 * What checkpoints hold beside tensors, as plain values: the collections of Python's library,
 * numpy's numbers and arrays, devices, dates and paths, the arguments of the training script. Each
 * is a name that a pickle may use, and a function here that makes data of its arguments and does
 * nothing else; of what no weights are made of not even that, it is a `PlainObject`. Whatever isn't
 * in a table is refused.
 */
import { PickleError, type PickleFunction, PlainObject } from "./pickle.ts";

/** A dict of nothing, of a dict, or of [key, value] pairs as Python 2 wrote it. */
const dict: PickleFunction = (entries = []) => {
  if (entries instanceof Map) return new Map(entries);
  if (!Array.isArray(entries) || !entries.every((e) => Array.isArray(e) && e.length === 2)) {
    throw new PickleError("it makes an OrderedDict of no pairs");
  }
  return new Map(entries as [unknown, unknown][]);
};

/** Its argument is what makes missing values; nothing is ever missing here. */
const defaultdict: PickleFunction = (_factory, entries = []) => dict(entries);

const list: PickleFunction = (items = []) => {
  if (!Array.isArray(items)) throw new PickleError("it makes a list or set of no list");
  return [...items];
};

/** Bytes are text for protocol 2, which has none: codecs.encode(text, "latin1"). */
const encode: PickleFunction = (text, encoding) => {
  const isLatin = encoding === "latin1" || encoding === "latin-1";
  if (typeof text !== "string" || !isLatin) throw new PickleError("it encodes what is no text");
  return Uint8Array.from(text, (letter) => letter.charCodeAt(0));
};

/** A class of whose objects nothing is wanted. */
const plain = (kind: string): [string, PickleFunction] => [kind, () => new PlainObject(kind)];

/** Python 2 and 3 call the module of what is built in differently. */
const builtIn = (name: string, make: PickleFunction): [string, PickleFunction][] =>
  ["builtins", "__builtin__"].map((module) => [`${module}.${name}`, make]);

export const plainGlobals: readonly (readonly [string, PickleFunction])[] = [
  ["collections.OrderedDict", dict],
  ["collections.Counter", dict],
  ["collections.defaultdict", defaultdict],
  ["collections.deque", list],
  ...builtIn("dict", dict),
  ...["list", "set", "frozenset", "tuple"].flatMap((name) => builtIn(name, list)),
  ...["int", "float", "str", "bool", "bytes", "bytearray", "complex", "slice", "range", "object"]
    .flatMap((name) => builtIn(name, () => new PlainObject(name))),
  ["_codecs.encode", encode],
  plain("numpy.dtype"),
  plain("numpy.ndarray"),
  ...["scalar", "_reconstruct"].flatMap((name) =>
    ["core", "_core"].map((room) => plain(`numpy.${room}.multiarray.${name}`))
  ),
  ...[
    "argparse.Namespace",
    "types.SimpleNamespace",
    ...["date", "datetime", "time", "timedelta", "timezone"].map((name) => `datetime.${name}`),
    ...["Path", "PosixPath", "WindowsPath", "PurePath", "PurePosixPath", "PureWindowsPath"]
      .flatMap((name) => [`pathlib.${name}`, `pathlib._local.${name}`]),
    "decimal.Decimal",
    "fractions.Fraction",
    "uuid.UUID",
    "torch.device",
    "torch.torch_version.TorchVersion",
    "typing.Any",
    // Lightning's hyper_parameters, where they come from Hydra.
    ...["dictconfig.DictConfig", "listconfig.ListConfig", "base.Metadata", "base.ContainerMetadata"]
      .map((name) => `omegaconf.${name}`),
    ...["Any", "String", "Integer", "Float", "Boolean", "Path", "Bytes"]
      .map((name) => `omegaconf.nodes.${name}Node`),
  ].map(plain),
  ["lightning_fabric.utilities.data.AttributeDict", dict],
  ["lightning.fabric.utilities.data.AttributeDict", dict],
  ["pytorch_lightning.utilities.parsing.AttributeDict", dict],
];
