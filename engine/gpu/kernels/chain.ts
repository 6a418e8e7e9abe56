/**
 * The part of a kernel that is made when a graph is planned: a chain of pointwise operations over
 * one iteration space, with operands read from memory wherever broadcasting says they lie.
 */

import { elementOf, type Operand, read, type Scalar } from "../kernel.ts";
import { product } from "./extents.ts";
import { storageOf, type Target } from "./target.ts";

/** An operand in memory; its shape is right-aligned with the iteration space and may have ones. */
export interface Leaf {
  readonly shape: readonly number[];
  readonly dtype: Scalar;
}

/** Operations in order, over the elements of `shape`. */
export interface Chain {
  readonly label: string;
  readonly shape: readonly number[];
  readonly leaves: readonly Leaf[];
  /** One WGSL expression for each value, in terms of `x0`, `x1` ... (leaves) and `v0`, `v1` ... */
  readonly values: readonly string[];
  /** The names of the values that the chain is for. */
  readonly results: readonly string[];
  readonly dtype: Scalar;
}

/** How a chain is laid out in WGSL: the vector width, and the loads of its operands. */
export interface ChainText {
  /** Floats in one element: 4 or 1. */
  readonly width: 1 | 4;
  /** What the chain reads from memory, in binding order. */
  readonly operands: readonly Operand[];
  /** The loads of operands that depend on the column `n` alone. */
  readonly steady: readonly { readonly name: string; readonly value: string }[];
  /** `let` lines that load the other operands at element `i` and compute every value. */
  readonly lines: string[];
  /** What the chain is for, in terms of these lines. */
  readonly results: readonly string[];
}

export interface ChainLayout {
  /**
   * Floats in a row of the iteration space. An operand that repeats from row to row is loaded at
   * the column `n`, so that a thread which works down a column loads it once.
   */
  readonly row: number;
  /** What vectors run along must be whole in vectors, beside the chain's own last axis. */
  readonly along?: number;
  /** For each result the leaf whose buffer it overwrites, read as `y0[i]`, `y1[i]`, ... */
  readonly inPlace?: readonly (number | undefined)[];
  /** Leaves that the kernel has computed, and what they are called there. */
  readonly computed?: ReadonlyMap<number, string>;
  /** What the names of operands begin with; "x" if absent. */
  readonly prefix?: string;
  /** How many operands the kernel binds as textures already. */
  readonly textures?: number;
}

/** Storage textures that WebGPU promises to each shader stage. */
const MAX_TEXTURES = 4;

/** The types that a chain's expressions are written in: one number each, or four. */
export function types(width: 1 | 4): string {
  return `alias F = ${elementOf("f32", width)};\nalias U = ${elementOf("u32", width)};`;
}

export function chainText(chain: Chain, layout: ChainLayout, target: Target): ChainText {
  const axes = mergedAxes(chain);
  const last = axes.at(-1)?.extent ?? 1;
  const width = last % 4 === 0 && (layout.along ?? last) % 4 === 0 ? 4 : 1;
  const overwritten = layout.inPlace ?? [];
  let free = MAX_TEXTURES - (layout.textures ?? 0);
  const { computed, prefix = "x" } = layout;
  const loads = chain.leaves.map((leaf, k) => {
    const name = `${prefix}${k}`;
    const own = overwritten.indexOf(k);
    const known = computed?.get(k);
    if (known) return { name, steady: false, value: known };
    if (own >= 0) return { name, steady: false, value: `y${own}[i]` };
    const vector = width === 4 && axes.at(-1)!.strides[k] !== 0;
    const steady = repeatsByRow(axes, k, layout.row);
    const index = steady
      ? (axes.at(-1)?.strides[k] ? "n" : "0u")
      : elementIndex(axes, k, width, vector);
    const element = elementOf(leaf.dtype, vector ? 4 : 1);
    const length = product(leaf.shape) / (vector ? 4 : 1);
    const storage = steady || free === 0 ? "buffer" : storageOf(element, length, "one", target);
    if (storage === "texture") free--;
    const load = `load_${name}(${index})`;
    const value = vector || width === 1 ? load : `${leaf.dtype === "f32" ? "F" : "U"}(${load})`;
    return { name, steady, value, operand: read(name, element, storage) };
  });
  return {
    width,
    operands: loads.flatMap(({ operand }) => operand ?? []),
    steady: loads.filter(({ steady }) => steady),
    lines: [
      ...loads.filter(({ steady }) => !steady).map(letLine),
      ...chain.values.map((value, k) => `let v${k} = ${renamed(value, prefix)};`),
    ],
    results: chain.results.map((result) => renamed(result, prefix)),
  };
}

