/** The shader files: each is an example of itself, and what they share is the same text in all. */

import assert from "node:assert/strict";
import { glob } from "node:fs/promises";
import { type Element, type Kernel, type Operand, read, written } from "../engine/gpu/kernel.ts";
import { declare, render, slotNames, slotOf } from "../engine/gpu/render.ts";

const folder = new URL("../shaders/", import.meta.url).pathname;
const common = await Deno.readTextFile(`${folder}common.wgsl`);

const shaders: (readonly [file: string, text: string])[] = [];
for await (const file of glob(`${folder}**/*.wgsl`)) {
  if (file.endsWith("common.wgsl")) continue;
  shaders.push([file.slice(folder.length), await Deno.readTextFile(file)]);
}

/** The operands that a file declares. */
function operandsOf(text: string): Operand[] {
  const bindings =
    /^@group\(0\) @binding\((\d+)\) var<storage, (read|read_write)> (\w+): array<(.+)>;$/gm;
  return [...text.matchAll(bindings)].map(([, binding, access, name, element], i) => {
    assert.equal(Number(binding), i);
    return (access === "read" ? read : written)(name, element as Element);
  });
}

Deno.test("a shader's operands stand in it as a kernel declares them in buffers", () => {
  assert.ok(shaders.length > 25);
  for (const [file, text] of shaders) {
    assert.equal(slotOf(text, "operands"), declare(operandsOf(text)), file);
    const outside = text.replace(slotOf(text, "operands"), "");
    assert.doesNotMatch(outside, /@binding/, `${file} binds outside of its operands`);
  }
});

Deno.test("what shaders have in common is the text of common.wgsl", () => {
  const names = slotNames(common);
  assert.deepEqual(names, ["workgroup_number", "first_tap"]);
  for (const [file, text] of shaders) {
    for (const name of slotNames(text).filter((name) => names.includes(name))) {
      assert.equal(slotOf(text, name), slotOf(common, name), `${name} of ${file}`);
    }
    for (const name of names) {
      const declared = [...text.matchAll(new RegExp(`fn ${name}\\(`, "g"))].length;
      assert.equal(declared, slotNames(text).includes(name) ? 1 : 0, `${name} of ${file}`);
    }
  }
});

Deno.test("no shader but by workgroup_number asks which workgroup it is", () => {
  for (const [file, text] of shaders) {
    assert.doesNotMatch(text, /global_invocation_id/, file);
    const rest = slotNames(text).includes("workgroup_number")
      ? text.replace(slotOf(text, "workgroup_number"), "")
      : text;
    assert.doesNotMatch(rest, /\bworkgroups?\.[xyz]/, file);
  }
});

const SHADER = `
const COUNT: u32 = 64u;
// begin operands
// end operands
fn main() {
  // begin slot
  example();
  // end slot
}
`;

const KERNEL: Kernel = {
  label: "a kernel",
  shader: SHADER,
  operands: [read("x", "vec4<f32>", "texture"), read("n", "f32", "texture"), written("y", "u32")],
  workgroups: 1,
  flops: 0,
  bytes: 0,
};

Deno.test("render: operands from textures, slots as deep as they stand, constants", () => {
  const text = render({
    ...KERNEL,
    slots: { slot: "if (a) {\n  b();\n}" },
    constants: { COUNT: 7 },
  });
  assert.equal(
    text,
    `
const COUNT: u32 = 7u;
@group(0) @binding(0) var x: texture_storage_2d<rgba32float, read>;
fn load_x(i: u32) -> vec4<f32> {
  return textureLoad(x, vec2<u32>(i % 4096u, i / 4096u));
}
@group(0) @binding(1) var n: texture_storage_2d<r32float, read>;
fn load_n(i: u32) -> f32 {
  return textureLoad(n, vec2<u32>(i % 4096u, i / 4096u)).x;
}
@group(0) @binding(2) var<storage, read_write> y: array<u32>;
fn main() {
  if (a) {
    b();
  }
}
`,
  );
});

Deno.test("render: a slot or a constant that the shader does not have is an error", () => {
  assert.throws(() => render({ ...KERNEL, slots: { other: "" } }), /no slot other/);
  assert.throws(() => render({ ...KERNEL, constants: { OTHER: 1 } }), /no constant OTHER/);
  assert.throws(() => render({ ...KERNEL, constants: { COUNT: Infinity } }), /no WGSL literal/);
});
