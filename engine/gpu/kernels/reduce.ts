/**
 * Sums and maxima over the middle of [outer, length, inner]: by threads of their own
 * (shaders/reduce/reduce.wgsl) or, on GPUs where results are few, by workgroups (tree.wgsl).
 */

import reduceShader from "../../../shaders/reduce/reduce.wgsl" with { type: "text" };
import treeShader from "../../../shaders/reduce/tree.wgsl" with { type: "text" };
import {
  elementOf,
  type Kernel,
  type Operand,
  outputCount,
  type Scalar,
  type SplitKernel,
  written,
} from "../kernel.ts";
import { type Chain, chainBytes, chainText, letLine, types } from "./chain.ts";
import { streamThreads, type Target } from "./target.ts";
import { product } from "./extents.ts";

export type Combine = "sum" | "max";
/** What is combined is the middle of these three extents. */
export type Middle = readonly [outer: number, length: number, inner: number];

/** What two elements combine to, what the lanes of one do, and where both begin. */
const COMBINE = {
  sum: {
    identity: { f32: "F(0.0)", u32: "U(0u)" },
    declarations: "",
    vector: (a: string, b: string) => `${a} + ${b}`,
    fold: (head: string) => `${head} { return a.x + a.y + a.z + a.w; }`,
  },
  max: {
    // WGSL has no literal for -infinity, and no constant may become one: a variable may.
    identity: { f32: "F(bitcast<f32>(lowest))", u32: "U(0u)" },
    declarations: "var<private> lowest: u32 = 0xff800000u;",
    // Of numbers one is the other's bound; where neither is, one is a NaN, and so is their sum.
    vector: (a: string, b: string) =>
      `select(max(${a}, ${b}), ${a} + ${b}, !((${a} <= ${b}) | (${b} <= ${a})))`,
    fold: (head: string) =>
      `${head} { return combine(combine(a, a.zwxy), combine(a, a.zwxy).yxwz).x; }`,
  },
};

/** How many sums a kernel has side by side: workgroup memory holds them for every thread. */
export const MAX_SUMS = 2;

