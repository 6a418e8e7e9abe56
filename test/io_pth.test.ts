/**
 * PyTorch's files, made byte by byte: what torch.save writes is read, in both formats; what is no
 * weights is refused by name, and nothing in it is executed. (test/io_weights.test.ts has PyTorch's
 * own.)
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode, UserError } from "../engine/errors.ts";
import { decodePth, dictsInPth } from "../engine/io/pth.ts";
import { ownMemory } from "./support/bounds.ts";
import { concat, inFolder } from "./support/io.ts";
import {
  call,
  dict,
  FALSE,
  global,
  int,
  le,
  list,
  NONE,
  orderedDict,
  pickle,
  str,
  tensor,
  torchLegacy,
  torchZip,
  TRUE,
  tuple,
  vector,
  zip,
} from "./support/torch_file.ts";

const twoVectors = { a: vector("0", 3), "b.weight": vector("1", 2) };
const twoStorages = { 0: Float32Array.of(1, -2, 0.5), 1: Float32Array.of(7, 8) };

/** What is decoded, as plain arrays. */
function decoded(bytes: Uint8Array): Record<string, unknown> {
  return Object.fromEntries(
    [...decodePth(bytes, "x.pth")].map(([name, { dtype, shape, data }]) =>
      [name, [dtype, shape, [...data]]] as const
    ),
  );
}

const twoDecoded = { a: ["F32", [3], [1, -2, 0.5]], "b.weight": ["F32", [2], [7, 8]] };

function refused(bytes: Uint8Array, message: RegExp): UserError {
  try {
    decodePth(bytes, "x.pth");
  } catch (error) {
    assert.ok(error instanceof UserError, `a UserError, not ${error}`);
    assert.equal(error.exitCode, ExitCode.weights);
    assert.match(error.message, /^x\.pth/);
    assert.match(error.message, message);
    return error;
  }
  throw new Error("it was read");
}

/** Runs something; returns by how many MiB memory grew at most at its end. */
function growth(work: () => void): number {
  const before = ownMemory();
  work();
  return (ownMemory() - before) / 2 ** 20;
}

Deno.test("pth: a state dict as a zip archive, stored, compressed, with zip64, and as before 1.6", () => {
  const value = orderedDict(twoVectors);
  const files = [
    torchZip(value, twoStorages),
    torchZip(value, twoStorages, { deflate: true }),
    torchZip(value, twoStorages, { zip64: true }),
    torchZip(value, twoStorages, { byteorder: "little" }),
    torchLegacy(value, twoStorages),
  ];
  for (const file of files) assert.deepEqual(decoded(file), twoDecoded);
});

Deno.test("pth: every element type is read and widened as HostTensor allows", () => {
  const specs: Record<string, [ArrayBufferView & { length: number }, unknown]> = {
    FloatStorage: [Float32Array.of(1.5, -2), ["F32", [2], [1.5, -2]]],
    DoubleStorage: [Float64Array.of(Math.PI, -0.1), ["F64", [2], [Math.PI, -0.1]]],
    HalfStorage: [Uint16Array.of(0x3c00, 0xc100), ["F32", [2], [1, -2.5]]],
    BFloat16Storage: [Uint16Array.of(0x3f80, 0xc020), ["F32", [2], [1, -2.5]]],
    LongStorage: [BigInt64Array.of(-5n, 2n ** 60n), ["I64", [2], [-5n, 2n ** 60n]]],
    IntStorage: [Int32Array.of(-1, 70000), ["I32", [2], [-1, 70000]]],
    ShortStorage: [Int16Array.of(-1, 300), ["I32", [2], [-1, 300]]],
    CharStorage: [Int8Array.of(-1, 100), ["I32", [2], [-1, 100]]],
    ByteStorage: [Uint8Array.of(0, 255), ["U8", [2], [0, 255]]],
    BoolStorage: [Uint8Array.of(0, 1), ["BOOL", [2], [0, 1]]],
  };
  for (const [type, [data, expected]] of Object.entries(specs)) {
    const value = dict({ t: tensor({ storage: "0", type, length: 2, shape: [2], strides: [1] }) });
    assert.deepEqual(decoded(torchZip(value, { 0: data })), { t: expected }, type);
    assert.deepEqual(decoded(torchLegacy(value, { 0: data })), { t: expected }, type);
  }
});

