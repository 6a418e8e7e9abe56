/** Random numbers, a function of a key and of where they are drawn; see shaders/random/uniform.wgsl. */

import uniformShader from "../../../shaders/random/uniform.wgsl" with { type: "text" };
import { type Kernel, read, written } from "../kernel.ts";

/**
 * Operands: key (seed, step and, where `row` is given, rows before), y.
 * @param row numbers in a row
 */
export function uniformKernel(count: number, stream: number, row?: number): Kernel {
  return {
    label: `uniform [${count}], stream ${stream}`,
    shader: uniformShader,
    operands: [read("key", "u32"), written("y", "f32")],
    slots: row === undefined ? {} : { before: `let before = load_key(2u) * ${row}u;` },
    constants: { COUNT: count, STREAM: stream },
    workgroups: Math.ceil(count / 64),
    flops: 0,
    bytes: 4 * count,
  };
}
