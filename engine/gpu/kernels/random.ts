/** Random numbers, a function of a key and of where they are drawn; see shaders/random/uniform.wgsl. */

import uniformShader from "../../../shaders/random/uniform.wgsl" with { type: "text" };
import { type Kernel, read, written } from "../kernel.ts";

/** Operands: key (seed, step), y. */
export function uniformKernel(count: number, stream: number): Kernel {
  return {
    label: `uniform [${count}], stream ${stream}`,
    shader: uniformShader,
    operands: [read("key", "u32"), written("y", "f32")],
    constants: { COUNT: count, STREAM: stream },
    workgroups: Math.ceil(count / 64),
    flops: 0,
    bytes: 4 * count,
  };
}
