/**
 * PyTorch's files: what torch.save writes is read, in both formats and by PyTorch itself where it
 * is at hand; what is no weights is refused by name, and nothing in it is executed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode, UserError } from "../engine/errors.ts";
import { encodeSafetensors } from "../engine/io/safetensors.ts";
import { decodePth } from "../engine/io/pth.ts";
import { readWeights } from "../engine/io/weights.ts";
import { run } from "../engine/nn/module.ts";
import { initialize, loadStateDict, stateDict } from "../engine/nn/state.ts";
import { Variable } from "../engine/tensor/tensor.ts";
import { small } from "../models/small.ts";
import { relativeError, testRuntime } from "./support/check.ts";
import { concat, inFolder, userError } from "./support/io.ts";
import { pythonWithTorch, runPython, torchNote } from "./support/python.ts";
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
  const before = Deno.memoryUsage().rss;
  work();
  return (Deno.memoryUsage().rss - before) / 2 ** 20;
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

Deno.test("pth: a pickle that names anything else is refused by that name, and nothing runs", async () => {
  await inFolder((folder) => {
    const witness = join(folder, "executed");
    const system = (module: string) => call(global(module, "system"), str(`touch ${witness}`));
    const nested = call(global("torch._utils", "_rebuild_parameter"), system("os"));
    const attacks: [Uint8Array, RegExp][] = [
      [system("os"), /names os\.system, .*nothing was executed/],
      [system("posix"), /names posix\.system/],
      [dict({ ...twoVectors, x: nested }), /names os\.system/],
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
    [concat(global("torch", "Size"), tuple(), [0x81]), /0x81 \(NEWOBJ\)/],
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
  // As a name, such a list would be spelled out.
  const named = concat(laughs, str("x"), [0x93]);
  const memory = growth(() => {
    refused(torchZip(laughs, {}), /holds no dict/);
    refused(torchZip(named, {}), /no text/);
    refused(torchZip(empty, {}), /more than 2000000 instructions/);
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

Deno.test("weights: the format is told by what is in the file", async () => {
  await inFolder(async (folder) => {
    const path = join(folder, "weights.bin");
    const read = async (bytes: Uint8Array) => {
      await Deno.writeFile(path, bytes);
      return await readWeights(path);
    };
    const state = await read(torchZip(orderedDict(twoVectors), twoStorages));
    assert.deepEqual(await read(torchLegacy(orderedDict(twoVectors), twoStorages)), state);
    assert.deepEqual(await read(encodeSafetensors(state)), state);
    await userError(
      read(new Uint8Array()),
      ExitCode.weights,
      /weights\.bin holds no weights: .*empty/,
    );
    const html = new TextEncoder().encode("<!DOCTYPE html><html></html>");
    await userError(read(html), ExitCode.weights, /neither format/);
    await userError(readWeights(join(folder, "none")), ExitCode.weights, /no such file/);
  });
});

/** The network of models/small.ts, in PyTorch. */
const smallInTorch = `
import json, torch, torch.nn as nn
class Small(nn.Module):
    def __init__(self):
        super().__init__()
        def conv(i, o): return [nn.Conv2d(i, o, 3, padding=1, bias=False), nn.BatchNorm2d(o), nn.ReLU()]
        self.features = nn.Sequential(*conv(2, 32), nn.MaxPool2d(2), *conv(32, 64), nn.MaxPool2d(2), *conv(64, 128))
        self.fc = nn.Linear(128, 5)
    def forward(self, x): return self.fc(self.features(x).mean((2, 3)))
torch.manual_seed(3)
net = Small()
x = torch.randn(3, 2, 16, 16)
`;

const size = { inChannels: 2, numClasses: 5, imageSize: 16 };
const options = { ignore: !pythonWithTorch };

/** The small network's logits here, for images [N, C, H, W]. */
async function logits(network: ReturnType<typeof small.create>, images: number[][][][]) {
  const [n, c, h, w] = [
    images.length,
    images[0].length,
    images[0][0].length,
    images[0][0][0].length,
  ];
  const data = Float32Array.from(
    { length: n * h * w * c },
    (_, i) =>
      images[Math.floor(i / (c * w * h))][i % c][Math.floor(i / (c * w)) % h][
        Math.floor(i / c) % w
      ],
  );
  const input = new Variable("images", [n, h, w, c], data);
  const { output } = run(network, input, { training: false });
  return (await (await testRuntime()).evaluate([output]))[0];
}

