/** Files that are whole, of nodes that are nearly right: each is refused by its name, or is a network. */

import assert from "node:assert/strict";
import { UserError } from "../engine/errors.ts";
import { run } from "../engine/nn/module.ts";
import { decodeOnnx } from "../engine/onnx/model.ts";
import { OnnxNetwork } from "../engine/onnx/network.ts";
import { Input } from "../engine/tensor/mod.ts";
import { Dice } from "./support/mutate.ts";
import { cases } from "./support/onnx_cases.ts";
import { onnxFile, type TestModel, type TestNode, type TestTensor } from "./support/onnx_file.ts";

/** Files of each case; all that MODEL_DOCTOR_FUZZ asks for are shared out among the cases. */
const EACH = Math.ceil(
  Number(Deno.env.get("MODEL_DOCTOR_FUZZ") ?? 2500) / Object.keys(cases).length,
);

const WHOLE = [0, 1, -1, 2, 3, 5, 7, -2, 100, -100, 1000003, 2 ** 31 - 1, -(2 ** 31), 2 ** 40];
const FLOATS = [NaN, 0, -1.5, 0.25, 1e30];
const WORDS = ["", "x", "constructor", "linear", "nearest", "cubic", "SAME_UPPER", "VALID"]
  .concat(["edge", "reflect", "constant", "half_pixel", "align_corners"]);
const ATTRIBUTES = ["axis", "group", "ceil_mode", "p", "allowzero", "to", "size", "keepdims"]
  .concat(["num_outputs", "blocksize"]);
const OPERATORS = ["Conv", "Gemm", "MatMul", "Add", "Reshape", "Concat", "Where", "Split", "Slice"]
  .concat(["Gather", "PRelu", "Resize", "Shape", "Expand", "LayerNormalization"]);

type Attribute = NonNullable<TestNode["attributes"]>[string];

function odd(value: Attribute, dice: Dice): Attribute {
  if (typeof value === "string") return dice.pick(WORDS);
  if (typeof value === "number") return dice.pick(WHOLE);
  if ("float" in value) return { float: dice.pick(FLOATS) };
  if (value.length === 0 || dice.below(4) === 0) {
    return dice.pick([[], value.slice(1), [...value, 1], [...value, ...value]]);
  }
  return value.with(dice.below(value.length), dice.pick(WHOLE));
}

function oddNode(node: TestNode, dice: Dice): TestNode {
  const attributes = { ...node.attributes };
  const names = Object.keys(attributes);
  if (names.length > 0 && dice.below(2) === 0) {
    const name = dice.pick(names);
    attributes[name] = odd(attributes[name], dice);
  }
  if (dice.below(8) === 0) attributes[dice.pick(ATTRIBUTES)] = dice.pick(WHOLE);
  const others = [node.inputs.slice(0, -1), [...node.inputs, "x"], node.inputs.toReversed()]
    .concat([["x", ...node.inputs], node.inputs.map(() => "")]);
  const inputs = dice.below(10) === 0 ? dice.pick(others) : node.inputs;
  const op = dice.below(30) === 0 ? dice.pick(OPERATORS) : node.op;
  return { ...node, op, attributes, inputs };
}

function oddTensor(tensor: TestTensor, dice: Dice): TestTensor {
  const { values } = tensor;
  if (values.length === 0 || dice.below(2) === 0) return tensor;
  if (dice.below(2) === 0) {
    const { length } = values;
    return { ...tensor, shape: dice.pick([[length], [1, length], [length, 1], [], [0]]) };
  }
  const at = dice.below(values.length);
  return {
    ...tensor,
    values: values instanceof Float32Array
      ? values.with(at, dice.pick([...FLOATS, ...WHOLE]))
      : values.with(at, dice.pick(WHOLE)),
  };
}

function oddModel(model: TestModel, dice: Dice): TestModel {
  const tensors = Object.entries(model.tensors ?? {})
    .map(([name, tensor]) => [name, oddTensor(tensor, dice)] as const);
  return {
    ...model,
    nodes: [
      ...model.nodes.map((node) => oddNode(node, dice)),
      { op: "Flatten", inputs: ["z"], outputs: ["y"] },
    ],
    tensors: Object.fromEntries(tensors),
    opset: dice.below(6) === 0 ? 7 + dice.below(16) : model.opset,
  };
}

Deno.test("nodes with odd attributes, inputs and constants are refused, and never anything else", async () => {
  const dice = new Dice(21);
  let [networks, refused] = [0, 0];
  for (const [name, model] of Object.entries(cases)) {
    for (let i = 0; i < EACH; i++) {
      const file = onnxFile(oddModel(model, dice));
      try {
        const network = new OnnxNetwork(await decodeOnnx(file, "odd.onnx"));
        const images = new Input("images", [2, 6, 8, 3]);
        run(network, images, { training: dice.below(2) === 0 });
        networks++;
      } catch (error) {
        if (!(error instanceof UserError)) throw new Error(`${name}, ${i}`, { cause: error });
        assert.match(error.message, /odd\.onnx/, `${name}, ${i}`);
        refused++;
      }
    }
  }
  assert.ok(networks > 500 && refused > 500, `${networks} networks, ${refused} refused`);
});
