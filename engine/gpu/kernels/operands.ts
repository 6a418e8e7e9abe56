/**
 * The declarations of a kernel's operands for a target: elements of one or four values, read from
 * storage buffers or from textures, behind a function `load_<name>`, so that a shader is written
 * once.
 */

import { TEXTURE_WIDTH, type TextureInput } from "../kernel.ts";
import type { ElementType } from "./chain.ts";
import type { Target } from "./target.ts";

export interface Operand {
  readonly name: string;
  readonly dtype: ElementType;
}

export interface Declarations {
  /** The region `memory` of the shader. */
  readonly text: string;
  readonly textures: TextureInput[];
}

/** Declares the types F and U, the inputs in binding order with their loads, and the output. */
export function declareOperands(
  inputs: readonly Operand[],
  output: Operand,
  width: 1 | 4,
  { textures }: Target,
): Declarations {
  const scalarOrVector = (type: ElementType) => (width === 4 ? `vec4<${type}>` : type);
  const element = (dtype: ElementType) => (dtype === "f32" ? "F" : "U");
  // A texture of single values would need a load each, which saves little.
  const asTextures = textures && width === 4;
  const binding = (k: number) => `@group(0) @binding(${k})`;
  const lines = [`alias F = ${scalarOrVector("f32")};`, `alias U = ${scalarOrVector("u32")};`];
  inputs.forEach(({ name, dtype }, k) => {
    lines.push(
      asTextures
        ? `${binding(k)} ${textureOf(name, texelFormat(dtype))}`
        : `${binding(k)} var<storage, read> ${name}: array<${element(dtype)}>;`,
      `fn load_${name}(i: u32) -> ${element(dtype)} {`,
      `  return ${asTextures ? texel(name, "i") : `${name}[i]`};`,
      "}",
    );
  });
  const type = element(output.dtype);
  lines.push(`${binding(inputs.length)} var<storage, read_write> ${output.name}: array<${type}>;`);
  return {
    text: lines.join("\n"),
    textures: asTextures
      ? inputs.map(({ dtype }, binding) => ({ binding, format: texelFormat(dtype) }))
      : [],
  };
}

const texelFormat = (dtype: ElementType) => (dtype === "f32" ? "rgba32float" : "rgba32uint");

/** The declaration of an operand that is read as a texture, without its binding. */
export function textureOf(name: string, format: TextureInput["format"]): string {
  return `var ${name}: texture_storage_2d<${format}, read>;`;
}

/** The texel that holds element `index` of an operand that is read as a texture. */
export function texel(name: string, index: string): string {
  const [x, y] = [`(${index}) % ${TEXTURE_WIDTH}u`, `(${index}) / ${TEXTURE_WIDTH}u`];
  return `textureLoad(${name}, vec2u(${x}, ${y}))`;
}