Deno.test(`weights: what PyTorch saves gives its logits here${torchNote}`, options, async () => {
  await inFolder(async (folder) => {
    const printed = await runPython(
      `${smallInTorch}
net.train(); [net(torch.randn(8, 2, 16, 16)) for _ in range(3)]; net.eval()
state = net.state_dict()
torch.save(state, "zip.pth")
torch.save(state, "legacy.pth", _use_new_zipfile_serialization=False)
torch.save(state, "protocol4.pt", pickle_protocol=4)
optimizer = torch.optim.Adam(net.parameters()); net(x).sum().backward(); optimizer.step
torch.save({"epoch": 3, "best_acc1": torch.tensor(0.5), "optimizer": optimizer.state_dict(),
            "state_dict": nn.DataParallel(net).state_dict()}, "checkpoint.pth")
torch.save({"model": {k: v.double() for k, v in state.items()}}, "double.pth")
torch.save({k: nn.Parameter(v.half()) if v.dtype == torch.float else v for k, v in state.items()}, "half.pth")
d = lambda v: tuple(reversed(range(v.dim())))
torch.save({k: v.permute(d(v)).contiguous().permute(d(v))
            for k, v in state.items()}, "strided.pth")
torch.save(net, "module.pth")
print(json.dumps({"x": x.tolist(), "logits": net(x).flatten().tolist()}))`,
      folder,
    );
    const expected = JSON.parse(printed);
    const runtime = await testRuntime();
    const exact = [
      "zip.pth",
      "legacy.pth",
      "protocol4.pt",
      "checkpoint.pth",
      "double.pth",
      "strided.pth",
    ];
    for (const file of [...exact, "half.pth"]) {
      const network = small.create(size);
      loadStateDict(network, await readWeights(join(folder, file)), runtime, file);
      const error = relativeError(await logits(network, expected.x), expected.logits);
      assert.ok(error < (file === "half.pth" ? 2e-3 : 1e-5), `${file}: ${error}`);
      const [counter] = await runtime.read([
        new Map(network.namedState()).get("features.1.num_batches_tracked")!,
      ]);
      assert.equal(counter[0], 3, file);
    }
    await userError(
      readWeights(join(folder, "module.pth")),
      ExitCode.weights,
      /names __main__\.Small/,
    );
    runtime.destroy();
  });
});

Deno.test(
  `weights: PyTorch loads what is saved here, and gives our logits${torchNote}`,
  options,
  async () => {
    await inFolder(async (folder) => {
      const network = small.create(size);
      initialize(network, 5);
      const runtime = await testRuntime();
      await Deno.writeFile(
        join(folder, "ours.safetensors"),
        encodeSafetensors(await stateDict(network, runtime)),
      );
      const printed = await runPython(
        `${smallInTorch}
data = open("ours.safetensors", "rb").read()
start = 8 + int.from_bytes(data[:8], "little")
kinds = {"F32": torch.float32, "I64": torch.int64}
state = {name: torch.frombuffer(bytearray(data[start + e["data_offsets"][0]:start + e["data_offsets"][1]]),
                                dtype=kinds[e["dtype"]]).reshape(e["shape"])
         for name, e in json.loads(data[8:start]).items() if name != "__metadata__"}
print(net.load_state_dict(state, strict=True)); net.eval()
print(json.dumps({"x": x.tolist(), "logits": net(x).flatten().tolist()}))`,
        folder,
      );
      const [matched, values] = printed.trim().split("\n");
      assert.equal(matched, "<All keys matched successfully>");
      const expected = JSON.parse(values);
      const error = relativeError(await logits(network, expected.x), expected.logits);
      assert.ok(error < 1e-5, `${error}`);
      runtime.destroy();
    });
  },
);

Deno.test("weights: missing, unexpected and mis-shaped keys are listed together with the nearest", async () => {
  const network = small.create(size);
  const runtime = await testRuntime();
  const state = await stateDict(network, runtime);
  const weight = state.get("fc.weight")!;
  state.delete("fc.weight");
  state.set("fc1.weight", weight);
  state.set("aux.head", weight);
  state.set("fc.bias", { ...weight, shape: [640] });
  assert.throws(() => loadStateDict(network, state, runtime, "f"), {
    message: "f does not fit this model:\n" +
      "  missing fc.weight [5, 128]; the file has fc1.weight [5, 128]\n" +
      "  unexpected fc1.weight [5, 128]; did you mean fc.weight?\n" +
      "  unexpected aux.head [5, 128]\n" +
      "  fc.bias is [640], the model wants [5]",
    exitCode: ExitCode.weights,
  });
  const none = new Map([["head.weight", weight]]);
  assert.throws(
    () => loadStateDict(network, none, runtime, "f"),
    /and 9 more like these\n {2}unexp/,
  );
  runtime.destroy();
});

Deno.test("weights: prefixes of wrappers are taken away, where that makes them fit", async () => {
  const network = small.create(size);
  initialize(network, 1);
  const runtime = await testRuntime();
  const state = await stateDict(network, runtime);
  for (const prefix of ["module.", "model.", "module._orig_mod."]) {
    const other = small.create(size);
    const wrapped = new Map([...state].map(([key, value]) => [prefix + key, value]));
    loadStateDict(other, wrapped, runtime, "f");
    assert.deepEqual(await stateDict(other, runtime), state);
    wrapped.set("epoch", state.get("fc.bias")!);
    assert.throws(() => loadStateDict(other, wrapped, runtime, "f"), /unexpected m/);
  }
  runtime.destroy();
});
