/** Numbers as halves, two to a word, and back; see shaders/half. */

import packShader from "../../../shaders/half/pack.wgsl" with { type: "text" };
import unpackShader from "../../../shaders/half/unpack.wgsl" with { type: "text" };
import { type Kernel, read, written } from "../kernel.ts";

/** How many numbers each of the kernels' threads takes. */
export const HALVES = 8;

/** Operands: x [count], y [count / 2] (u32). @param count a multiple of `HALVES` */
export function packKernel(count: number): Kernel {
  return {
    ...common("pack", packShader, count),
    operands: [read("x", "vec4<f32>"), written("y", "vec4<u32>")],
  };
}

/** Operands: x [count / 2] (u32), y [count]. @param count a multiple of `HALVES` */
export function unpackKernel(count: number): Kernel {
  return {
    ...common("unpack", unpackShader, count),
    operands: [read("x", "vec4<u32>"), written("y", "vec4<f32>")],
  };
}

const common = (name: string, shader: string, count: number) => ({
  ...{ label: `${name} [${count}]`, shader, flops: 0, bytes: 6 * count },
  constants: { COUNT: count / HALVES },
  workgroups: Math.ceil(count / HALVES / 64),
});
