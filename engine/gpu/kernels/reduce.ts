/**
 * Sums and maxima over the middle of [outer, length, inner]: by threads of their own
 * (shaders/reduce/reduce.wgsl) or, on GPUs where results are few, by workgroups (tree.wgsl).
 */

import reduceSource from "../../../shaders/reduce/reduce.wgsl" with { type: "text" };
import treeSource from "../../../shaders/reduce/tree.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import { bindBuffers, type Chain, chainText, letLine, texturesFor } from "./chain.ts";
import { streamThreads, type Target } from "./target.ts";
import { chainBytes, product } from "./cost.ts";

export type Combine = "sum" | "max";
/** What is combined is the middle of these three extents. */
export type Middle = readonly [outer: number, length: number, inner: number];

const COMBINE = {
  sum: { identity: "0.0", vector: "a + b", lanes: "a.x + a.y + a.z + a.w" },
  max: {
    identity: "-3.4028234e38",
    vector: "max(a, b)",
    lanes: "max(max(a.x, a.y), max(a.z, a.w))",
  },
};

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
  return { shader: reduceSource, splits, constants: { WORKGROUP: workgroup }, workgroups };
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
  return { shader: treeSource, splits, constants, workgroups: splits * tiles };
}

/**
 * Combines a chain over the middle of `extents`, under which its elements are seen in row-major
 * order. Buffers: the leaves in order, then the parts [splits, outer, inner], which are the result
 * if `splits` is 1.
 */
export function chainReduceKernel(
  chain: Chain,
  [outer, length, inner]: Middle,
  combine: Combine,
  target: Target,
  splitting = true,
) {
  const alongLength = inner === 1;
  const { width, steady, lines, ...text } = chainText(chain, {
    textures: texturesFor(target),
    row: inner,
    along: alongLength ? length : inner,
  });
  const middle: Middle = alongLength ? [outer, length / width, 1] : [outer, length, inner / width];
  const { shader, splits, constants, workgroups } = byTree(middle, target, splitting) ??
    byThread(middle, target, splitting);
  const { identity, vector, lanes } = COMBINE[combine];
  const foldLanes = alongLength && width === 4;
  const outElement = width === 4 && !foldLanes ? "vec4f" : "f32";
  const output = `var<storage, read_write> y: array<${outElement}>;`;
  let source = replaceRegion(shader, "types", text.types);
  source = replaceRegion(source, "buffers", bindBuffers([...text.buffers, output]));
  source = replaceRegion(
    source,
    "combine",
    [
      `const IDENTITY: f32 = ${identity};`,
      `fn combine(a: F, b: F) -> F { return ${vector}; }`,
      `fn finish(a: F) -> ${outElement} { return ${foldLanes ? lanes : "a"}; }`,
    ].join("\n"),
  );
  source = replaceRegion(source, "steady", steady.map(letLine).join("\n"));
  source = replaceRegion(
    source,
    "chain",
    [...lines, `let value = ${chain.results[0]};`].join("\n"),
  );
  const size = product(chain.shape);
  const parts = splits * outer * inner;
  const kernel: Kernel = {
    label: chain.label,
    source: specialize(source, {
      OUTER: middle[0],
      LENGTH: middle[1],
      INNER: middle[2],
      SPLITS: splits,
      ...constants,
    }),
    textures: text.textures,
    workgroups: linearWorkgroups(workgroups),
    flops: (chain.values.length + 1) * size,
    bytes: chainBytes(chain) + 4 * parts,
  };
  return { kernel, splits };
}

/** Combines the middle of one buffer in a single pass. Buffers: x, y. */
export function reduceKernel(combine: Combine, shape: Middle, target: Target): Kernel {
  const chain: Chain = {
    label: `${combine} [${shape.join(", ")}]`,
    shape,
    leaves: [{ shape, dtype: "f32" }],
    values: [],
    results: ["x0"],
    dtype: "f32",
  };
  return chainReduceKernel(chain, shape, combine, { ...target, chainTextures: false }, false)
    .kernel;
}
