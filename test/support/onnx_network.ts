/** A small classifier as PyTorch exports it: names, batch normalisation, dropout, a softmax. */

import { floats, onnxFile, type TestModel, type TestTensor } from "./onnx_file.ts";

const conv = (path: string, from: string, to: string, stride = 1) => ({
  op: "Conv",
  name: `/${path}/Conv`,
  inputs: [from, `${path}.weight`, `${path}.bias`],
  outputs: [to],
  attributes: { pads: [1, 1, 1, 1], strides: [stride, stride] },
});
const norm = (path: string, from: string, to: string) => ({
  op: "BatchNormalization",
  name: `/${path}/BatchNormalization`,
  inputs: [
    from,
    ...["weight", "bias", "running_mean", "running_var"].map((part) => `${path}.${part}`),
  ],
  outputs: [to],
});

export const smallTensors: Readonly<Record<string, TestTensor>> = {
  "stem.weight": floats([8, 3, 3, 3], 1),
  "stem.bias": floats([8], 2),
  "stem_bn.weight": floats([8], 3, 0.5, 1.5),
  "stem_bn.bias": floats([8], 4),
  "stem_bn.running_mean": floats([8], 5),
  "stem_bn.running_var": floats([8], 6, 0.5, 1.5),
  "blocks.0.conv.weight": floats([8, 8, 3, 3], 7),
  "blocks.0.conv.bias": floats([8], 8),
  "fc.weight": floats([10, 8], 9),
  "fc.bias": floats([10], 10),
};

export const smallModel: TestModel = {
  input: ["batch", 3, 32, 32],
  tensors: smallTensors,
  nodes: [
    conv("stem", "x", "a", 2),
    norm("stem_bn", "a", "b"),
    { op: "Relu", name: "/relu/Relu", inputs: ["b"], outputs: ["c"] },
    conv("blocks.0.conv", "c", "d", 2),
    { op: "Add", name: "/blocks/blocks.0/Add", inputs: ["d", "d"], outputs: ["e"] },
    { op: "Relu", name: "/blocks/blocks.0/act/Relu", inputs: ["e"], outputs: ["f"] },
    { op: "GlobalAveragePool", name: "/pool/GlobalAveragePool", inputs: ["f"], outputs: ["g"] },
    { op: "Flatten", name: "/Flatten", inputs: ["g"], outputs: ["h"] },
    { op: "Dropout", name: "/drop/Dropout", inputs: ["h"], outputs: ["i"] },
    {
      op: "Gemm",
      name: "/fc/Gemm",
      inputs: ["i", "fc.weight", "fc.bias"],
      outputs: ["j"],
      attributes: { transB: 1 },
    },
    { op: "Softmax", name: "/Softmax", inputs: ["j"], outputs: ["y"], attributes: { axis: 1 } },
  ],
};

/** The same for another number of classes. */
export const fileOf = (classes: number): Uint8Array<ArrayBuffer> =>
  onnxFile({
    ...smallModel,
    tensors: {
      ...smallTensors,
      "fc.weight": floats([classes, 8], 9),
      "fc.bias": floats([classes], 10),
    },
  });

export const smallFile = (): Uint8Array<ArrayBuffer> => onnxFile(smallModel);
