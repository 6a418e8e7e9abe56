/**
 * Weights in and out: files are told by their content, PyTorch and this engine read each other's,
 * and what doesn't fit a network is listed.
 */
import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode } from "../engine/errors.ts";
import type { HostTensor } from "../engine/io/host_tensor.ts";
import { encodeSafetensors } from "../engine/io/safetensors.ts";
import { encodePth } from "../engine/io/torch_save.ts";
import { readWeights } from "../engine/io/weights.ts";
import { run } from "../engine/nn/module.ts";
import { bestFits, stateShape } from "../engine/nn/fit.ts";
import { initialize, loadStateDict, stateDict } from "../engine/nn/state.ts";
import { Variable } from "../engine/tensor/tensor.ts";
import { small } from "../models/small.ts";
import { relativeError, testRuntime } from "./support/check.ts";
import { inFolder, userError } from "./support/io.ts";
import { pythonWithTorch, runPython, torchNote } from "./support/python.ts";
import { orderedDict, torchLegacy, torchZip, vector } from "./support/torch_file.ts";

const twoVectors = { a: vector("0", 3), "b.weight": vector("1", 2) };
const twoStorages = { 0: Float32Array.of(1, -2, 0.5), 1: Float32Array.of(7, 8) };

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
        self.features = nn.Sequential(*conv(2, 32), nn.MaxPool2d(2), *conv(32, 64), nn.MaxPool2d(2), *conv(64, 128), nn.MaxPool2d(2))
        self.fc = nn.Linear(512, 5)
    def forward(self, x): return self.fc(self.features(x).flatten(1))
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

Deno.test("weights: what torch.save would write is read back to the bit, of every type and shape", () =>
  inFolder(async (folder) => {
    const tensors = new Map<string, HostTensor>([
      ["a", { dtype: "F32", shape: [2, 3, 1], data: Float32Array.of(1, -0, NaN, 1e-40, 3, -7) }],
      ["b.weight", { dtype: "F64", shape: [], data: Float64Array.of(Math.PI) }],
      ["counter", { dtype: "I64", shape: [1], data: BigInt64Array.of(-5n) }],
      ["ints", { dtype: "I32", shape: [2], data: Int32Array.of(-1, 2) }],
      ["bytes", { dtype: "U8", shape: [0, 4], data: new Uint8Array() }],
      ["naïve 名", { dtype: "BOOL", shape: [3], data: Uint8Array.of(1, 0, 1) }],
      ["long", { dtype: "F32", shape: [300, 257], data: new Float32Array(77100).fill(0.1) }],
    ]);
    const path = join(folder, "all.pth");
    await Deno.writeFile(path, encodePth(tensors));
    assert.deepEqual(await readWeights(path), tensors);
    assert.deepEqual(encodePth(tensors), await Deno.readFile(path), "no entry has a time");
    const words = new Map([["w", { dtype: "U32", shape: [1], data: Uint32Array.of(1) } as const]]);
    assert.throws(() => encodePth(words), /PyTorch has no tensors of U32/);
  }));

