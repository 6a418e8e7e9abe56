/** Weights between an ONNX file and the state of its network. */

import type { HostTensor, TensorDict } from "../io/host_tensor.ts";
import type { Parameter } from "../nn/module.ts";
import { inside } from "../nn/state.ts";
import type { OnnxModel } from "./model.ts";
import { isFloat, type Stored } from "./stored.ts";

/** A stored tensor as a parameter wants it. */
export function floatsOf(stored: Stored, parameter: Parameter): Float32Array {
  return inside(parameter, stored.read()) as Float32Array;
}

/** The stored tensors of floats, as the state dict of some network. */
export function onnxDict({ tensors }: OnnxModel): TensorDict {
  const floats = [...tensors].filter(([, stored]) => isFloat(stored));
  return {
    place: "",
    shapes: new Map(floats.map(([name, { shape }]) => [name, shape])),
    read: () =>
      new Map(floats.map(([name, stored]): [string, HostTensor] => [name, stored.read()])),
  };
}