Deno.test("pth: strides, offsets, shared storages, scalars and empty tensors", () => {
  const look = (shape: number[], strides: number[], offset = 0) =>
    tensor({ storage: "0", type: "FloatStorage", length: 6, offset, shape, strides });
  const value = dict({
    whole: look([2, 3], [3, 1]),
    transposed: look([3, 2], [1, 3]),
    column: look([2], [3], 2),
    repeated: look([2, 2], [0, 1], 4),
    row: look([1, 2], [99, 1], 3),
    scalar: look([], [], 5),
    empty: look([0, 4], [4, 1]),
  });
  assert.deepEqual(decoded(torchZip(value, { 0: Float32Array.of(0, 1, 2, 3, 4, 5) })), {
    whole: ["F32", [2, 3], [0, 1, 2, 3, 4, 5]],
    transposed: ["F32", [3, 2], [0, 3, 1, 4, 2, 5]],
    column: ["F32", [2], [2, 5]],
    repeated: ["F32", [2, 2], [4, 5, 4, 5]],
    row: ["F32", [1, 2], [3, 4]],
    scalar: ["F32", [], [5]],
    empty: ["F32", [0, 4], []],
  });
});

Deno.test("pth: parameters, torch.Size, attributes and Python 2's OrderedDict are understood", () => {
  const parameter = call(
    global("torch._utils", "_rebuild_parameter"),
    vector("0", 3),
    FALSE,
    orderedDict({}),
  );
  const pairs = list(list(str("a"), parameter));
  const value = concat(
    call(global("collections", "OrderedDict"), pairs),
    // BUILD with the attributes that load_state_dict uses.
    dict({
      _metadata: dict({ version: int(2), size: call(global("torch", "Size"), tuple(int(3))) }),
    }),
    [0x62],
  );
  assert.deepEqual(decoded(torchZip(value, twoStorages)), { a: twoDecoded.a });
});

Deno.test("pth: the weights of a checkpoint are found beside the rest", () => {
  const weights = orderedDict(twoVectors);
  const beside = { epoch: int(3), best_acc1: vector("1", 2), optimizer: dict({ state: dict({}) }) };
  const values = [
    ...["state_dict", "model", "model_state_dict", "module", "ema"]
      .map((key) => dict({ ...beside, [key]: weights })),
    dict({ model: dict({ state_dict: weights }) }),
    orderedDict({ ...twoVectors, epoch: int(3), note: str("best"), none: NONE }),
  ];
  for (const value of values) assert.deepEqual(decoded(torchZip(value, twoStorages)), twoDecoded);
  refused(torchZip(dict({ epoch: int(3), lr: NONE }), {}), /no weights: it holds only epoch, lr/);
  refused(torchZip(list(vector("0", 3)), twoStorages), /no weights: it holds no dict/);
});

