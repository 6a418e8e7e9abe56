/** The operators of ONNX with their edge cases, from "x" [2, 3, 6, 8] to "z". */

import {
  type Float,
  floats,
  type TestModel,
  type TestNode,
  type TestTensor,
  whole,
} from "./onnx_file.ts";

type Attributes = TestNode["attributes"];
type Tensors = Readonly<Record<string, TestTensor>>;

/** One operator on the images, its other inputs being stored. */
function one(
  op: string,
  attributes: Attributes = {},
  tensors: Tensors = {},
  opset = 17,
): TestModel {
  const inputs = ["x", ...Object.keys(tensors)];
  return { nodes: [{ op, inputs, outputs: ["z"], attributes }], tensors, opset };
}

/** Operators one after the other; each takes what the one before gave, and stored tensors. */
function chain(
  steps: readonly (readonly [op: string, attributes?: Attributes, ...tensors: string[]])[],
  tensors: Tensors = {},
  opset = 17,
): TestModel {
  const nodes = steps.map(([op, attributes, ...more], i): TestNode => ({
    op,
    inputs: [i === 0 ? "x" : `v${i - 1}`, ...more],
    outputs: [i === steps.length - 1 ? "z" : `v${i}`],
    attributes,
  }));
  return { nodes, tensors, opset };
}

const f = (value: number | readonly number[]): Float => ({ float: value });
const scalar = (value: number): TestTensor => ({ shape: [], values: Float32Array.of(value) });
const channels = (phase: number, least = -1, most = 1) => floats([3], phase, least, most);
const positive = floats([1, 3, 1, 1], 9, 0.5, 2);

const unary = [
  "Relu",
  "Sigmoid",
  "HardSwish",
  "Tanh",
  "Softplus",
  "Softsign",
  "Erf",
  "Exp",
  "Neg",
  "Abs",
  "Sign",
  "Selu",
  "Elu",
  "Celu",
  "LeakyRelu",
  "HardSigmoid",
  "Identity",
  "GlobalAveragePool",
  "GlobalMaxPool",
  "GlobalLpPool",
  "Dropout",
  "LpNormalization",
];

const conv = (attributes: Attributes, shape: readonly number[], bias = true): TestModel =>
  one("Conv", attributes, { w: floats(shape, 1), ...bias ? { b: floats([shape[0]], 2) } : {} });

const statistics = {
  s: channels(1, 0.5, 2),
  b: channels(2),
  m: channels(3),
  v: channels(4, 0.5, 2),
};

