/**
 * State dicts: a network's tensors by name, in PyTorch's layouts on the outside and the engine's
 * inside. Convolution weights are [K, C/groups, R, S] there and [R, S, C/groups, K] here; counters
 * are int64 there and uint32 here.
 */

import { ExitCode, UserError } from "../errors.ts";
import type { HostTensor } from "../io/host_tensor.ts";
import { didYouMean, nearest } from "../nearest.ts";
import type { Runtime } from "../plan/runtime.ts";
import { draws, normal, streamId, uniform } from "../random.ts";
import { sameShape, type Shape, showShape } from "../tensor/shape.ts";
import type { HostArray } from "../tensor/tensor.ts";
import { bestFits, type Fit, shapesOf, stateShape, withoutPrefix } from "./fit.ts";
import type { Module, Parameter } from "./module.ts";

export type StateDict = Map<string, HostTensor>;

/** Number of trained values. */
export function parameterCount(network: Module): number {
  return [...network.namedParameters()].reduce((sum, [, { size }]) => sum + size, 0);
}

/** Fills every parameter with its starting value: a function of the seed and its name. */
export function initialize(network: Module, seed: number): void {
  for (const [name, { initializer, initial }] of network.namedState()) {
    if ("value" in initializer) continue;
    const draw = draws(seed, streamId(`initial ${name}`));
    for (let i = 0; i < initial.length; i++) {
      initial[i] = "bound" in initializer
        ? (2 * uniform(draw(i)) - 1) * initializer.bound
        : normal(draw(2 * i), draw(2 * i + 1)) * initializer.deviation;
    }
  }
}