Deno.test("pth: what checkpoints hold beside tensors is read as plain values", () => {
  const weights = orderedDict(twoVectors);
  const bytes = call(global("_codecs", "encode"), str("\0\0\0\0\0\0\xf0?"), str("latin1"));
  const dtype = concat(
    call(global("numpy", "dtype"), str("f8"), FALSE, TRUE),
    tuple(int(3), str("<"), NONE, NONE, NONE, int(-1), int(-1), int(0)),
    [0x62],
  );
  const made = (module: string, name: string, ...args: Bytes[]) =>
    call(global(module, name), ...args);
  const plain: Record<string, Bytes> = {
    counter: made("collections", "Counter", dict({ a: int(1) })),
    missing: made("collections", "defaultdict", global("builtins", "list")),
    set: made("__builtin__", "set", list(int(1), int(2))),
    set4: concat([0x8f, 0x28], int(1), [0x90]),
    frozen: concat([0x28], int(1), [0x91]),
    deque: made("collections", "deque", list(), int(10)),
    device: made("torch", "device", str("cuda"), int(0)),
    size: made("torch", "Size", tuple(int(3))),
    best: made("numpy.core.multiarray", "scalar", dtype, bytes),
    best2: made("numpy._core.multiarray", "scalar", dtype, bytes),
    args: concat(global("argparse", "Namespace"), tuple(), [0x81], dict({ lr: int(1) }), [0x62]),
    hydra: concat(
      ...[global("omegaconf.dictconfig", "DictConfig"), tuple(), [0x81]],
      ...[dict({ _content: global("typing", "Any") }), [0x62]],
    ),
    path: made("pathlib", "PosixPath", str("/"), str("data")),
    when: made("datetime", "datetime", bytes),
    bytearray: concat([0x96], le(3, 8), [1, 2, 3]),
  };
  for (const [what, value] of Object.entries(plain)) {
    const file = torchZip(dict({ state_dict: weights, [what]: value }), twoStorages);
    assert.deepEqual(decoded(file), twoDecoded, what);
  }
  assert.deepEqual(decoded(torchZip(dict({ ...plain, model: weights }), twoStorages)), twoDecoded);
});

Deno.test("pth: the dicts of tensors are found wherever they are, the likeliest first", () => {
  const one = orderedDict({ a: vector("0", 3) });
  const value = dict({
    best_acc1: vector("1", 2),
    optimizer: dict({ state: concat([0x7d], int(0), one, [0x73]) }),
    ema: dict({ module: one }),
    model: one,
  });
  const places = dictsInPth(torchZip(value, twoStorages), "x.pth").map(({ place }) => place);
  assert.deepEqual(places, ["model", "ema.module", "", "optimizer.state.0"]);
});

Deno.test("pth: a pickle that names anything else is refused by that name, and nothing runs", async () => {
  await inFolder((folder) => {
    const witness = join(folder, "executed");
    const system = (module: string) => call(global(module, "system"), str(`touch ${witness}`));
    const nested = call(global("torch._utils", "_rebuild_parameter"), system("os"));
    let deeplyNested = nested;
    for (let depth = 0; depth < 100; depth++) {
      deeplyNested = call(global("torch._utils", "_rebuild_parameter"), deeplyNested);
    }
    const attacks: [Uint8Array, RegExp][] = [
      [system("os"), /names os\.system, .*nothing was executed/],
      [system("posix"), /names posix\.system/],
      [dict({ ...twoVectors, x: nested }), /names os\.system/],
      [deeplyNested, /names os\.system/],
      [call(global("builtins", "eval"), str("1")), /names builtins\.eval/],
      [call(global("builtins", "getattr"), str("a"), str("b")), /names builtins\.getattr/],
      [global("torch.nn.modules.conv", "Conv2d"), /names torch\.nn\.modules\.conv\.Conv2d/],
      [global("", "constructor"), /names \.constructor/],
      // STACK_GLOBAL, by way of the memo.
      [concat(str("os"), [0x94], str("system"), [0x94, 0x68, 0, 0x68, 1, 0x93]), /os\.system/],
    ];
    for (const [value, message] of attacks) {
      refused(torchZip(value, twoStorages), message);
      refused(torchLegacy(value, {}), message);
    }
    assert.throws(() => Deno.statSync(witness), Deno.errors.NotFound);
    return Promise.resolve();
  });
});

