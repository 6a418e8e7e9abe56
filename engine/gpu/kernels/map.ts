/** A chain of pointwise operations as one kernel; see shaders/pointwise/map.wgsl. */

import mapSource from "../../../shaders/pointwise/map.wgsl" with { type: "text" };
import { type Kernel, linearWorkgroups, replaceRegion, specialize } from "../kernel.ts";
import { bindBuffers, type Chain, chainText } from "./chain.ts";
import { chainBytes, product } from "./cost.ts";

/**
 * @param inPlace the leaf whose buffer the result overwrites; it must have the chain's full shape.
 * Buffers: the other leaves in order, then y.
 */
export function mapKernel(chain: Chain, inPlace?: number): Kernel {
  const { width, types, buffers, lines } = chainText(chain, undefined, inPlace);
  const size = product(chain.shape);
  const element = width === 4 ? `vec4<${chain.dtype}>` : chain.dtype;
  const output = `var<storage, read_write> y: array<${element}>;`;
  let source = replaceRegion(mapSource, "types", types);
  source = replaceRegion(source, "buffers", bindBuffers([...buffers, output]));
  source = replaceRegion(source, "chain", [...lines, `y[i] = ${chain.result};`].join("\n"));
  return {
    label: chain.label,
    source: specialize(source, { COUNT: size / width }),
    workgroups: linearWorkgroups(Math.ceil(size / width / 64)),
    flops: chain.values.length * size,
    bytes: chainBytes(chain) + 4 * size,
  };
}
