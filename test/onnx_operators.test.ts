/** Every operator that is read: what onnxruntime computes, in evaluation, over its edge cases. */

import assert from "node:assert/strict";
import * as ort from "onnxruntime-node";
import { run } from "../engine/nn/module.ts";
import { decodeOnnx } from "../engine/onnx/model.ts";
import { OnnxNetwork } from "../engine/onnx/network.ts";
import { OPERATORS } from "../engine/onnx/ops/table.ts";
import { interpret } from "../engine/reference/interpreter.ts";
import { Input } from "../engine/tensor/tensor.ts";
import { cases } from "./support/onnx_cases.ts";
import { relativeError } from "./support/check.ts";
import { floats, onnxFile, type TestModel } from "./support/onnx_file.ts";

const IMAGE = [2, 3, 6, 8] as const;

/** The images [N, C, H, W] as they lie in the engine. */
function channelsLast(values: Float32Array, [n, c, h, w]: readonly number[]): Float32Array {
  const out = new Float32Array(values.length);
  values.forEach((value, i) => {
    const [x, y] = [i % w, Math.floor(i / w) % h];
    const [channel, image] = [Math.floor(i / (w * h)) % c, Math.floor(i / (w * h * c)) % n];
    out[((image * h + y) * w + x) * c + channel] = value;
  });
  return out;
}

/** Whatever comes out as "z" as rows, so that it is a classifier's. */
const asClassifier = (model: TestModel): TestModel => ({
  ...model,
  nodes: [...model.nodes, { op: "Flatten", inputs: ["z"], outputs: ["y"] }],
});

for (const [name, model] of Object.entries(cases)) {
  Deno.test(`${name} computes what onnxruntime does`, async () => {
    const file = onnxFile(asClassifier(model));
    const session = await ort.InferenceSession.create(file, { logSeverityLevel: 4 });
    const { values } = floats(IMAGE);
    const x = new ort.Tensor("float32", values as Float32Array, IMAGE);
    const { y } = await session.run({ x });
    const network = new OnnxNetwork(await decodeOnnx(file, "case.onnx"));
    const [n, c, h, w] = IMAGE;
    const images = new Input("images", [n, h, w, c]);
    const { output } = run(network, images, { training: false });
    const given = new Map([[images, channelsLast(values as Float32Array, IMAGE)]]);
    const [logits] = interpret([output], given);
    assert.deepEqual([...output.shape], [...y.dims]);
    assert.ok(relativeError(logits, y.data as Float32Array) < 1e-5);
  });
}

Deno.test("every operator has a case", () => {
  const seen = new Set(Object.values(cases).flatMap(({ nodes }) => nodes.map(({ op }) => op)));
  assert.deepEqual([...OPERATORS.keys()].filter((op) => !seen.has(op)), []);
});
