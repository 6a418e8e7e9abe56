/** A chain of pointwise operations as one kernel; see shaders/pointwise/map.wgsl. */

import mapShader from "../../../shaders/pointwise/map.wgsl" with { type: "text" };
import { elementOf, type Kernel, written } from "../kernel.ts";
import { type Chain, chainBytes, chainText, letLine, rowOf, types } from "./chain.ts";
import { product } from "./extents.ts";
import { streamThreads, type Target } from "./target.ts";

/** Most rows that a thread takes: more save little. */
const MAX_ROWS = 64;

/**
 * Operands: the leaves in order, without those that are overwritten, then the results.
 * @param inPlace for each result the leaf whose buffer it overwrites, of the chain's full shape
 */
export function mapKernel(
  chain: Chain,
  target: Target,
  inPlace: readonly (number | undefined)[] = [],
): Kernel {
  const row = rowOf(chain);
  const { steady, lines, width, operands } = chainText(chain, { row, inPlace }, target);
  const size = product(chain.shape);
  const columns = row / width;
  const rows = size / row;
  // Only where a column has something to load once do several rows a thread pay.
  const rowsPerThread = steady.length === 0
    ? 1
    : Math.max(1, Math.min(MAX_ROWS, Math.floor(size / width / target.threads)));
  const element = elementOf(chain.dtype, width);
  const outputs = chain.results.map((_, k) => written(`y${k}`, element));
  const stores = chain.results.map((value, k) => `y${k}[i] = ${value};`);
  const workgroup = streamThreads(target);
  const threads = columns * Math.ceil(rows / rowsPerThread);
  return {
    label: chain.label,
    shader: mapShader,
    operands: [...operands, ...outputs],
    slots: {
      types: types(width),
      steady: steady.map(letLine).join("\n"),
      chain: [...lines, ...stores].join("\n"),
    },
    constants: {
      ROWS: rows,
      COLUMNS: columns,
      ROWS_PER_THREAD: rowsPerThread,
      WORKGROUP: workgroup,
    },
    workgroups: Math.ceil(threads / workgroup),
    flops: chain.values.length * size,
    bytes: chainBytes(chain) + 4 * outputs.length * size,
  };
}
