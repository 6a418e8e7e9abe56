/** ONNX files: read as networks, refused where they are none, and written back. */

import assert from "node:assert/strict";
import { join } from "node:path";
import { ExitCode, UserError } from "../engine/errors.ts";
import { bytesOf } from "../engine/io/host_tensor.ts";
import { summarizeNetwork } from "../engine/nn/summary.ts";
import { run } from "../engine/nn/module.ts";
import { outside } from "../engine/nn/state.ts";
import { featureLayer } from "../engine/onnx/features.ts";
import { decodeOnnx, readOnnx } from "../engine/onnx/model.ts";
import { OnnxNetwork } from "../engine/onnx/network.ts";
import { withWeights } from "../engine/onnx/write.ts";
import { resolveLayers } from "../engine/doctor/layers.ts";
import { headParameters } from "../engine/doctor/head.ts";
import { ancestors, Input } from "../engine/tensor/mod.ts";
import { within } from "./support/bounds.ts";
import { Dice, mutateBytes } from "./support/mutate.ts";
import { floats, onnxFile, type TestModel, type TestNode, whole } from "./support/onnx_file.ts";
import { smallFile, smallModel, smallTensors } from "./support/onnx_network.ts";

const network = async (bytes = smallFile()) => new OnnxNetwork(await decodeOnnx(bytes, "my.onnx"));

/** The state that a network starts with, by name. */
const startOf = (of: OnnxNetwork) =>
  new Map(
    [...of.namedState()].map(([name, parameter]) => [name, outside(parameter, parameter.initial)]),
  );

async function refused(bytes: Uint8Array, message: RegExp, path = "my.onnx"): Promise<void> {
  const load = async () => {
    const of = new OnnxNetwork(await decodeOnnx(bytes, path));
    of.classes(32);
  };
  await assert.rejects(load, (error) => {
    assert.ok(error instanceof UserError, String(error));
    return message.test(`${error.message} ${error.hint ?? ""}`);
  });
}

const changed = (change: Partial<TestModel>) => onnxFile({ ...smallModel, ...change });

Deno.test("a graph's layers have PyTorch's names, its state the names of the file", async () => {
  const of = await network();
  assert.deepEqual([...of.namedState()].map(([name]) => name), Object.keys(smallTensors));
  const { modules, parameters } = summarizeNetwork(of, [32, 32, 3]);
  assert.deepEqual(modules.map(({ name, type, output }) => [name, type, String(output)]), [
    ["stem", "Conv", "8,16,16"],
    ["stem_bn", "BatchNormalization", "8,16,16"],
    ["relu", "Relu", "8,16,16"],
    ["blocks.0.conv", "Conv", "8,8,8"],
    ["blocks.0.Add", "Add", "8,8,8"],
    ["blocks.0.act.Relu", "Relu", "8,8,8"],
    ["pool.GlobalAveragePool", "GlobalAveragePool", "8,1,1"],
    ["Flatten", "Flatten", "8"],
    ["drop.Dropout", "Dropout", "8"],
    ["fc", "Gemm", "10"],
  ]);
  assert.equal(parameters, 8 * 27 + 8 + 16 + 8 * 72 + 8 + 90);
  assert.equal(featureLayer(of, [32, 32, 3]), "blocks.0.act.Relu");
  assert.deepEqual(resolveLayers(of, ["convs"], ""), ["stem", "blocks.0.conv"]);
  const set = { height: 32, width: 32, channels: 3 } as Parameters<typeof headParameters>[1];
  assert.deepEqual([...headParameters(of, set).keys()], ["fc.weight", "fc.bias"]);
});

Deno.test("in training it has batch statistics and dropout, whatever it was exported for", async () => {
  const of = await network();
  const images = new Input("images", [4, 32, 32, 3]);
  const key = new Input("key", [2], "u32");
  const { output, updates } = run(of, images, { training: true, key });
  const names = new Map([...of.namedState()].map(([name, p]) => [p, name] as const));
  const updated = updates.map(([target]) => names.get(target as never));
  assert.deepEqual(updated, ["stem_bn.running_mean", "stem_bn.running_var"]);
  assert.ok(ancestors(output).some(({ operation }) => operation.name === "uniform"));
  assert.match(
    of.notes().join("\n"),
    /Softmax, is taken off[^]*1 batch normalisation trained with/,
  );
});

