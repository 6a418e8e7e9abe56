/**
 * A chain of pointwise operations at the end of a kernel that computes one of its operands: the
 * bias and the ReLU behind a convolution, or the gate before the gradient that a convolution passes
 * on. What the kernel would store and the chain load again stays in registers.
 *
 * A shader that can take one stores every vec4 of its result by `store(pixel, column, value)`, where
 * the column is what `load_column(vector)` has loaded once for all pixels of a thread. Both stand in
 * its slot `result`; its last operand is the result.
 */

import { type Kernel, textureInputs, written } from "../kernel.ts";
import { type Chain, chainBytes, chainText, types } from "./chain.ts";
import { product } from "./extents.ts";
import type { Target } from "./target.ts";

/**
 * The kernel with a chain at its end, or undefined where it takes none or not this one.
 * Operands: the kernel's inputs, the chain's other leaves in order, the chain's result.
 * @param own the leaf that the kernel computes, of the chain's full shape
 */
export function withEpilogue(
  kernel: Kernel,
  chain: Chain,
  own: number,
  target: Target,
): Kernel | undefined {
  const inputs = kernel.operands.slice(0, -1);
  if (!kernel.takesEpilogue || inputs.length + chain.leaves.length > target.bindings) {
    return undefined;
  }
  const channels = chain.shape.at(-1)!;
  const computed = new Map([[own, "value"]]);
  const layout = { row: channels, textures: textureInputs(kernel).length, computed };
  const { width, operands, steady, lines } = chainText(chain, layout, target);
  if (width !== 4) return undefined;
  const result = [
    types(width),
    "struct Column {",
    "  vector: u32,",
    ...steady.map(({ name }) => `  ${name}: F,`),
    "}",
    "fn load_column(n: u32) -> Column {",
    `  return Column(${["n", ...steady.map(({ value }) => value)].join(", ")});`,
    "}",
    "fn store(pixel: u32, column: Column, value: vec4<f32>) {",
    `  let i = pixel * ${channels / 4}u + column.vector;`,
    ...steady.map(({ name }) => `  let ${name} = column.${name};`),
    ...lines.map((line) => `  ${line}`),
    `  result[i] = ${chain.results[0]};`,
    "}",
  ];
  const size = product(chain.shape);
  return {
    ...kernel,
    label: `${kernel.label}, ${chain.label}`,
    operands: [...inputs, ...operands, written("result", "vec4<f32>")],
    slots: { ...kernel.slots, result: result.join("\n") },
    flops: kernel.flops + chain.values.length * size,
    bytes: kernel.bytes + chainBytes(chain) - 4 * size,
  };
}