/** Puts the network back to its starting values. */
export function resetState(network: Module, runtime: Runtime): void {
  for (const [, parameter] of network.namedState()) runtime.write(parameter, parameter.initial);
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
 * Checks that a state dict fits the network.
 * @param where what the tensors come from, for messages
 * @throws UserError (weights) that lists missing, unexpected and mis-shaped keys
 */
export function checkStateDict(network: Module, state: StateDict, where: string): void {
  fitted(network, state, where);
}

/** Writes a state dict into the network. Throws what `checkStateDict` does. */
export function loadStateDict(
  network: Module,
  state: StateDict,
  runtime: Runtime,
  where: string,
): void {
  const own = fitted(network, state, where);
  for (const [name, parameter] of network.namedState()) {
    const tensor = own.get(name);
    if (tensor) runtime.write(parameter, inside(parameter, tensor));
  }
}

/**
 * The state dict under the network's own keys.
 * @param fit under which prefix (default the one that fits best)
 * @throws what `checkStateDict` does
 */
export function fitted(
  network: Module,
  state: StateDict,
  where: string,
  fit: Fit = bestFits(network, [{ shapes: shapesOf(state) }])[0].fit,
): StateDict {
  const own = new Map(network.namedState());
  const given = renamed(network, withoutPrefix(network, state, fit));
  const problems = mismatches(own, given);
  if (problems.length > 0) {
    throw new UserError(
      `${where} does not fit this model:\n  ${problems.join("\n  ")}`,
      ExitCode.weights,
      "check --model, and that the number of classes and channels are those it was trained with",
    );
  }
  checkFinite(given, where);
  return given;
}

/** For every tensor that holds NaN or infinities which, and where the first one is. */
export function notFinite(state: StateDict): string[] {
  return [...state].flatMap(([name, { data }]) => {
    if (!(data instanceof Float32Array || data instanceof Float64Array)) return [];
    const at = data.findIndex((value) => !Number.isFinite(value));
    return at < 0 ? [] : [`${name} holds ${data[at]} at element ${at} of ${data.length}`];
  });
}

/** @throws UserError (weights) that names the tensors which hold NaN or infinities */
function checkFinite(state: StateDict, where: string): void {
  const wrong = notFinite(state);
  if (wrong.length === 0) return;
  throw new UserError(
    `${where} holds weights that are no numbers:\n  ${firstOf(wrong, (text) => text).join("\n  ")}`,
    ExitCode.weights,
    "the training that they come from diverged; take weights from before it did",
  );
}

/** The state dict under the names that the network knows its keys by. */
function renamed(network: Module, state: StateDict): StateDict {
  const entries = [...state].map(([key, tensor]) => [network.stateKey(key), tensor] as const);
  return new Map(entries.filter((entry): entry is [string, HostTensor] => entry[0] !== undefined));
}

/** Problems of a kind that are shown. */
const SHOWN = 8;

/** What keeps a state dict from fitting: missing, unexpected and mis-shaped keys, a line each. */
function mismatches(own: ReadonlyMap<string, Parameter>, state: StateDict): string[] {
  const shapeOf = (name: string) => stateShape(own.get(name)!);
  // Files from before PyTorch 0.4 have no counters, and nothing is lost with them.
  const missing = [...own.keys()]
    .filter((name) => !state.has(name) && !name.endsWith("num_batches_tracked"));
  const unexpected = [...state.keys()].filter((name) => !own.has(name));
  const misshapen = [...state.keys()]
    .filter((name) => own.has(name) && !sameShape(state.get(name)!.shape, shapeOf(name)));
  return [
    ...firstOf(missing, (name) => {
      const near = nearest(name, unexpected);
      const instead = near && `; the file has ${near} ${showShape(state.get(near)!.shape)}`;
      return `missing ${name} ${showShape(shapeOf(name))}${instead ?? ""}`;
    }),
    ...firstOf(unexpected, (name) => {
      const near = didYouMean(name, missing.length > 0 ? missing : own.keys());
      return `unexpected ${name} ${showShape(state.get(name)!.shape)}${near}`;
    }),
    ...firstOf(misshapen, (name) => {
      const [has, wants] = [state.get(name)!.shape, shapeOf(name)].map(showShape);
      return `${name} is ${has}, the model wants ${wants}`;
    }),
  ];
}

/** The first problems of a kind, and how many more there are. */
function firstOf(names: readonly string[], describe: (name: string) => string): string[] {
  const shown = names.slice(0, SHOWN).map(describe);
  const rest = names.length - shown.length;
  return rest > 0 ? [...shown, `... and ${rest} more like these`] : shown;
}

/** A parameter's value (or gradient) as read from the device, in PyTorch's layout and type. */
export function outside(parameter: Parameter, value: HostArray): HostTensor {
  const shape = [...stateShape(parameter)];
  if (value instanceof Uint32Array) {
    return { dtype: "I64", shape, data: BigInt64Array.from(value, BigInt) };
  }
  const data = parameter.layout === "same" ? value : turned(parameter.shape, value, "outside");
  return { dtype: "F32", shape, data };
}

/** A state-dict tensor as the device wants it. */
export function inside(parameter: Parameter, { data }: HostTensor): HostArray {
  if (parameter.dtype === "u32") return Uint32Array.from(data, Number);
  const value = floats(data);
  return parameter.layout === "same" ? value : turned(parameter.shape, value, "inside");
}

function floats(data: HostTensor["data"]): Float32Array<ArrayBuffer> {
  if (data instanceof BigInt64Array) return Float32Array.from(data, Number);
  return data instanceof Float32Array ? data : new Float32Array(data);
}

/**
 * A convolution weight turned from the engine's layout [R, S, C, K] to PyTorch's [K, C, R, S], or
 * from the outside in.
 */
function turned(
  [r, s, c, k]: Shape,
  value: Float32Array,
  to: "inside" | "outside",
): Float32Array<ArrayBuffer> {
  const result = new Float32Array(value.length);
  const [taps, step] = [r * s, c * k];
  for (let filter = 0, torch = 0; filter < k; filter++) {
    for (let channel = 0; channel < c; channel++) {
      let engine = channel * k + filter;
      for (let tap = 0; tap < taps; tap++, torch++, engine += step) {
        if (to === "inside") result[engine] = value[torch];
        else result[torch] = value[engine];
      }
    }
  }
  return result;
}
