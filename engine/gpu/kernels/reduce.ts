/**
 * Sums and maxima over the middle of [outer, length, inner]: by threads of their own
 * (shaders/reduce/reduce.wgsl) or, on GPUs where results are few, by workgroups (tree.wgsl).
 */

import reduceShader from "../../../shaders/reduce/reduce.wgsl" with { type: "text" };
import treeShader from "../../../shaders/reduce/tree.wgsl" with { type: "text" };
import { elementOf, type Kernel, type Scalar, type SplitKernel, written } from "../kernel.ts";
import { type Chain, chainBytes, chainText, letLine, types } from "./chain.ts";
import { streamThreads, type Target } from "./target.ts";
import { product } from "./extents.ts";

export type Combine = "sum" | "max";
/** What is combined is the middle of these three extents. */
export type Middle = readonly [outer: number, length: number, inner: number];

/** What two elements of type E combine to, what the lanes of one do, and where both begin. */
const COMBINE = {
  sum: {
    identity: { f32: "E(0.0)", u32: "E(0u)" },
    declarations: "",
    vector: "a + b",
    lanes: "a.x + a.y + a.z + a.w",
  },
  max: {
    // WGSL has no literal for -infinity, and no constant may become one: a variable may.
    identity: { f32: "E(bitcast<f32>(lowest))", u32: "E(0u)" },
    declarations: "var<private> lowest: u32 = 0xff800000u;",
    // Of numbers one is the other's bound; where neither is, one is a NaN, and so is their sum.
    vector: "select(max(a, b), a + b, !((a <= b) | (b <= a)))",
    lanes: "combine(combine(a, a.zwxy), combine(a, a.zwxy).yxwz).x",
  },
};

/**
 * The slot `combine`: F or U as E, and how E's are combined.
 * @param fold whether the lanes of an E are combined at the end
 */
function combineText(combine: Combine, scalar: Scalar, result: string, fold: boolean): string {
  const { identity, declarations, vector, lanes } = COMBINE[combine];
  return [
    `alias E = ${scalar === "f32" ? "F" : "U"};`,
    ...(scalar === "f32" && declarations ? [declarations] : []),
    `fn identity() -> E { return ${identity[scalar]}; }`,
    `fn combine(a: E, b: E) -> E { return ${vector}; }`,
    `fn finish(a: E) -> ${result} { return ${fold ? lanes : "a"}; }`,
  ].join("\n");
}

/** How a reduction is laid out: its shader with the constants of the layout. */
interface Layout {
  readonly shader: string;
  readonly splits: number;
  readonly constants: Record<string, number>;
  readonly workgroups: number;
}

/** The fewest elements worth a thread of their own, and the most parts of a reduction. */
const MIN_LENGTH = 32;
const MAX_SPLITS = 256;

/** One thread for each result and part. */
function byThread([outer, length, inner]: Middle, target: Target, splitting: boolean): Layout {
  const wanted = splitting ? Math.ceil(target.threads / (outer * inner)) : 1;
  const splits = Math.max(1, Math.min(wanted, Math.ceil(length / MIN_LENGTH), MAX_SPLITS));
  const workgroup = streamThreads(target);
  const workgroups = Math.ceil(splits * outer * inner / workgroup);
  return { shader: reduceShader, splits, constants: { WORKGROUP: workgroup }, workgroups };
}

/** Threads of a workgroup, the most of them side by side, and sums of each. */
const TREE_THREADS = 256;
const TREE_COLUMNS = 32;
const TREE_UNROLL = 4;
/** Shorter reductions leave too many threads idle. */
const TREE_LENGTH = 16;

/** One workgroup for each part of some neighbouring results, where threads alone are too few. */
function byTree(
  [outer, length, inner]: Middle,
  target: Target,
  splitting: boolean,
): Layout | undefined {
  const few = outer * inner < target.threads / 4;
  if (target.workgroupMemory === 0 || !few || length < TREE_LENGTH) return undefined;
  const columns = Math.min(TREE_COLUMNS, 2 ** Math.ceil(Math.log2(inner)));
  const lanes = TREE_THREADS / columns;
  const tiles = outer * Math.ceil(inner / columns);
  const wanted = splitting ? target.threads / (2 * TREE_THREADS) / tiles : 1;
  const most = Math.floor(length / (lanes * TREE_UNROLL));
  const part = Math.ceil(length / Math.max(1, Math.min(wanted, most)));
  const splits = Math.ceil(length / part);
  const constants = { COLUMNS: columns, LANES: lanes, UNROLL: TREE_UNROLL };
  return { shader: treeShader, splits, constants, workgroups: splits * tiles };
}

/**
 * Combines a chain over the middle of `extents`, under which its elements are seen in row-major
 * order. Operands: the leaves in order, then the parts [splits, outer, inner], which are the result
 * if `splits` is 1.
 */
export function chainReduceKernel(
  chain: Chain,
  [outer, length, inner]: Middle,
  combine: Combine,
  target: Target,
  splitting = true,
): SplitKernel {
  const alongLength = inner === 1;
  const along = { row: inner, along: alongLength ? length : inner };
  const { width, steady, lines, operands } = chainText(chain, along, target);
  const middle: Middle = alongLength ? [outer, length / width, 1] : [outer, length, inner / width];
  const { shader, splits, constants, workgroups } = byTree(middle, target, splitting) ??
    byThread(middle, target, splitting);
  const fold = alongLength && width === 4;
  const result = elementOf(chain.dtype, fold ? 1 : width);
  const size = product(chain.shape);
  const parts = splits * outer * inner;
  const kernel: Kernel = {
    label: chain.label,
    shader,
    operands: [...operands, written("y", result)],
    slots: {
      types: types(width),
      combine: combineText(combine, chain.dtype, result, fold),
      steady: steady.map(letLine).join("\n"),
      chain: [...lines, `let value = ${chain.results[0]};`].join("\n"),
    },
    constants: {
      OUTER: middle[0],
      LENGTH: middle[1],
      INNER: middle[2],
      SPLITS: splits,
      ...constants,
    },
    workgroups,
    flops: (chain.values.length + 1) * size,
    bytes: chainBytes(chain) + 4 * parts,
  };
  return { kernel, splits };
}

/** Combines the middle of one buffer in a single pass. Operands: x, y. */
export function reduceKernel(
  combine: Combine,
  shape: Middle,
  dtype: Scalar,
  target: Target,
): Kernel {
  const chain: Chain = {
    label: `${combine} [${shape.join(", ")}]`,
    shape,
    leaves: [{ shape, dtype }],
    values: [],
    results: ["x0"],
    dtype,
  };
  return chainReduceKernel(chain, shape, combine, { ...target, chainTextures: false }, false)
    .kernel;
}
