/**
 * Which tensors of somebody's file are a network's: wrappers and trainers put parts before and into
 * names (`module.`, `_orig_mod.`, `model.`), and keep averages and other networks beside.
 */

import type { HostTensor, TensorDict } from "../io/host_tensor.ts";
import { sameShape, type Shape } from "../tensor/shape.ts";
import type { Module, Parameter } from "./module.ts";

/** The tensor's shape in a state dict. */
export function stateShape(parameter: Parameter): Shape {
  if (parameter.layout === "same") return parameter.shape;
  const [r, s, c, k] = parameter.shape;
  return [k, c, r, s];
}

/** The shapes of tensors by their names. */
export const shapesOf = (state: ReadonlyMap<string, HostTensor>): Map<string, Shape> =>
  new Map([...state].map(([key, { shape }]) => [key, shape]));

/** How well the tensors of a dict fit a network under a prefix, by their names and shapes. */
export interface Fit {
  /** What the names begin with there and not here: `module.` of a parallel wrapper, `model.`. */
  readonly prefix: string;
  /** What wrappers put into names anywhere, and is left out: "_orig_mod". */
  readonly unwrapped: readonly string[];
  /** Tensors of the network that are there, and those of them whose shape is right. */
  readonly named: number;
  readonly shaped: number;
  /** Whether under the prefix there are all of the network's, and no others. */
  readonly complete: boolean;
}

/** A dict of tensors and a prefix in it. */
export interface Candidate<D> {
  readonly dict: D;
  readonly fit: Fit;
}

/** The dicts and prefixes that fit a network best: all that fit as well as the first. */
export function bestFits<D extends Pick<TensorDict, "shapes">>(
  network: Module,
  dicts: readonly D[],
): Candidate<D>[] {
  const all = allFits(network, dicts);
  const { fit: best } = all.reduce((a, b) => isBetter(b.fit, a.fit) ? b : a);
  return all.filter(({ fit }) => !isBetter(best, fit));
}

/** Every dict with every prefix under which there are tensors of a network; each with one at least. */
export function allFits<D extends Pick<TensorDict, "shapes">>(
  network: Module,
  dicts: readonly D[],
): Candidate<D>[] {
  return dicts.flatMap((dict) => fitsOf(network, dict.shapes).map((fit) => ({ dict, fit })));
}

function fitsOf(network: Module, shapes: ReadonlyMap<string, Shape>): Fit[] {
  const own = new Map(network.namedState());
  const asTheyAre = prefixes(network, own, shapes, []);
  const wrapping = wrappersIn(shapes, own);
  const without = wrapping.length > 0 ? unwrapped(shapes) : undefined;
  if (asTheyAre.some(({ complete }) => complete) || !without) return asTheyAre;
  const stripped = prefixes(network, own, without, wrapping);
  const best = (fits: readonly Fit[]) => fits.reduce((a, b) => isBetter(b, a) ? b : a);
  return isBetter(best(stripped), best(asTheyAre)) ? stripped : asTheyAre;
}

function prefixes(
  network: Module,
  own: ReadonlyMap<string, Parameter>,
  shapes: ReadonlyMap<string, Shape>,
  unwrapped: readonly string[],
): Fit[] {
  const found = new Map<string, { named: number; shaped: number }>();
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
  if (found.size === 0) found.set("", { named: 0, shaped: 0 });
  const needed = own.size;
  return [...found].map(([prefix, fit]) => {
    const given = [...shapes.keys()].filter((key) => key.startsWith(prefix)).length;
    return { prefix, unwrapped, ...fit, complete: fit.named === needed && given === needed };
  });
}

const isBetter = (a: Fit, b: Fit): boolean =>
  a.shaped > b.shaped || (a.shaped === b.shaped && a.named > b.named);

/** What wrappers of modules put into names, anywhere in them. */
const WRAPPING = ["module", "_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"];

/** Those in a dict's names; none where the network's own names are such. */
function wrappersIn(
  shapes: ReadonlyMap<string, unknown>,
  own: ReadonlyMap<string, unknown>,
): readonly string[] {
  const partsOf = (names: Iterable<string>) => new Set([...names].flatMap((n) => n.split(".")));
  const [there, here] = [shapes, own].map((map) => partsOf(map.keys()));
  if (WRAPPING.some((part) => here.has(part))) return [];
  return WRAPPING.filter((part) => there.has(part));
}

/** Entries under names without what wrappers put there; undefined where two became the same. */
function unwrapped<T>(entries: ReadonlyMap<string, T>): Map<string, T> | undefined {
  const map = new Map(
    [...entries].map(([name, value]) => [
      name.split(".").filter((part) => !WRAPPING.includes(part)).join("."),
      value,
    ]),
  );
  return map.size === entries.size ? map : undefined;
}

/**
 * The tensors under a prefix. What has another name is somebody else's (a loss's weights, an
 * average's counter), but for what the network lacks otherwise.
 */
export function withoutPrefix(
  network: Module,
  state: ReadonlyMap<string, HostTensor>,
  { prefix, unwrapped: parts }: Fit,
): Map<string, HostTensor> {
  const entries = parts.length > 0 ? unwrapped(state)! : state;
  if (prefix === "") return new Map(entries);
  const own = new Map(network.namedState());
  const all = [...entries];
  const inside = new Map(
    all.filter(([key]) => key.startsWith(prefix)).map(([key, t]) => [key.slice(prefix.length), t]),
  );
  const filling = all.filter(([key]) => !inside.has(key) && own.has(network.stateKey(key) ?? ""));
  return new Map([...inside, ...filling]);
}

/** What of a dict a fit has no use for, by its names there. */
export function leftOut({ shapes }: Pick<TensorDict, "shapes">, { prefix, unwrapped }: Fit) {
  const name = (key: string) =>
    key.split(".").filter((part) => !unwrapped.includes(part)).join(".");
  return [...shapes.keys()].filter((key) => !name(key).startsWith(prefix));
}