Deno.test("the convolutions that an export folded batch normalisation into are named", async () => {
  const [old, now] = ["stem.weight", "onnx::Conv_1"];
  const { [old]: weight, ...tensors } = smallTensors;
  const nodes = smallModel.nodes.map((node) => ({
    ...node,
    inputs: node.inputs.map((name) => name === old ? now : name),
  }));
  const of = await network(changed({ nodes, tensors: { ...tensors, [now]: weight } }));
  assert.match(of.notes().join("\n"), /into 1 convolution by the export \(stem/);
});

Deno.test("images keep their channels last from end to end: nothing is permuted for them", async () => {
  const { output } = run(await network(), new Input("images", [4, 32, 32, 3]), { training: true });
  assert.ok(ancestors(output).every(({ operation }) => operation.name !== "permute"));
});

Deno.test("a file that is read and written has equal bytes but for what changed", async () => {
  const bytes = smallFile();
  const of = await network(bytes);
  const state = startOf(of);
  assert.deepEqual(of.files(state).get(".onnx"), bytes);
  const bias = Float32Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 10);
  state.set("fc.bias", { dtype: "F32", shape: [10], data: bias });
  const written = of.files(state).get(".onnx")!;
  const expected = onnxFile({
    ...smallModel,
    tensors: { ...smallTensors, "fc.bias": { shape: [10], values: bias } },
  });
  assert.deepEqual(written, expected);
});

Deno.test("weights as lists of numbers and in files beside it are read and written too", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const { values } = smallTensors["fc.weight"];
    const tensors = {
      ...smallTensors,
      "fc.bias": { ...smallTensors["fc.bias"], listed: true },
      "fc.weight": {
        ...smallTensors["fc.weight"],
        external: { location: "w.bin", offset: 4, length: 320 },
      },
    };
    const path = join(folder, "my.onnx");
    await Deno.writeFile(path, changed({ tensors }));
    const beside = new Uint8Array(324);
    beside.set(bytesOf({ dtype: "F32", shape: [80], data: Float32Array.from(values) }), 4);
    await Deno.writeFile(join(folder, "w.bin"), beside);
    const of = new OnnxNetwork(await readOnnx(path));
    const state = startOf(of);
    assert.deepEqual(state.get("fc.weight")!.data, values);
    assert.deepEqual(state.get("fc.bias")!.data, smallTensors["fc.bias"].values);
    assert.deepEqual([...of.files(state).keys()], ["/model.onnx", "/w.bin"]);
    assert.deepEqual(withWeights(of.model, state).get("w.bin"), beside);
    assert.deepEqual(withWeights(of.model, state).get(""), await Deno.readFile(path));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("what is no classifier is refused with what could be done", async () => {
  const tail = (...nodes: TestModel["nodes"]) => ({
    nodes: [...smallModel.nodes.slice(0, -1), ...nodes],
  });
  const end = { inputs: ["j"], outputs: ["y"] };
  await refused(new Uint8Array(), /no ONNX graph/);
  await refused(new TextEncoder().encode("<html>no</html>"), /no ONNX file|no ONNX graph/);
  await refused(changed({ opset: 6 }), /operator set 6; sets 7 to 22/);
  await refused(
    changed(tail({ op: "NonZero", name: "n1", ...end })),
    /not there:\n {2}NonZero: n1/,
  );
  await refused(changed({ input: ["batch", 3, 32] }), /input x has 3 axes/);
  await refused(
    changed(tail({ op: "Gemm", name: "g", inputs: ["h", "fc.bias", "fc.bias"], outputs: ["y"] })),
    /node g \(Gemm\)/,
  );
  await refused(
    changed(tail({ op: "Relu", inputs: ["nowhere"], outputs: ["y"] })),
    /uses nowhere before/,
  );
  await refused(
    changed({
      nodes: smallModel.nodes.slice(0, 6).concat({ op: "Relu", inputs: ["f"], outputs: ["y"] }),
    }),
    /is no classifier: its output is \[1, 8, 8, 8\]/,
  );
});

Deno.test("claims that the file can't hold allocate nothing", async () => {
  const claims = { shape: [1 << 15, 1 << 14], values: Float32Array.of(1) };
  await refused(
    changed({ tensors: { ...smallTensors, "fc.weight": claims } }),
    /has 4 bytes, and .* are 2147483648/,
  );
  const huge = { shape: [2 ** 40, 2 ** 40], values: Float32Array.of(1) };
  await refused(changed({ tensors: { ...smallTensors, "fc.weight": huge } }), /claims the shape/);
  // A field of 2 GiB of which ten bytes are there.
  const cut = Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0x07, 1, 2, 3, 4);
  await refused(cut, /no ONNX file, or damaged/);
});