Deno.test(
  `weights: PyTorch loads what is saved here, and gives our logits${torchNote}`,
  options,
  async () => {
    await inFolder(async (folder) => {
      const network = small.create(size);
      initialize(network, 5);
      const runtime = await testRuntime();
      const own = await stateDict(network, runtime);
      await Deno.writeFile(join(folder, "ours.safetensors"), encodeSafetensors(own));
      await Deno.writeFile(join(folder, "ours.pth"), encodePth(own));
      const printed = await runPython(
        `${smallInTorch}
data = open("ours.safetensors", "rb").read()
start = 8 + int.from_bytes(data[:8], "little")
kinds = {"F32": torch.float32, "I64": torch.int64}
state = {name: torch.frombuffer(bytearray(data[start + e["data_offsets"][0]:start + e["data_offsets"][1]]),
                                dtype=kinds[e["dtype"]]).reshape(e["shape"])
         for name, e in json.loads(data[8:start]).items() if name != "__metadata__"}
saved = torch.load("ours.pth", weights_only=True)
assert list(saved) == list(state), list(saved)
assert all(saved[k].dtype == v.dtype and torch.equal(saved[k], v) for k, v in state.items())
print(net.load_state_dict(saved, strict=True)); net.eval()
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
  state.set("fc.bias", { ...weight, shape: [2560] });
  assert.throws(() => loadStateDict(network, state, runtime, "f"), {
    message: "f does not fit this model:\n" +
      "  missing fc.weight [5, 512]; the file has fc1.weight [5, 512]\n" +
      "  unexpected fc1.weight [5, 512]; did you mean fc.weight?\n" +
      "  unexpected aux.head [5, 512]\n" +
      "  fc.bias is [2560], the model wants [5]",
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
    // What is not under it is somebody else's; what is, and is none of the network's, isn't.
    wrapped.set("n_averaged", state.get("fc.bias")!);
    wrapped.set("criterion.weight", state.get("fc.bias")!);
    loadStateDict(other, wrapped, runtime, "f");
    wrapped.set(`${prefix}head.bias`, state.get("fc.bias")!);
    assert.throws(() => loadStateDict(other, wrapped, runtime, "f"), /unexpected head\.bias/);
  }
  // A wrapper around a part, and a prefix on all but some.
  const inner = new Map(
    [...state].map(([key, value]) =>
      [key.replace(/^features\./, "features.module."), value] as const
    ),
  );
  const some = new Map(
    [...state].map(([key, value]) =>
      [key.replace(/^features\./, "model.features."), value] as const
    ),
  );
  for (const given of [inner, some]) {
    const other = small.create(size);
    loadStateDict(other, given, runtime, "f");
    assert.deepEqual(await stateDict(other, runtime), state);
  }
  runtime.destroy();
});

Deno.test("weights: what is no number is refused by its tensor's name", async () => {
  const network = small.create(size);
  const runtime = await testRuntime();
  for (const value of [NaN, Infinity, -Infinity]) {
    const state = await stateDict(network, runtime);
    const weight = state.get("features.4.weight")!;
    state.set("features.4.weight", {
      ...weight,
      data: (weight.data as Float32Array).with(7, value),
    });
    assert.throws(() => loadStateDict(network, state, runtime, "f"), {
      message: `f holds weights that are no numbers:\n  features.4.weight holds ${value} at ` +
        `element 7 of ${weight.data.length}`,
      exitCode: ExitCode.weights,
    });
  }
  runtime.destroy();
});

Deno.test("weights: of several dicts of tensors the one that fits is taken", () => {
  const network = small.create(size);
  const shapes = new Map([...network.namedState()].map(([name, p]) => [name, stateShape(p)]));
  const other = new Map([...shapes].map(([name]) => [name, [1]] as const));
  const dict = (place: string, of: ReadonlyMap<string, readonly number[]>) => ({
    place,
    shapes: of,
  });
  const found = bestFits(network, [
    dict("optimizer", new Map([["0.exp_avg", [3]]])),
    dict("teacher", other),
    dict("student", shapes),
    dict("ema", new Map([...shapes].map(([name, shape]) => [`module.${name}`, shape]))),
  ]);
  assert.deepEqual(found.map(({ dict }) => dict.place), ["student", "ema"]);
});

Deno.test("weights: an index names the files that hold the tensors", () =>
  inFolder(async (folder) => {
    const vector = (...values: number[]) =>
      ({ dtype: "F32", shape: [values.length], data: Float32Array.from(values) }) as const;
    const write = (name: string, tensors: Record<string, ReturnType<typeof vector>>) =>
      Deno.writeFile(join(folder, name), encodeSafetensors(new Map(Object.entries(tensors))));
    await write("a.safetensors", { x: vector(1, 2), y: vector(3) });
    await write("b.safetensors", { z: vector(4) });
    const path = join(folder, "model.safetensors.index.json");
    const index = (weight_map: unknown) => Deno.writeTextFile(path, JSON.stringify({ weight_map }));
    await index({ x: "a.safetensors", z: "b.safetensors" });
    assert.deepEqual(
      [...await readWeights(path)].map(([name, { data }]) => [name, ...data]),
      [["x", 1, 2], ["z", 4]],
    );
    const fails = (message: RegExp, exitCode: ExitCode = ExitCode.weights) =>
      userError(readWeights(path), exitCode, message);
    await index({ w: "b.safetensors" });
    await fails(/b\.safetensors lacks w, which .*index\.json says it holds/);
    await index({ w: "c.safetensors" });
    await fails(/cannot read .*c\.safetensors/);
    await index({ w: "../c.safetensors" });
    await fails(/leads out of/, ExitCode.data);
    await index({});
    await fails(/names none/);
    await index({ x: 1 });
    await fails(/index\.json is damaged: its weight_map\.x is 1, and should be string/);
  }));
