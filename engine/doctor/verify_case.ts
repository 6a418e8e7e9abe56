/**
 * A case: a classifier's weights, images and labels, and numbers that were computed from them
 * elsewhere, in one safetensors file. All layouts are PyTorch's.
 *
 *     metadata   model, in_channels, num_classes, layer (a module's name), alpha; width where it
 *                isn't 1
 *     state.<key>                    the weights
 *     input      [B, C, H, W]        labels      [B]
 *     mask       [K, channels]       background  [B, 1, h, w] at the layer's resolution
 *     expect.<quantity>              see verify.ts
 */

import { ExitCode, UserError } from "../errors.ts";
import type { HostTensor } from "../io/host_tensor.ts";
import type { Safetensors } from "../io/safetensors.ts";
import type { StateDict } from "../nn/state.ts";
import { type Shape, showShape } from "../tensor/shape.ts";
import { Variable } from "../tensor/tensor.ts";

export interface VerifyCase {
  /** The file, for messages. */
  readonly name: string;
  readonly model: string;
  readonly inChannels: number;
  readonly numClasses: number;
  /** See `ClassifierOptions`. */
  readonly width: number;
  readonly layer: string;
  readonly alpha: number;
  readonly state: StateDict;
  readonly input: Variable;
  readonly labels: Variable;
  readonly mask?: Variable;
  readonly background?: Variable;
  /** The numbers to compare with, by their names without `expect.`. */
  readonly expected: ReadonlyMap<string, HostTensor>;
}

/** @throws UserError (weights) that names the file and what it lacks */
export function verifyCase({ tensors, metadata }: Safetensors, name: string): VerifyCase {
  const text = (key: string): string => {
    if (metadata[key]) return metadata[key];
    throw wrong(name, `its metadata has no ${key}`);
  };
  const number = (key: string, right: (value: number) => boolean): number => {
    const value = Number(text(key));
    if (right(value)) return value;
    throw wrong(name, `its metadata has ${key} = ${JSON.stringify(metadata[key])}`);
  };
  const count = (key: string) => number(key, (n) => Number.isSafeInteger(n) && n > 0);
  const under = (prefix: string) =>
    new Map(
      [...tensors].filter(([key]) => key.startsWith(prefix))
        .map(([key, tensor]) => [key.slice(prefix.length), tensor]),
    );
  const [inChannels, numClasses] = ["in_channels", "num_classes"].map(count);
  const input = variable(tensors, "input", ["B", inChannels, "H", "W"], name);
  const labels = variable(tensors, "labels", [input.shape[0]], name, Uint32Array);
  if (labels.initial.some((label) => label >= numClasses)) {
    throw wrong(name, `its labels go beyond its ${numClasses} classes`);
  }
  const optional = (key: string, shape: readonly (number | string)[]) =>
    tensors.has(key) ? variable(tensors, key, shape, name) : undefined;
  return {
    name,
    model: text("model"),
    inChannels,
    numClasses,
    width: metadata.width === undefined ? 1 : number("width", (width) => width > 0),
    layer: text("layer"),
    alpha: number("alpha", Number.isFinite),
    state: under("state."),
    input,
    labels,
    mask: optional("mask", [numClasses, "channels"]),
    background: optional("background", [input.shape[0], 1, "h", "w"]),
    expected: under("expect."),
  };
}

/** A tensor of the case on the device; a text in `wanted` stands for any extent. */
function variable(
  tensors: Safetensors["tensors"],
  key: string,
  wanted: readonly (number | string)[],
  name: string,
  type: typeof Float32Array | typeof Uint32Array = Float32Array,
): Variable {
  const tensor = tensors.get(key);
  if (!tensor) throw wrong(name, `it has no ${key}`);
  const { shape, data } = tensor;
  const fits = shape.length === wanted.length &&
    wanted.every((extent, d) => typeof extent === "string" || extent === shape[d]);
  if (!fits) throw wrong(name, `its ${key} is ${showShape(shape)}, not [${wanted.join(", ")}]`);
  // A negative label wraps to a large one, which is then refused.
  return new Variable(
    key,
    shape as Shape,
    type === Float32Array ? Float32Array.from(data, Number) : Uint32Array.from(data, Number),
  );
}

export function wrong(name: string, problem: string): UserError {
  return new UserError(
    `${name} is no case to verify: ${problem}`,
    ExitCode.weights,
    "deno task verify --help says what a case holds",
  );
}
