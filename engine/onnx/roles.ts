/**
 * What the stored tensors of a graph are to it: weights that are trained, statistics, or constants.
 * ONNX does not say; the operators that use them do.
 */

import type { OnnxModel, OnnxNode } from "./model.ts";
import { isFloat } from "./stored.ts";

export type Role = "weight" | "statistic" | "constant";

/** Which inputs of an operator are weights of its layer. */
const WEIGHTS: Readonly<Record<string, readonly number[]>> = {
  Conv: [1, 2],
  ConvTranspose: [1, 2],
  Gemm: [1, 2],
  MatMul: [0, 1],
  BatchNormalization: [1, 2],
  InstanceNormalization: [1, 2],
  LayerNormalization: [1, 2],
  GroupNormalization: [1, 2],
  PRelu: [1],
};

/** Biases and scales that exporters make of a layer: weights, unless it is the images they are put to. */
const SHIFTS: readonly string[] = ["Add", "Mul"];

const STATISTICS: readonly number[] = [3, 4];

/** Of these, what comes out says nothing of the images. */
const SHAPES: readonly string[] = ["Shape", "Size"];

/** The values that depend on the images. */
export function imageValues({ nodes, input }: OnnxModel): ReadonlySet<string> {
  const values = new Set([input.name]);
  for (const { op, inputs, outputs } of nodes) {
    if (SHAPES.includes(op) || !inputs.some((name) => values.has(name))) continue;
    outputs.forEach((name) => name && values.add(name));
  }
  return values;
}

/** The role of every stored tensor that is used. */
export function rolesOf(model: OnnxModel): ReadonlyMap<string, Role> {
  const { nodes, tensors, input } = model;
  const images = imageValues(model);
  const roles = new Map<string, Role>();
  const wanted = new Set<string>();
  for (const node of [...nodes].reverse()) {
    const { op, inputs, outputs } = node;
    if (op === "BatchNormalization") {
      for (const i of STATISTICS) roles.set(inputs[i], "statistic");
    }
    for (const [i, name] of inputs.entries()) {
      // What a weight is made of are weights too: transposed, standardised.
      const makesWeight = outputs.some((output) => wanted.has(output));
      const isScale = SHIFTS.includes(op) && images.has(outputs[0]) && !inputs.includes(input.name);
      if (WEIGHTS[op]?.includes(i) || makesWeight || isScale) wanted.add(name);
    }
  }
  for (const node of nodes) {
    for (const name of node.inputs) {
      const stored = tensors.get(name);
      if (!stored || roles.has(name)) continue;
      const isList = stored.shape.some((extent) => extent > 1) || isLayers(node, name);
      roles.set(name, wanted.has(name) && isFloat(stored) && isList ? "weight" : "constant");
    }
  }
  return roles;
}

/** Whether a tensor of one element is a layer's weight all the same. */
const isLayers = ({ op, inputs }: OnnxNode, name: string): boolean =>
  WEIGHTS[op]?.some((i) => inputs[i] === name) ?? false;

/** The stored tensors that are a convolution's weights [K, C, R, S], and nothing else. */
export function filtersOf({ nodes, tensors }: OnnxModel): ReadonlySet<string> {
  const filters = new Set<string>();
  const others = new Set<string>();
  for (const { op, inputs } of nodes) {
    for (const [i, name] of inputs.entries()) {
      const isFilter = i === 1 && (op === "Conv" || op === "ConvTranspose") &&
        tensors.get(name)?.shape.length === 4;
      (isFilter ? filters : others).add(name);
    }
  }
  return filters.difference(others);
}