Deno.test("pth: instructions, calls and values that no weights have are refused", () => {
  const bad: [Bytes, RegExp][] = [
    [concat([0x28], str("echo"), [0x69], new TextEncoder().encode("os\nsystem\n")), /\(INST\)/],
    [concat(global("torch", "float32"), tuple(), [0x81]), /calls what is no function/],
    [concat(global("torch", "Size"), tuple(), dict({}), [0x92]), /0x92 \(NEWOBJ_EX\)/],
    [[0xff], /instruction 0xff/],
    [concat(str("os"), tuple(), [0x52]), /calls what is no function/],
    [call(global("torch", "float32")), /calls what is no function/],
    [concat(list(str("os")), list(str("x")), [0x93]), /what is no text/],
    [[0x52], /takes a value where none is/],
    [[0x74], /mark where none is/],
    [[0x68, 7], /recalls value 7/],
    [concat(int(1), [0x71, 0], [0x61]), /takes a value|appends to what is no list/],
    [concat(dict({}), [0x28], str("key"), [0x75]), /key without a value/],
    [concat(str("x"), dict({}), [0x62]), /attributes of what is no dict/],
    [call(global("torch._utils", "_rebuild_tensor_v2"), str("x")), /tensor of no storage/],
    [concat(str("module"), [0x51]), /refers to what is no storage/],
    [concat(tuple(str("storage"), str("F"), str("0"), str("cpu"), int(1)), [0x51]), /unknown kind/],
    [concat([0x58], le(2 ** 31, 4)), /truncated/],
    [concat([0x8b], le(2 ** 30, 4)), /integer of 1073741824 bytes/],
    [concat([0x8d], le(2n ** 63n, 8)), /truncated/],
  ];
  for (const [value, message] of bad) refused(torchZip(value, {}), message);
});

type Bytes = Uint8Array | number[];

Deno.test("pth: memory stays bounded under pickles that grow", () => {
  // "A billion laughs": each list holds the one before it ten times over.
  const laughs = concat(
    list(str("ha")),
    [0x71, 0],
    ...Array.from(
      { length: 40 },
      () => concat([0x5d, 0x28], ...Array.from({ length: 10 }, () => [0x68, 0]), [0x65, 0x71, 0]),
    ),
  );
  const empty = new Uint8Array(3_000_000).fill(0x7d);
  // One list of pairs, made a dict of again and again.
  const pairs = list(...Array.from({ length: 20_000 }, (_, i) => list(int(i), int(i))));
  const copy = concat(global("collections", "OrderedDict"), [0x28, 0x68, 0, 0x74, 0x52]);
  const copied = concat(pairs, [0x71, 0], ...Array.from({ length: 2000 }, () => copy));
  // Calls within calls, and tuples within tuples, as deep as the file is long.
  const deepCalls = concat(
    ...Array.from({ length: 20_000 }, () => concat(global("collections", "OrderedDict"), [0x28])),
    str("pairs"),
    ...Array.from({ length: 20_000 }, () => [0x74, 0x52]),
  );
  const deepTuples = concat(int(1), new Uint8Array(400_000).fill(0x85));
  const holdsItself = concat([0x7d, 0x71, 0], str("model"), [0x68, 0, 0x73]);
  // As a name, such a list would be spelled out.
  const named = concat(laughs, str("x"), [0x93]);
  const memory = growth(() => {
    refused(torchZip(laughs, {}), /holds no dict/);
    refused(torchZip(named, {}), /no text/);
    refused(torchZip(copied, {}), /more than 500000 steps/);
    refused(torchZip(deepCalls, {}), /OrderedDict of no pairs/);
    refused(torchZip(deepTuples, {}), /holds no dict/);
    refused(torchZip(holdsItself, {}), /no weights: it holds only model/);
    refused(torchZip(empty, {}), /more than 500000 steps/);
  });
  assert.ok(memory < 1000, `${memory} MiB`);
});

