/** A chain of pointwise operations as one kernel; see shaders/pointwise/map.wgsl. */

import mapSource from "../../../shaders/pointwise/map.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import { bindBuffers, type Chain, chainText, letLine, rowOf, texturesFor } from "./chain.ts";
import { streamThreads, type Target } from "./target.ts";
import { chainBytes, product } from "./cost.ts";

/** Most rows that a thread takes: more save little. */
const MAX_ROWS = 64;

/**
 * Buffers: the leaves in order, without those that are overwritten, then the results.
 * @param inPlace for each result the leaf whose buffer it overwrites, of the chain's full shape
 */
export function mapKernel(
  chain: Chain,
  target: Target,
  inPlace: readonly (number | undefined)[] = [],
): Kernel {
  const row = rowOf(chain);
  const { steady, lines, width, ...text } = chainText(chain, {
    row,
    inPlace,
    textures: texturesFor(target),
  });
  const size = product(chain.shape);
  const columns = row / width;
  const rows = size / row;
  // Only where a column has something to load once do several rows a thread pay.
  const rowsPerThread = steady.length === 0
    ? 1
    : Math.max(1, Math.min(MAX_ROWS, Math.floor(size / width / target.threads)));
  const element = width === 4 ? `vec4<${chain.dtype}>` : chain.dtype;
  const outputs = chain.results.map((_, k) => `var<storage, read_write> y${k}: array<${element}>;`);
  const stores = chain.results.map((value, k) => `y${k}[i] = ${value};`);
  let source = replaceRegion(mapSource, "types", text.types);
  source = replaceRegion(source, "buffers", bindBuffers([...text.buffers, ...outputs]));
  source = replaceRegion(source, "steady", steady.map(letLine).join("\n"));
  source = replaceRegion(source, "chain", [...lines, ...stores].join("\n"));
  const workgroup = streamThreads(target);
  const threads = columns * Math.ceil(rows / rowsPerThread);
  return {
    label: chain.label,
    source: specialize(source, {
      ROWS: rows,
      COLUMNS: columns,
      ROWS_PER_THREAD: rowsPerThread,
      WORKGROUP: workgroup,
    }),
    textures: text.textures,
    outputs: outputs.length,
    workgroups: linearWorkgroups(Math.ceil(threads / workgroup)),
    flops: chain.values.length * size,
    bytes: chainBytes(chain) + 4 * outputs.length * size,
  };
}
