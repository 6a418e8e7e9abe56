/** Sums and maxima over the middle of [outer, length, inner]; see shaders/reduce/reduce.wgsl. */

import reduceSource from "../../../shaders/reduce/reduce.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import { bindBuffers, type Chain, chainText } from "./chain.ts";
import { PLAIN, type Target } from "./target.ts";
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

/** Threads that keep an adapter busy, and the fewest elements worth a thread of their own. */
const BUSY_THREADS = 4096;
const MIN_LENGTH = 32;
const MAX_SPLITS = 256;

/** In how many parts a reduction is done, so that there are threads enough. */
function chooseSplits([outer, length, inner]: Middle): number {
  const wanted = Math.ceil(BUSY_THREADS / (outer * inner));
  return Math.max(1, Math.min(wanted, Math.ceil(length / MIN_LENGTH), MAX_SPLITS));
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
  { textures }: Target,
  splitting = true,
) {
  const alongLength = inner === 1;
  const { width, steady, lines, ...text } = chainText(chain, {
    textures,
    row: inner,
    along: alongLength ? length : inner,
  });
  const middle: Middle = alongLength ? [outer, length / width, 1] : [outer, length, inner / width];
  const splits = splitting ? chooseSplits(middle) : 1;
  const { identity, vector, lanes } = COMBINE[combine];
  const foldLanes = alongLength && width === 4;
  const outElement = width === 4 && !foldLanes ? "vec4f" : "f32";
  const output = `var<storage, read_write> y: array<${outElement}>;`;
  let source = replaceRegion(reduceSource, "types", text.types);
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
  source = replaceRegion(source, "steady", steady.join("\n"));
  source = replaceRegion(source, "chain", [...lines, `let value = ${chain.result};`].join("\n"));
  const size = product(chain.shape);
  const parts = splits * outer * inner;
  const kernel: Kernel = {
    label: chain.label,
    source: specialize(source, {
      OUTER: middle[0],
      LENGTH: middle[1],
      INNER: middle[2],
      SPLITS: splits,
    }),
    textures: text.textures,
    workgroups: linearWorkgroups(Math.ceil(splits * middle[0] * middle[2] / 64)),
    flops: (chain.values.length + 1) * size,
    bytes: chainBytes(chain) + 4 * parts,
  };
  return { kernel, splits };
}

/** Combines the middle of one buffer in a single pass. Buffers: x, y. */
export function reduceKernel(combine: Combine, shape: Middle): Kernel {
  const chain: Chain = {
    label: `${combine} [${shape.join(", ")}]`,
    shape,
    leaves: [{ shape, dtype: "f32" }],
    values: [],
    result: "x0",
    dtype: "f32",
  };
  return chainReduceKernel(chain, shape, combine, PLAIN, false).kernel;
}
