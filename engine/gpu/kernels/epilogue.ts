/**
 * A chain of pointwise operations at the end of a kernel that computes one of its operands: the
 * bias and the ReLU behind a convolution, or the gate before the gradient that a convolution passes
 * on. What the kernel would store and the chain load again stays in registers.
 *
 * A shader that can take one stores every vec4 of its result by `store(pixel, column, value)`, where
 * the column is what `load_column(vector)` has loaded once for all pixels of a thread. Both stand in
 * its region `result`, with the binding of the result, the last one.
 */

import { type Kernel, replaceRegion } from "../kernel.ts";
import { bindBuffers, type Chain, chainText, texturesFor } from "./chain.ts";
import { chainBytes, product } from "./cost.ts";
import type { Target } from "./target.ts";

/** Storage buffers that WebGPU promises to a shader stage. */
const MAX_BINDINGS = 8;

/**
 * The kernel with a chain at its end, or undefined where it takes none or not this one.
 * Buffers: the kernel's inputs, the chain's other leaves in order, the chain's result.
 * @param inputs how many inputs the kernel has
 * @param own the leaf that the kernel computes, of the chain's full shape
 */
export function withEpilogue(
  kernel: Kernel,
  inputs: number,
  chain: Chain,
  own: number,
  target: Target,
): Kernel | undefined {
  if (!kernel.takesEpilogue || inputs + chain.leaves.length > MAX_BINDINGS) return undefined;
  const channels = chain.shape.at(-1)!;
  const read = kernel.textures ?? [];
  const text = chainText(chain, {
    row: channels,
    textures: texturesFor(target) - read.length,
    computed: own,
  });
  if (text.width !== 4) return undefined;
  const result = "var<storage, read_write> result: array<vec4<f32>>;";
  const region = [
    text.types,
    bindBuffers([...text.buffers, result], inputs),
    "struct Column {",
    "  vector: u32,",
    ...text.steady.map(({ name }) => `  ${name}: F,`),
    "}",
    "fn load_column(n: u32) -> Column {",
    `  return Column(${["n", ...text.steady.map(({ value }) => value)].join(", ")});`,
    "}",
    "fn store(pixel: u32, column: Column, value: vec4<f32>) {",
    `  let i = pixel * ${channels / 4}u + column.vector;`,
    ...text.steady.map(({ name }) => `  let ${name} = column.${name};`),
    ...text.lines.map((line) => `  ${line}`),
    `  result[i] = ${chain.results[0]};`,
    "}",
  ];
  const size = product(chain.shape);
  const textures = text.textures.map((input) => ({ ...input, binding: inputs + input.binding }));
  return {
    ...kernel,
    label: `${kernel.label}, ${chain.label}`,
    source: replaceRegion(kernel.source, "result", region.join("\n")),
    textures: [...read, ...textures],
    flops: kernel.flops + chain.values.length * size,
    bytes: kernel.bytes + chainBytes(chain) - 4 * size,
  };
}
