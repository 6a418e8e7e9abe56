/**
 * State dicts: a network's tensors by name, in PyTorch's layouts on the outside and the engine's
 * inside. Convolution weights are [K, C/groups, R, S] there and [R, S, C/groups, K] here; counters
 * are int64 there and uint32 here.
 */

import { ExitCode, UserError } from "../errors.ts";
import type { HostTensor, TensorDict } from "../io/host_tensor.ts";
import { didYouMean, nearest } from "../nearest.ts";
import type { Runtime } from "../plan/runtime.ts";
import { draws, normal, streamId, uniform } from "../random.ts";
import { sameShape, type Shape, showShape } from "../tensor/shape.ts";
import type { HostArray } from "../tensor/tensor.ts";
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

/** How well the tensors of a dict fit a network, by their names and shapes. */
export interface Fit {
  /** What the names begin with there and not here: `module.` of a parallel wrapper, `model.`. */
  readonly prefix: string;
  /** Whether wrappers' parts of names are left out wherever they are. */
  readonly unwrapped: boolean;
  /** Tensors of the network that are there, and those of them whose shape is right. */
  readonly named: number;
  readonly shaped: number;
  /** Whether under the prefix there are all of the network's, and no others. */
  readonly complete: boolean;
}

/** The dict of tensors that fits a network best, the first of equals, and its equals. */
export function bestDict<D extends Pick<TensorDict, "shapes">>(
  network: Module,
  dicts: readonly D[],
): { readonly dict: D; readonly asGood: readonly D[] } {
  const fits = dicts.map(({ shapes }) => fitOf(network, shapes));
  const best = fits.reduce((a, b) => isBetter(b, a) ? b : a);
  const [dict, ...asGood] = dicts.filter((_, i) => !isBetter(best, fits[i]));
  return { dict, asGood };
}

/** How well tensors fit a network under the prefix that fits best. */
export function fitOf(network: Module, shapes: ReadonlyMap<string, Shape>): Fit {
  const own = new Map(network.namedState());
  const asTheyAre = bestPrefix(network, own, shapes, false);
  const without = unwrapped(shapes, own);
  if (asTheyAre.complete || !without) return asTheyAre;
  const stripped = bestPrefix(network, own, without, true);
  return isBetter(stripped, asTheyAre) ? stripped : asTheyAre;
}

function bestPrefix(
  network: Module,
  own: ReadonlyMap<string, Parameter>,
  shapes: ReadonlyMap<string, Shape>,
  unwrapped: boolean,
): Fit {
  const found = new Map([["", { named: 0, shaped: 0 }]]);
  for (const [key, shape] of shapes) {
    for (let at = 0; at >= 0; at = key.indexOf(".", at) + 1 || -1) {
      const parameter = own.get(network.stateKey(key.slice(at)) ?? "");
      if (!parameter) continue;
      const fit = found.get(key.slice(0, at)) ?? { named: 0, shaped: 0 };
      fit.named++;
      if (sameShape(shape, stateShape(parameter))) fit.shaped++;
      found.set(key.slice(0, at), fit);
    }
  }
  const needed = own.size;
  const [prefix, fit] = [...found].reduce((a, b) => isBetter(b[1], a[1]) ? b : a);
  const given = [...shapes.keys()].filter((key) => key.startsWith(prefix)).length;
  return { prefix, unwrapped, ...fit, complete: fit.named === needed && given === needed };
}

const isBetter = (a: Pick<Fit, "named" | "shaped">, b: Pick<Fit, "named" | "shaped">): boolean =>
  a.shaped > b.shaped || (a.shaped === b.shaped && a.named > b.named);

/** What wrappers of modules put into names, anywhere in them. */
const WRAPPING = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/**
 * Entries under names without what wrappers put there.
 * @returns undefined where there is nothing of that, or names would become the same
 */
function unwrapped<T>(
  entries: ReadonlyMap<string, T>,
  own: ReadonlyMap<string, unknown>,
): ReadonlyMap<string, T> | undefined {
  const isWrapped = (name: string) => name.split(".").some((part) => WRAPPING.includes(part));
  if ([...own.keys()].some(isWrapped) || ![...entries.keys()].some(isWrapped)) return undefined;
  const stripped = [...entries].map(([name, value]) =>
    [name.split(".").filter((part) => !WRAPPING.includes(part)).join("."), value] as const
  );
  const map = new Map(stripped);
  return map.size === entries.size ? map : undefined;
}

/** The state dict under the network's own keys. */
function fitted(network: Module, state: StateDict, where: string): StateDict {
  const own = new Map(network.namedState());
  const given = renamed(network, withoutPrefix(network, own, state));
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

/**
 * The state dict without the prefix under which it fits best. What has another name is somebody
 * else's (a loss's weights, an average's counter), but for what the network lacks otherwise.
 */
function withoutPrefix(
  network: Module,
  own: ReadonlyMap<string, Parameter>,
  state: StateDict,
): StateDict {
  const shapes = new Map([...state].map(([key, { shape }]) => [key, shape]));
  const { prefix, unwrapped: isUnwrapped } = fitOf(network, shapes);
  const entries = isUnwrapped ? unwrapped(state, own)! : state;
  if (prefix === "") return new Map(entries);
  const all = [...entries];
  const inside = new Map(
    all.filter(([key]) => key.startsWith(prefix)).map(([key, t]) => [key.slice(prefix.length), t]),
  );
  const filling = all.filter(([key]) => !inside.has(key) && own.has(network.stateKey(key) ?? ""));
  return new Map([...inside, ...filling]);
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
