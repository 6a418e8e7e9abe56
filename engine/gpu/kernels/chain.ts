/**
 * The part of a kernel that is made when a graph is planned: a chain of pointwise operations over
 * one iteration space, with operands read from memory wherever broadcasting says they lie.
 */

export type ElementType = "f32" | "u32";

/** An operand in memory; its shape is right-aligned with the iteration space and may have ones. */
export interface Leaf {
  readonly shape: readonly number[];
  readonly dtype: ElementType;
}

/** Operations in order, over the elements of `shape`. */
export interface Chain {
  readonly label: string;
  readonly shape: readonly number[];
  readonly leaves: readonly Leaf[];
  /** One WGSL expression for each value, in terms of `x0`, `x1` ... (leaves) and `v0`, `v1` ... */
  readonly values: readonly string[];
  /** The name of the value that the chain is for. */
  readonly result: string;
  readonly dtype: ElementType;
}

/** How a chain is laid out in WGSL: the vector width, and the loads of its operands. */
export interface ChainText {
  /** Floats in one element: 4 or 1. */
  readonly width: 1 | 4;
  readonly types: string;
  /** Declarations of the operands' buffers, in binding order. */
  readonly buffers: string[];
  /** `let` lines that load the operands at iteration index `i` and compute every value. */
  readonly lines: string[];
}

/**
 * @param extent what vectors run along must be whole in vectors, beside the chain's own last axis
 * @param inPlace the leaf that is the output's own buffer, read as `y[i]`
 */
export function chainText(chain: Chain, extent?: number, inPlace?: number): ChainText {
  const shape = chain.shape;
  const aligned = chain.leaves.map((leaf) => [
    ...new Array<number>(shape.length - leaf.shape.length).fill(1),
    ...leaf.shape,
  ]);
  const axes = mergeAxes(shape, aligned);
  const last = axes.at(-1)?.extent ?? 1;
  const width = last % 4 === 0 && (extent ?? last) % 4 === 0 ? 4 : 1;
  const loads = chain.leaves.map((leaf, k) => {
    const vector = width === 4 && axes.at(-1)!.strides[k] !== 0;
    const element = vector ? `vec4<${leaf.dtype}>` : leaf.dtype;
    const type = leaf.dtype === "f32" ? "F" : "U";
    const index = elementIndex(axes, k, width, vector);
    const load = k === inPlace ? "y[i]" : `x${k}_buffer[${index}]`;
    return { element, line: `let x${k} = ${vector || width === 1 ? load : `${type}(${load})`};` };
  });
  const vectorOf = (type: string) => (width === 4 ? `vec4<${type}>` : type);
  return {
    width,
    types: `alias F = ${vectorOf("f32")};\nalias U = ${vectorOf("u32")};`,
    buffers: loads.flatMap(({ element }, k) =>
      k === inPlace ? [] : [`var<storage, read> x${k}_buffer: array<${element}>;`]
    ),
    lines: [
      ...loads.map(({ line }) => line),
      ...chain.values.map((value, k) => `let v${k} = ${value};`),
    ],
  };
}

/** Puts group and binding before buffer declarations. */
export function bindBuffers(declarations: readonly string[]): string {
  return declarations.map((text, k) => `@group(0) @binding(${k}) ${text}`).join("\n");
}

interface Axis {
  extent: number;
  /** For each leaf its stride along this axis, 0 where it is repeated. */
  strides: number[];
}

/** The iteration space with neighbouring axes joined wherever every operand treats them alike. */
function mergeAxes(
  shape: readonly number[],
  leaves: readonly (readonly number[])[],
): Axis[] {
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