/** The slot `combine`: `count` elements as one E, and how E's are combined. */
function combineText(combine: Combine, scalar: Scalar, count: number): string {
  const { identity, declarations, vector } = COMBINE[combine];
  const type = scalar === "f32" ? "F" : "U";
  const parts = Array.from({ length: count }, (_, k) => `s${k}`);
  /** A function that gives an E, from an expression for each part. */
  const made = (head: string, part: (of: (e: string) => string) => string) =>
    count === 1
      ? `fn ${head} -> E { return ${part((e) => e)}; }`
      : `fn ${head} -> E { return E(${parts.map((s) => part((e) => `${e}.${s}`)).join(", ")}); }`;
  return [
    count === 1
      ? `alias E = ${type};`
      : `struct E { ${parts.map((s) => `${s}: ${type}`).join(", ")} }`,
    ...(scalar === "f32" && declarations ? [declarations] : []),
    made("identity()", () => identity[scalar]),
    made("combine(a: E, b: E)", (of) => vector(of("a"), of("b"))),
    made("choose(a: E, b: E, second: bool)", (of) => `select(${of("a")}, ${of("b")}, second)`),
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

/** What a kernel makes of its sums as it stores them. */
export interface Tail {
  /** Its first leaves are the sums. */
  readonly chain: Chain;
  /** For each result the leaf that it overwrites. */
  readonly inPlace: readonly (number | undefined)[];
}

/** The slot `result` of sums that are stored as they are, each in a buffer of its own. */
function resultText(combine: Combine, outputs: readonly Operand[], scalar: Scalar, fold: boolean) {
  const type = scalar === "f32" ? "F" : "U";
  const sums = sumNames(outputs.length);
  return [
    ...(fold ? [COMBINE[combine].fold(`fn fold(a: ${type}) -> ${outputs[0].element}`)] : []),
    "fn store(i: u32, sum: E) {",
    ...outputs.map(({ name }, k) => `  ${name}[i] = ${fold ? `fold(${sums[k]})` : sums[k]};`),
    "}",
  ].join("\n");
}

const sumNames = (count: number) =>
  count === 1 ? ["sum"] : Array.from({ length: count }, (_, k) => `sum.s${k}`);

/**
 * The kernel, the last one of a reduction, with a tail in the place of its results; undefined where
 * it takes none or not this one.
 * Operands: the kernel's inputs, the tail's leaves but for the sums and what it overwrites, its results.
 */
export function withTail(
  kernel: Kernel,
  { chain, inPlace }: Tail,
  target: Target,
): Kernel | undefined {
  const count = outputCount(kernel);
  const inputs = kernel.operands.slice(0, -count);
  const computed = new Map(sumNames(count).map((name, k) => [k, name]));
  const { element } = kernel.operands.at(-1)!;
  const along = element.startsWith("vec4") ? undefined : 1;
  const layout = { row: 0, along, inPlace, computed, prefix: "t" };
  const plain = { ...target, chainTextures: false };
  const { width, operands, steady, lines, results } = chainText(chain, layout, plain);
  if (!kernel.takesTail || elementOf(chain.dtype, width) !== element) return undefined;
  const store = [
    "fn store(i: u32, sum: E) {",
    ...[...steady.map(letLine), ...lines].map((line) => `  ${line}`),
    ...results.map((result, k) => `  y${k}[i] = ${result};`),
    "}",
  ];
  const size = product(chain.shape);
  return {
    ...kernel,
    label: `${kernel.label}, ${chain.label}`,
    operands: [...inputs, ...operands, ...results.map((_, k) => written(`y${k}`, element))],
    slots: { ...kernel.slots, result: store.join("\n") },
    takesTail: false,
    flops: kernel.flops + chain.values.length * size,
    bytes: kernel.bytes + chainBytes(chain) + 4 * (results.length - 2 * count) * size,
  };
}

/**
 * Combines each result of a chain over the middle of `extents`, under which its elements are seen in
 * row-major order. Operands: the leaves in order, then the parts [splits, outer, inner] of each
 * result, which are the result if `splits` is 1.
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
  const count = chain.results.length;
  const fold = alongLength && width === 4;
  const element = elementOf(chain.dtype, fold ? 1 : width);
  const outputs = chain.results.map((_, k) => written(count === 1 ? "y" : `y${k}`, element));
  const size = product(chain.shape);
  const parts = splits * outer * inner;
  const kernel: Kernel = {
    label: chain.label,
    shader,
    operands: [...operands, ...outputs],
    slots: {
      types: types(width),
      combine: combineText(combine, chain.dtype, count),
      result: resultText(combine, outputs, chain.dtype, fold),
      steady: steady.map(letLine).join("\n"),
      chain: [
        ...lines,
        count === 1
          ? `let value = ${chain.results[0]};`
          : `let value = E(${chain.results.join(", ")});`,
      ].join("\n"),
    },
    constants: {
      OUTER: middle[0],
      LENGTH: middle[1],
      INNER: middle[2],
      SPLITS: splits,
      ...constants,
    },
    workgroups,
    takesTail: !fold,
    flops: (chain.values.length + count) * size,
    bytes: chainBytes(chain) + 4 * count * parts,
  };
  return { kernel, splits };
}

/**
 * Combines the middle of `count` buffers side by side in a single pass.
 * Operands: the buffers, then the results.
 */
export function partsKernel(
  combine: Combine,
  shape: Middle,
  dtype: Scalar,
  target: Target,
  count = 1,
): Kernel {
  const names = Array.from({ length: count }, (_, k) => `x${k}`);
  const chain: Chain = {
    label: `${combine} [${shape.join(", ")}]`,
    shape,
    leaves: names.map(() => ({ shape, dtype })),
    values: [],
    results: names,
    dtype,
  };
  const plain = { ...target, chainTextures: false };
  return chainReduceKernel(chain, shape, combine, plain, false).kernel;
}