Deno.test("pth: tensors larger than their storage or than the file are refused", () => {
  const spec = { storage: "0", type: "FloatStorage", length: 3, shape: [3], strides: [1] };
  const one = (change: Partial<typeof spec> & { offset?: number }) =>
    torchZip(dict({ w: tensor({ ...spec, ...change }) }), twoStorages);
  const memory = growth(() => {
    refused(one({ offset: 1 }), /x\.pth: w: .*reaches element 4 of a storage of 3/);
    refused(one({ length: 100, shape: [100] }), /w: .*should have 400 bytes, not 12/);
    refused(one({ shape: [2 ** 50], strides: [0] }), /tensors take 4503599627370496 bytes/);
    refused(one({ shape: [2 ** 40, 2 ** 40], strides: [0, 0] }), /tensors take 4\.8\d+e\+24 bytes/);
    refused(one({ shape: [2], strides: [2 ** 52] }), /reaches element/);
    refused(one({ shape: [-1] }), /impossible shape/);
    refused(one({ shape: [2, 2] }), /impossible shape/);
    refused(one({ offset: -1 }), /impossible shape/);
    refused(one({ storage: "9" }), /has no archive\/data\/9/);
  });
  assert.ok(memory < 200, `${memory} MiB`);
  const legacy = torchLegacy(dict({ w: vector("5", 3) }), twoStorages);
  refused(legacy, /storage 0 that nothing refers to/);
});

Deno.test("pth: a zip bomb is refused before it is inflated", () => {
  const zeros = new Uint8Array(64 * 2 ** 20);
  const files = {
    "archive/data.pkl": pickle(dict({ w: vector("0", 2 ** 24) })),
    "archive/data/0": zeros,
  };
  const honest = zip(files, { deflate: true });
  const lying = zip({ "archive/data.pkl": zeros }, { deflate: true, claim: 1000 });
  const memory = growth(() => {
    refused(honest, /claims to hold \d+ bytes, more than 8 times its own/);
    refused(lying, /data\.pkl inflates to more than the 1000 bytes it claims/);
  });
  assert.ok(memory < 32, `${memory} MiB`);
});

Deno.test("pth: every truncated file is refused", () => {
  const value = orderedDict(twoVectors);
  for (const file of [torchZip(value, twoStorages), torchLegacy(value, twoStorages)]) {
    for (let length = 2; length < file.length; length++) {
      refused(file.subarray(0, length), /truncated|not one of PyTorch's/);
    }
  }
});

Deno.test("pth: a damaged file never gives anything but the weights or a clear error", () => {
  const value = orderedDict(twoVectors);
  for (const file of [torchZip(value, twoStorages), torchLegacy(value, twoStorages)]) {
    for (let at = 0; at < file.length; at++) {
      for (const flip of [0x01, 0x80, 0xff]) {
        const damaged = file.slice();
        damaged[at] ^= flip;
        try {
          decodePth(damaged, "x.pth");
        } catch (error) {
          assert.ok(error instanceof UserError, `byte ${at}: ${error}`);
        }
      }
    }
  }
});

Deno.test("pth: other archives, programs, pickles and byte orders are named as what they are", () => {
  const value = orderedDict(twoVectors);
  refused(zip({ "a.npy": [1, 2, 3] }), /zip archive, but not one of PyTorch's/);
  const script = zip({ "m/data.pkl": pickle(value), "m/constants.pkl": pickle(tuple()) });
  refused(script, /TorchScript/);
  refused(torchZip(value, twoStorages, { byteorder: "big" }), /byte order is big-endian/);
  refused(torchLegacy(value, twoStorages, false), /byte order/);
  refused(pickle(value), /pickle, but not one of PyTorch's|storage/);
  refused(pickle(int(3)), /pickle, but not one of PyTorch's/);
  const flipped = torchZip(value, twoStorages);
  const at = new TextDecoder("latin1").decode(flipped).indexOf("archive/data/0") + 14;
  flipped[at] ^= 1;
  refused(flipped, /data\/0 differs from its checksum/);
});