const renamed = (text: string, prefix: string) => text.replace(/\bx(\d+)\b/g, `${prefix}$1`);

/** Bytes of a chain's operands, each counted once. */
export function chainBytes(chain: Chain): number {
  return chain.leaves.reduce((sum, leaf) => sum + 4 * product(leaf.shape), 0);
}

/** The declaration of a loaded operand. */
export function letLine({ name, value }: { name: string; value: string }): string {
  return `let ${name} = ${value};`;
}

/** The extent of the chain's last axis after joining axes: the longest row that operands share. */
export function rowOf(chain: Chain): number {
  return mergedAxes(chain).at(-1)?.extent ?? 1;
}

/** Whether leaf `k` is the same in every row of `row` floats. */
function repeatsByRow(axes: readonly Axis[], k: number, row: number): boolean {
  if (axes.slice(0, -1).some(({ strides }) => strides[k] !== 0)) return false;
  const last = axes.at(-1);
  return !last || last.strides[k] === 0 || (axes.length > 1 && last.extent === row);
}

interface Axis {
  extent: number;
  /** For each leaf its stride along this axis, 0 where it is repeated. */
  strides: number[];
}

/** The iteration space with neighbouring axes joined wherever every operand treats them alike. */
function mergedAxes({ shape, leaves: operands }: Chain): Axis[] {
  const leaves = operands.map((leaf) => [
    ...new Array<number>(shape.length - leaf.shape.length).fill(1),
    ...leaf.shape,
  ]);
  const strides = leaves.map((leaf) => {
    let stride = 1;
    return leaf.map((_, back) => {
      const extent = leaf[leaf.length - 1 - back];
      const own = extent === 1 ? 0 : stride;
      stride *= extent;
      return own;
    }).reverse();
  });
  const merged: Axis[] = [];
  for (const [d, extent] of shape.entries()) {
    if (extent === 1) continue;
    const axis: Axis = { extent, strides: strides.map((s) => s[d]) };
    const last = merged.at(-1);
    const joins = last &&
      axis.strides.every((
        s,
        k,
      ) => (s === 0 ? last.strides[k] === 0 : last.strides[k] === s * extent));
    if (joins) merged[merged.length - 1] = { extent: last.extent * extent, strides: axis.strides };
    else merged.push(axis);
  }
  return merged;
}

/** Where leaf `k` lies for iteration index `i`, which counts elements of `width` floats. */
function elementIndex(axes: readonly Axis[], k: number, width: number, vector: boolean): string {
  const terms: string[] = [];
  let below = 1; // iteration elements in one step of this axis
  for (let d = axes.length - 1; d >= 0; d--) {
    const last = d === axes.length - 1;
    const extent = last ? axes[d].extent / width : axes[d].extent;
    const stride = last || !vector ? axes[d].strides[k] : axes[d].strides[k] / width;
    if (stride !== 0) {
      const shifted = below === 1 ? "i" : `i / ${below}u`;
      const position = d === 0 ? shifted : `${shifted} % ${extent}u`;
      terms.unshift(stride === 1 ? position : `(${position}) * ${stride}u`);
    }
    below *= extent;
  }
  return terms.join(" + ") || "0u";
}