Deno.test("data outside of the model's folder is refused, by name and by link", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const at = (location: string) =>
      changed({
        tensors: { ...smallTensors, "fc.weight": { ...floats([10, 8]), external: { location } } },
      });
    const path = join(folder, "models", "my.onnx");
    await Deno.mkdir(join(folder, "models"));
    await Deno.writeFile(join(folder, "secret.bin"), new Uint8Array(320));
    await Deno.symlink(join(folder, "secret.bin"), join(folder, "models", "link.bin"));
    await refused(at("../secret.bin"), /leads out of/, path);
    await refused(at(join(folder, "secret.bin")), /is absolute/, path);
    await refused(at("link.bin"), /is absolute|leads out of/, path);
    await refused(at("absent.bin"), /absent\.bin/, path);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test("2,000 damaged files: a clear error or a network, nothing else", async () => {
  const dice = new Dice(14);
  let [read, wrong] = [0, 0];
  for (let i = 0; i < 2000; i++) {
    const bytes = mutateBytes(smallFile(), dice);
    try {
      new OnnxNetwork(await decodeOnnx(bytes, "my.onnx")).classes(32);
      read++;
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      assert.ok(
        error.exitCode === ExitCode.weights || error.exitCode === ExitCode.data,
        error.message,
      );
      wrong++;
    }
  }
  assert.ok(read > 100 && wrong > 100, `${read} read, ${wrong} refused`);
});

const MUCH = 2 ** 31 - 1;

/** Nodes that claim more than there is, on the images as "x". */
const claims: readonly (readonly [op: string, TestNode["attributes"], number[]?])[] = [
  ["Pad", { mode: "edge" }, [0, 0, 0, MUCH, 0, 0, 0, 0]],
  ["Pad", {}, [0, 0, 0, MUCH, 0, 0, 0, 0]],
  ["Tile", {}, [1, 1, 1, MUCH]],
  ["Expand", {}, [MUCH, 1, 1, 1, 1]],
  ["Split", { axis: 1, num_outputs: MUCH }],
  ["MaxPool", { kernel_shape: [2, 2], pads: [MUCH, 0, 0, 0] }],
  ["MaxPool", { kernel_shape: [2, 2], dilations: [MUCH, MUCH] }],
  ["MaxPool", { kernel_shape: [2, 2], dilations: [0, 0] }],
  ["DepthToSpace", { blocksize: MUCH }],
  ["Resize", { mode: "cubic" }, [2, 3, MUCH, MUCH]],
];

Deno.test("a node that claims much is refused, and nothing is allocated for it", async () => {
  for (const [op, attributes, numbers] of claims) {
    const inputs = op === "Resize" ? ["x", "", "", "n"] : numbers ? ["x", "n"] : ["x"];
    const file = onnxFile({
      nodes: [
        { op, inputs, outputs: ["z"], attributes },
        { op: "Flatten", inputs: ["z"], outputs: ["y"] },
      ],
      tensors: numbers ? { n: whole(...numbers) } : {},
      opset: 18,
    });
    const network = new OnnxNetwork(await decodeOnnx(file, "much.onnx"));
    const images = new Input("images", [2, 6, 8, 3]);
    await within(
      5000,
      op,
      () =>
        assert.throws(() => run(network, images, { training: false }), (error) => {
          assert.ok(error instanceof UserError, `${op}: ${error}`);
          return /much\.onnx/.test(error.message);
        }),
    );
  }
});
