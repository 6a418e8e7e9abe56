/**
 * State dicts: a network's tensors by name, in PyTorch's layouts on the outside and the engine's
 * inside. Convolution weights are [K, C/groups, R, S] there and [R, S, C/groups, K] here; counters
 * are int64 there and uint32 here.
 */

import { ExitCode, UserError } from "../errors.ts";
import type { HostTensor } from "../io/host_tensor.ts";
import { didYouMean } from "../nearest.ts";
import type { Runtime } from "../plan/runtime.ts";
import { draws, streamId, uniform } from "../random.ts";
import { sameShape, type Shape, showShape } from "../tensor/shape.ts";
import type { HostArray } from "../tensor/tensor.ts";
import type { Module, Parameter } from "./module.ts";

export type StateDict = Map<string, HostTensor>;

/** Fills every parameter with its starting value: a function of the seed and its name. */
export function initialize(network: Module, seed: number): void {
  for (const [name, { initializer, initial }] of network.namedState()) {
    if ("value" in initializer) continue;
    const draw = draws(seed, streamId(`initial ${name}`));
    for (let i = 0; i < initial.length; i++) {
      initial[i] = (2 * uniform(draw(i)) - 1) * initializer.bound;
    }
  }
}

/** The tensor's shape in a state dict. */
export function stateShape(parameter: Parameter): Shape {
  if (parameter.layout === "same") return parameter.shape;
  const [r, s, c, k] = parameter.shape;
  return [k, c, r, s];
}

/** Reads the network's state from the device, in PyTorch's names, layouts and order. */
export async function stateDict(network: Module, runtime: Runtime): Promise<StateDict> {
  const state = [...network.namedState()];
  const values = await runtime.read(state.map(([, parameter]) => parameter));
  return new Map(
    state.map(([name, parameter], i) => [name, outside(parameter, values[i])]),
  );
}

/**
 * Writes a state dict into the network.
 * @param where what the tensors come from, for messages
 * @throws UserError (weights) that lists every missing, unexpected and mis-shaped key
 */
export function loadStateDict(
  network: Module,
  state: StateDict,
  runtime: Runtime,
  where: string,
): void {
  const own = new Map(network.namedState());
  const problems = mismatches(own, state);
  if (problems.length > 0) {
    const shown = problems.slice(0, 12);
    if (problems.length > shown.length) {
      shown.push(`... and ${problems.length - shown.length} more`);
    }
    throw new UserError(
      `${where} does not fit this model:\n  ${shown.join("\n  ")}`,
      ExitCode.weights,
      "check --model, and that the number of classes and channels are those it was trained with",
    );
  }
  for (const [name, parameter] of own) {
    const tensor = state.get(name);
    if (tensor) runtime.write(parameter, inside(parameter, tensor));
  }
}

function mismatches(own: ReadonlyMap<string, Parameter>, state: StateDict): string[] {
  const problems: string[] = [];
  for (const [name, parameter] of own) {
    const tensor = state.get(name);
    // Files from before PyTorch 0.4 have no counters, and nothing is lost with them.
    if (!tensor && name.endsWith("num_batches_tracked")) continue;
    if (!tensor) problems.push(`missing ${name} ${showShape(stateShape(parameter))}`);
    else if (!sameShape(tensor.shape, stateShape(parameter))) {
      const [has, wants] = [tensor.shape, stateShape(parameter)].map(showShape);
      problems.push(`${name} is ${has}, the model wants ${wants}`);
    }
  }
  for (const name of state.keys()) {
    if (!own.has(name)) problems.push(`unexpected ${name}${didYouMean(name, [...own.keys()])}`);
  }
  return problems;
}

/** A value read from the device as a state-dict tensor. */
function outside(parameter: Parameter, value: HostArray): HostTensor {
  const shape = [...stateShape(parameter)];
  if (value instanceof Uint32Array) {
    return { dtype: "I64", shape, data: BigInt64Array.from(value, BigInt) };
  }
  if (parameter.layout === "same") return { dtype: "F32", shape, data: value };
  const data = new Float32Array(value.length);
  eachWeight(parameter.shape, (engine, torch) => data[torch] = value[engine]);
  return { dtype: "F32", shape, data };
}

/** A state-dict tensor as the device wants it. */
function inside(parameter: Parameter, { data }: HostTensor): HostArray {
  const value = parameter.dtype === "u32"
    ? Uint32Array.from(data, Number)
    : Float32Array.from(data, Number);
  if (parameter.layout === "same") return value;
  const turned = new Float32Array(value.length);
  eachWeight(parameter.shape, (engine, torch) => turned[engine] = value[torch]);
  return turned;
}

/** Visits every element of a convolution weight [R, S, C, K] with its place in [K, C, R, S]. */
function eachWeight([r, s, c, k]: Shape, visit: (engine: number, torch: number) => void): void {
  const taps = r * s;
  for (let tap = 0, engine = 0; tap < taps; tap++) {
    for (let channel = 0; channel < c; channel++) {
      for (let filter = 0; filter < k; filter++, engine++) {
        visit(engine, (filter * c + channel) * taps + tap);
      }
    }
  }
}
