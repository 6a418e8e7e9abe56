/**
 * The text of a kernel. A shader file is legal WGSL as it stands, with examples in four kinds of
 * places, and `render` puts what a kernel says in each of them:
 *
 *   - `const CHANNELS: u32 = 64u;`  a module constant: the kernel's value
 *   - `// begin operands` .. `// end operands`  the bindings of all operands, with a function
 *     `load_NAME(i)` for each that is read, so that the rest of a shader does not know where it lies
 *   - `// begin NAME` .. `// end NAME`  a slot, for text that no constant can stand for: the
 *     element types, a chain of operations, or the slot of the same name of another file
 *     (shaders/conv/tile_scalars.wgsl), which that file's header explains
 *   - the regions `workgroup_number` and `first_tap`, which are the same in all files that have
 *     them: shaders/common.wgsl
 */
import { ExitCode, UserError } from "../errors.ts";
import {
  type Constant,
  type Constants,
  type Element,
  type Kernel,
  type Operand,
  type Slots,
  TEXTURE_WIDTH,
  textureFormat,
} from "./kernel.ts";

const rendered = new WeakMap<Kernel, string>();

/** The kernel as complete WGSL; expand.ts unrolls what is marked in it. */
export function render(kernel: Kernel): string {
  let text = rendered.get(kernel);
  if (text === undefined) {
    const { shader, operands, slots = {}, constants = {} } = kernel;
    text = specialize(fillSlots(shader, { ...slots, operands: declare(operands) }), constants);
    rendered.set(kernel, text);
  }
  return text;
}

/**
 * Where each line of a kernel's text stands: in the shader's file, "shader line 7", or in the text
 * that fills a slot of it.
 */
export function placesOf({ shader, operands, slots = {}, file }: Kernel): string[] {
  const fillings: Slots = { ...slots, operands: declare(operands) };
  const filled = new Set<string>();
  const places: string[] = [];
  const lines = shader.split("\n");
  for (let at = 0; at < lines.length; at++) {
    const name = /^[ \t]*\/\/ begin (\w+)$/.exec(lines[at])?.[1];
    if (name === undefined || !(name in fillings) || filled.has(name)) {
      places.push(file === undefined ? `shader line ${at + 1}` : `${file}:${at + 1}`);
      continue;
    }
    filled.add(name);
    const count = fillings[name] === "" ? 0 : fillings[name].split("\n").length;
    for (let k = 0; k < count; k++) places.push(`line ${k + 1} of the shader's slot ${name}`);
    const end = new RegExp(`^[ \\t]*// end ${name}$`);
    while (!end.test(lines[at])) at++;
  }
  return places;
}

/** A shader that somebody edits may lack what its kernels want. */
const wrong = (problem: string) => new UserError(problem, ExitCode.failure);

/** The region `operands`. */
export function declare(operands: readonly Operand[]): string {
  return operands.map(declaration).join("\n");
}

function declaration({ name, element, storage, role }: Operand, binding: number): string {
  const texture = storage === "texture";
  const access = role === "read" ? "read" : "read_write";
  const variable = texture
    ? `var ${name}: texture_storage_2d<${textureFormat(element)}, read>;`
    : `var<storage, ${access}> ${name}: array<${element}>;`;
  const bound = `@group(0) @binding(${binding}) ${variable}`;
  if (role === "written") return bound;
  const value = texture ? texel(name, element) : `${name}[i]`;
  return `${bound}\nfn load_${name}(i: u32) -> ${element} {\n  return ${value};\n}`;
}

/** A texel has four components, of which a scalar element is the first. */
function texel(name: string, element: Element): string {
  const value = `textureLoad(${name}, vec2<u32>(i % ${TEXTURE_WIDTH}u, i / ${TEXTURE_WIDTH}u))`;
  return element.startsWith("vec4") ? value : `${value}.x`;
}

/** Puts text in the place of what stands between the lines `// begin name` and `// end name`. */
function fillSlots(shader: string, slots: Slots): string {
  let text = shader;
  for (const [name, filling] of Object.entries(slots)) {
    const match = region(name).exec(text);
    if (!match) throw wrong(`the shader has no slot ${name}`);
    const lines = filling === "" ? [] : filling.split("\n");
    const indented = lines.map((line) => `${match[1]}${line}\n`).join("");
    text = text.slice(0, match.index) + indented + text.slice(match.index + match[0].length);
  }
  return text;
}

const region = (name: string) =>
  new RegExp(`^([ \\t]*)// begin ${name}\\n([^]*?)^[ \\t]*// end ${name}\\n`, "m");

/** What stands in a slot of a shader file, to be put in the slot of the same name of another. */
export function slotOf(shader: string, name: string): string {
  const match = region(name).exec(shader);
  if (!match) throw wrong(`the shader has no slot ${name}`);
  const [, indent, text] = match;
  return text.split("\n").slice(0, -1)
    .map((line) => (line.startsWith(indent) ? line.slice(indent.length) : line)).join("\n");
}

/** The names of a shader's slots and common regions. */
export function slotNames(shader: string): string[] {
  return [...shader.matchAll(/^[ \t]*\/\/ begin (\w+)\n/gm)].map(([, name]) => name);
}

/**
 * Replaces the values of `const NAME: type = value;` declarations at module level.
 * Every name given must be declared in the shader, so a renamed constant can't go unnoticed.
 */
function specialize(source: string, constants: Constants): string {
  let text = source;
  for (const [name, value] of Object.entries(constants)) {
    const declaration = new RegExp(`^(const ${name}: (u32|i32|f32|bool) = )[^;]*;`, "m");
    const match = declaration.exec(text);
    if (!match) throw wrong(`the shader declares no constant ${name}`);
    text = text.replace(declaration, () => `${match[1]}${literal(value, match[2])};`);
  }
  return text;
}

function literal(value: Constant, type: string): string {
  if (type === "bool") return value ? "true" : "false";
  const number = Number(value);
  if (!Number.isFinite(number)) throw new Error(`${value} is no WGSL literal`);
  if (type === "u32") return `${number}u`;
  if (type === "i32") return `${number}i`;
  return floatLiteral(number);
}

/** A finite number as a WGSL f32 literal. */
export function floatLiteral(value: number): string {
  return `${Math.fround(value)}f`;
}