export const cases: Readonly<Record<string, TestModel>> = {
  ...Object.fromEntries(unary.map((op) => [op, one(op)])),
  "Elu by 0.5": one("Elu", { alpha: 0.5 }),
  "LeakyRelu by 0.3": one("LeakyRelu", { alpha: 0.3 }),
  "HardSigmoid with its own line": one("HardSigmoid", { alpha: 0.9, beta: 0.4 }),
  Mish: one("Mish", {}, {}, 18),
  Gelu: one("Gelu", {}, {}, 20),
  "Gelu by tanh": one("Gelu", { approximate: "tanh" }, {}, 20),
  ThresholdedRelu: one("ThresholdedRelu", { alpha: 0.25 }),
  "PRelu by channels": one("PRelu", {}, { s: floats([3, 1, 1], 1) }),
  "Clip of ReLU6": one("Clip", {}, { least: scalar(0), most: scalar(6) }),
  "Clip by attributes": one("Clip", { min: -0.25, max: 0.5 }, {}, 7),
  "Conv": conv({}, [4, 3, 3, 3]),
  "Conv with stride, padding and dilation": conv({
    strides: [2, 1],
    pads: [1, 2, 1, 2],
    dilations: [1, 2],
  }, [5, 3, 3, 2]),
  "Conv with uneven padding": conv({ pads: [0, 1, 2, 0], strides: [2, 2] }, [4, 3, 3, 3]),
  "Conv by groups": conv({ group: 3, pads: [1, 1, 1, 1] }, [6, 1, 3, 3]),
  "Conv SAME_UPPER": conv({ auto_pad: "SAME_UPPER", strides: [2, 2] }, [4, 3, 3, 3], false),
  "Conv SAME_LOWER": conv({ auto_pad: "SAME_LOWER", strides: [2, 2] }, [4, 3, 4, 2]),
  "Conv VALID": conv({ auto_pad: "VALID" }, [4, 3, 3, 3]),
  "Conv of lines": chain([["Reshape", {}, "shape"], [
    "Conv",
    { pads: [1, 0], strides: [2] },
    "w",
    "b",
  ]], {
    shape: whole(0, 3, 48),
    w: floats([4, 3, 3], 1),
    b: floats([4], 2),
  }),
  "Conv with made weights": {
    nodes: [
      { op: "Mul", inputs: ["w", "s"], outputs: ["ws"] },
      { op: "Conv", inputs: ["x", "ws"], outputs: ["z"] },
    ],
    tensors: { w: floats([4, 3, 3, 3], 1), s: floats([4, 1, 1, 1], 2) },
  },
  "ConvTranspose": one("ConvTranspose", {
    strides: [2, 2],
    pads: [1, 0, 0, 1],
    output_padding: [1, 0],
  }, {
    w: floats([3, 4, 3, 2], 1),
    b: floats([4], 2),
  }),
  "ConvTranspose SAME_UPPER": one("ConvTranspose", { auto_pad: "SAME_UPPER", strides: [2, 3] }, {
    w: floats([3, 4, 3, 4], 1),
  }),
  "ConvTranspose SAME_LOWER": one("ConvTranspose", { auto_pad: "SAME_LOWER", strides: [2, 1] }, {
    w: floats([3, 4, 3, 4], 1),
  }),
  "ConvTranspose to a size": one("ConvTranspose", { output_shape: [12, 18], strides: [2, 2] }, {
    w: floats([3, 4, 3, 4], 1),
    b: floats([4], 2),
  }),
  "ConvTranspose to an odd size": one(
    "ConvTranspose",
    { output_shape: [11, 15], strides: [2, 2] },
    {
      w: floats([3, 4, 2, 2], 1),
    },
  ),
  "ConvTranspose SAME_UPPER with gaps": one("ConvTranspose", {
    auto_pad: "SAME_UPPER",
    strides: [4, 5],
  }, {
    w: floats([3, 4, 3, 3], 1),
  }),
  "ConvTranspose by groups": one("ConvTranspose", { group: 3, dilations: [2, 1] }, {
    w: floats([3, 2, 2, 3], 1),
  }),
  MaxPool: one("MaxPool", { kernel_shape: [2, 2], strides: [2, 2] }),
  "MaxPool with padding": one("MaxPool", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
  }),
  "MaxPool with uneven padding": one("MaxPool", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [0, 0, 1, 1],
  }),
  "MaxPool with ceil_mode": one("MaxPool", { kernel_shape: [3, 3], strides: [2, 2], ceil_mode: 1 }),
  "MaxPool SAME_UPPER": one("MaxPool", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    auto_pad: "SAME_UPPER",
  }),
  "MaxPool with dilation": one("MaxPool", { kernel_shape: [2, 3], dilations: [2, 3] }),
  "MaxPool with dilation, padding and ceil_mode": one("MaxPool", {
    kernel_shape: [3, 3],
    dilations: [2, 2],
    pads: [1, 1, 1, 1],
    strides: [2, 2],
    ceil_mode: 1,
  }),
  AveragePool: one("AveragePool", { kernel_shape: [2, 2], strides: [2, 2] }),
  "AveragePool with padding": one("AveragePool", { kernel_shape: [3, 3], pads: [1, 1, 1, 1] }),
  "AveragePool with counted padding": one("AveragePool", {
    kernel_shape: [3, 3],
    pads: [1, 1, 1, 1],
    count_include_pad: 1,
  }),
  "AveragePool with ceil_mode": one("AveragePool", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    ceil_mode: 1,
  }),
  "AveragePool of one pixel": one("AveragePool", { kernel_shape: [1, 1] }),
  "AveragePool of a padded image": chain([
    ["Pad", {}, "pads"],
    ["AveragePool", { kernel_shape: [3, 3], strides: [2, 2] }],
  ], { pads: whole(0, 0, 1, 1, 0, 0, 1, 1) }),
  "MaxPool with padding and ceil_mode": one("MaxPool", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 1, 1, 1],
    ceil_mode: 1,
  }),
  LpPool: one("LpPool", { kernel_shape: [2, 2], strides: [2, 2] }),
  "LpPool of the norm 1": one("LpPool", { kernel_shape: [2, 3], p: 1 }),
  "LpPool of the norm 3": one("LpPool", {
    kernel_shape: [3, 3],
    strides: [2, 2],
    pads: [1, 0, 1, 0],
    p: 3,
  }),
  "GlobalLpPool of the norm 3": one("GlobalLpPool", { p: 3 }),
  "LpNormalization of the norm 1": one("LpNormalization", { p: 1, axis: 1 }),
  BatchNormalization: one("BatchNormalization", { epsilon: 0.01 }, statistics),
  InstanceNormalization: one("InstanceNormalization", {}, { s: channels(1), b: channels(2) }),
  LayerNormalization: one("LayerNormalization", { axis: 2 }, {
    s: floats([6, 8], 1),
    b: floats([6, 8], 2),
  }),
  "LayerNormalization of channels": chain([
    ["Transpose", { perm: [0, 2, 3, 1] }],
    ["LayerNormalization", { epsilon: 0.001 }, "s", "b"],
    ["Transpose", { perm: [0, 3, 1, 2] }],
  ], { s: channels(1), b: channels(2) }),
  "GroupNormalization": one("GroupNormalization", { num_groups: 3 }, {
    s: channels(1),
    b: channels(2),
  }, 21),
  LRN: one("LRN", { size: 3, alpha: 0.5, beta: 0.75, bias: f(2) }),
  "Softmax over channels": one("Softmax", { axis: 1 }),
  "LogSoftmax over columns": one("LogSoftmax", { axis: -1 }),
  "Softmax before set 13": one("Softmax", { axis: 1 }, {}, 11),
  Gemm: chain([["Flatten"], ["Gemm", { transB: 1, alpha: 0.5, beta: f(2) }, "w", "b"]], {
    w: floats([4, 144], 1),
    b: floats([4], 2),
  }),
  "Gemm as stored": chain([["Flatten"], ["Gemm", {}, "w", "b"]], {
    w: floats([144, 5], 1),
    b: floats([5], 2),
  }),
  "MatMul of pixels": chain([["Transpose", { perm: [0, 2, 3, 1] }], ["MatMul", {}, "w"], [
    "Transpose",
    { perm: [0, 3, 1, 2] },
  ]], { w: floats([3, 5], 1) }),
  "MatMul of rows": one("MatMul", {}, { w: floats([8, 4], 1) }),
  "MatMul of many matrices": one("MatMul", {}, { w: floats([3, 8, 4], 1) }),
  "MatMul of one matrix and many": {
    nodes: [{ op: "MatMul", inputs: ["w", "x"], outputs: ["z"] }],
    tensors: { w: floats([2, 1, 5, 6], 1) },
  },
  // softmax(q k^T) v, the channels being the heads.
  "MatMul of attention": {
    nodes: [
      { op: "MatMul", inputs: ["x", "q"], outputs: ["xq"] },
      { op: "Transpose", inputs: ["x"], outputs: ["xt"], attributes: { perm: [0, 1, 3, 2] } },
      { op: "MatMul", inputs: ["xq", "xt"], outputs: ["scores"] },
      { op: "Softmax", inputs: ["scores"], outputs: ["share"], attributes: { axis: -1 } },
      { op: "MatMul", inputs: ["share", "x"], outputs: ["z"] },
    ],
    tensors: { q: floats([8, 8], 1) },
  },
  Add: one("Add", {}, { b: floats([3, 1, 1], 1) }),
  "Add of columns": one("Add", {}, { b: floats([8], 1) }),
  Sub: one("Sub", {}, { b: scalar(0.3) }),
  Mul: one("Mul", {}, { b: floats([1, 3, 1, 8], 1) }),
  Div: one("Div", {}, { b: positive }),
  Min: one("Min", {}, { b: scalar(0.2) }),
  Max: one("Max", {}, { b: floats([1, 3, 1, 1], 1) }),
  Sum: one("Sum", {}, { a: scalar(1), b: floats([8], 1) }),
  Mean: one("Mean", {}, { a: scalar(1), b: floats([8], 1) }),
  "Pow of 2": one("Pow", {}, { p: scalar(2) }),
  "Pow of 3": one("Pow", {}, { p: scalar(3) }),
  "Sqrt, Log, Reciprocal and Pow": chain([
    ["Abs"],
    ["Add", {}, "one"],
    ["Sqrt"],
    ["Log"],
    ["Add", {}, "one"],
    ["Reciprocal"],
    ["Pow", {}, "p"],
  ], { one: scalar(1), p: scalar(1.7) }),
  ...Object.fromEntries(
    ["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Equal"].map((op) => [op, {
      nodes: [
        { op, inputs: ["x", "limit"], outputs: ["c"] },
        { op: "Where", inputs: ["c", "x", "other"], outputs: ["z"] },
      ],
      tensors: { limit: scalar(0.1), other: floats([3, 1, 1], 4) },
    }]),
  ),
  "Not, And, Or and Cast": {
    nodes: [
      { op: "Greater", inputs: ["x", "low"], outputs: ["a"] },
      { op: "Less", inputs: ["x", "high"], outputs: ["b"] },
      { op: "And", inputs: ["a", "b"], outputs: ["ab"] },
      { op: "Not", inputs: ["a"], outputs: ["na"] },
      { op: "Or", inputs: ["ab", "na"], outputs: ["o"] },
      { op: "Cast", inputs: ["o"], outputs: ["m"], attributes: { to: 1 } },
      { op: "CastLike", inputs: ["m", "x"], outputs: ["z"] },
    ],
    tensors: { low: scalar(-0.4), high: scalar(0.5) },
  },
  ...Object.fromEntries(
    ["ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare"]
      .map((op) => [`${op} of space`, one(op, { axes: [2, 3], keepdims: 0 })]),
  ),
  "ReduceSum by an input": one("ReduceSum", { keepdims: 1 }, { axes: whole(-1) }),
  "ReduceMean of channels": one("ReduceMean", { axes: [1], keepdims: 1 }),
  Reshape: one("Reshape", {}, { shape: whole(0, 9, -1, 4) }),
  "channel shuffle": chain([
    ["Conv", {}, "w"],
    ["Reshape", {}, "split"],
    ["Transpose", { perm: [0, 2, 1, 3, 4] }],
    ["Reshape", {}, "join"],
    ["Relu"],
  ], { w: floats([6, 3, 1, 1], 1), split: whole(0, 2, 3, 6, 8), join: whole(0, 6, 6, 8) }),
  "Squeeze and Unsqueeze": chain([
    ["ReduceMean", { axes: [2], keepdims: 1 }],
    ["Squeeze", {}, "two"],
    ["Unsqueeze", {}, "ends"],
  ], { two: whole(2), ends: whole(1, -1) }),
  "Transpose": one("Transpose", { perm: [0, 3, 1, 2] }),
  Expand: chain([["ReduceMean", { axes: [1], keepdims: 1 }], ["Expand", {}, "shape"]], {
    shape: whole(1, 4, 1, 1),
  }),
  Tile: one("Tile", {}, { times: whole(1, 2, 1, 3) }),
  Concat: {
    nodes: [
      { op: "Relu", inputs: ["x"], outputs: ["a"] },
      { op: "Concat", inputs: ["x", "a"], outputs: ["z"], attributes: { axis: 1 } },
    ],
  },
  Split: {
    nodes: [
      { op: "Split", inputs: ["x", "sizes"], outputs: ["a", "b"], attributes: { axis: 3 } },
      { op: "Concat", inputs: ["b", "a"], outputs: ["z"], attributes: { axis: -1 } },
    ],
    tensors: { sizes: whole(3, 5) },
  },
  "Slice with steps": one("Slice", {}, {
    starts: whole(1, 0),
    ends: whole(6, 1000),
    axes: whole(2, 3),
    steps: whole(2, 3),
  }),
  "Slice from the end": one("Slice", {}, { starts: whole(-5), ends: whole(-1), axes: whole(3) }),
  "Gather of channels": one("Gather", { axis: 1 }, { places: whole(2, 0) }),
  "Pad by zeros": one("Pad", {}, { pads: whole(0, 0, 1, 2, 0, 1, 0, 1) }),
  "Pad by a number": one("Pad", {}, { pads: whole(0, 0, 1, 2, 0, 0, 0, 1), value: scalar(0.7) }),
  "Pad that cuts": one("Pad", {}, { pads: whole(0, 0, -1, 2, 0, 0, 1, -3) }),
  "Pad before a convolution that pads": chain([
    ["Pad", {}, "pads"],
    ["Conv", { pads: [1, 0, 1, 0], strides: [2, 2] }, "w"],
  ], { pads: whole(0, 0, 1, 2, 0, 0, 1, 2), w: floats([4, 3, 3, 3], 1) }),
  "Pad before a convolution, unevenly": chain([
    ["Pad", {}, "pads"],
    ["Conv", { strides: [2, 2] }, "w"],
  ], { pads: whole(0, 0, 0, 0, 0, 0, 1, 1), w: floats([4, 3, 3, 3], 1) }),
  "Reshape and Transpose of a shuffle": chain([
    ["Conv", {}, "w"],
    ["Reshape", {}, "split"],
    ["Transpose", { perm: [0, 2, 1, 3, 4] }],
    ["Reshape", {}, "joined"],
  ], { w: floats([6, 3, 1, 1], 1), split: whole(2, 2, 3, 6, 8), joined: whole(2, 6, 6, 8) }),
  "Pad by reflection": one("Pad", { mode: "reflect" }, { pads: whole(0, 0, 2, 1, 0, 0, 1, 3) }),
  "Pad by the edge": one("Pad", { mode: "edge" }, { pads: whole(0, 0, 2, 1, 0, 0, 1, 3) }),
  "Resize to the nearest": resized({
    mode: "nearest",
    nearest_mode: "floor",
    coordinate_transformation_mode: "asymmetric",
  }, [1, 1, 2, 3]),
  "Resize by lines": resized({ mode: "linear" }, [1, 1, 2, 1.5]),
  "Resize to corners": resized(
    { mode: "linear", coordinate_transformation_mode: "align_corners" },
    [1, 1, 2, 2],
  ),
  "Resize by cubes": resized({ mode: "cubic" }, [1, 1, 2, 1.5]),
  "Resize by cubes to corners": resized({
    mode: "cubic",
    coordinate_transformation_mode: "align_corners",
    cubic_coeff_a: f(-0.5),
  }, [1, 1, 2, 2]),
  "Resize by cubes inside alone": resized(
    { mode: "cubic", exclude_outside: 1 },
    [1, 1, 0.5, 2],
  ),
  "Resize of some axes": {
    ...resized({ mode: "linear", axes: [3, 2] }, [2, 1.5]),
    opset: 18,
  },
  "Resize to sizes": {
    nodes: [{
      op: "Resize",
      inputs: ["x", "", "", "sizes"],
      outputs: ["z"],
      attributes: { mode: "linear", coordinate_transformation_mode: "pytorch_half_pixel" },
    }],
    tensors: { sizes: whole(2, 3, 9, 4) },
  },
  Upsample: one("Upsample", { mode: "nearest" }, {
    scales: { shape: [4], values: Float32Array.of(1, 1, 2, 2) },
  }, 9),
  "DepthToSpace": chain([["Conv", {}, "w"], ["DepthToSpace", { blocksize: 2 }]], {
    w: floats([8, 3, 1, 1], 1),
  }),
  "DepthToSpace by columns": chain([["Conv", {}, "w"], ["DepthToSpace", {
    blocksize: 2,
    mode: "CRD",
  }]], { w: floats([8, 3, 1, 1], 1) }),
  SpaceToDepth: one("SpaceToDepth", { blocksize: 2 }),
  "arithmetic on shapes": {
    nodes: [
      { op: "Shape", inputs: ["x"], outputs: ["shape"] },
      { op: "Gather", inputs: ["shape", "zero"], outputs: ["n"] },
      { op: "Unsqueeze", inputs: ["n", "zero1"], outputs: ["n1"] },
      { op: "Constant", inputs: [], outputs: ["rest"], attributes: { value_ints: [-1] } },
      { op: "Slice", inputs: ["shape", "two", "four"], outputs: ["hw"] },
      { op: "ReduceProd", inputs: ["hw"], outputs: ["pixels"] },
      { op: "Size", inputs: ["hw"], outputs: ["count"] },
      { op: "Div", inputs: ["pixels", "count"], outputs: ["half"] },
      { op: "ConstantOfShape", inputs: ["one"], outputs: ["zeros"] },
      { op: "Cast", inputs: ["half"], outputs: ["halfFloat"], attributes: { to: 1 } },
      { op: "Add", inputs: ["halfFloat", "zeros"], outputs: ["sum"] },
      { op: "Floor", inputs: ["sum"], outputs: ["floor"] },
      { op: "Ceil", inputs: ["floor"], outputs: ["ceil"] },
      { op: "Cast", inputs: ["ceil"], outputs: ["last"], attributes: { to: 7 } },
      { op: "Range", inputs: ["from", "to", "by"], outputs: ["range"] },
      {
        op: "Concat",
        inputs: ["n1", "rest", "last", "range"],
        outputs: ["target"],
        attributes: { axis: 0 },
      },
      { op: "Reshape", inputs: ["x", "target"], outputs: ["z"] },
    ],
    tensors: {
      ...{
        zero: { shape: [], values: [0] },
        zero1: whole(0),
        two: whole(2),
        four: whole(4),
        one: whole(1),
      },
      ...{
        from: { shape: [], values: [1] },
        to: { shape: [], values: [2] },
        by: { shape: [], values: [1] },
      },
    },
  },
};

function resized(attributes: Attributes, scales: readonly number[]): TestModel {
  return {
    nodes: [{ op: "Resize", inputs: ["x", "", "scales"], outputs: ["z"], attributes }],
    tensors: { scales: { shape: [scales.length], values: Float32Array.from(scales) } },
  };
}
