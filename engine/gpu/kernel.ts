/**
 * A kernel is a WGSL compute shader specialised to fixed shapes: every size is a constant of the
 * text, so the driver's compiler folds the index arithmetic and no uniform buffer is needed.
 *
 * A shader file is legal WGSL as it stands and declares its sizes as module constants,
 *
 *     const CHANNELS: u32 = 64u;
 *
 * with example values; `specialize` puts the values at hand in their place. Where a kernel is made
 * from parts that are known only when a graph is planned, the file holds an example of the part
 * between `// begin NAME` and `// end NAME`, and `replaceRegion` puts the real one there.
 *
 * Buffers are bound in group 0, inputs first, then outputs, numbered from 0.
 */

/** One specialised shader with the size of its dispatch and what that dispatch costs. */
export interface Kernel {
  /** The operation and its shapes, for error messages and profiles. */
  readonly label: string;
  /** Complete WGSL with an entry point `main`. */
  readonly source: string;
  /** Number of workgroups in x, y and z. */
  readonly workgroups: readonly [number, number, number];
  /** Floating-point operations of one dispatch. */
  readonly flops: number;
  /** Bytes that one dispatch has to move at least: every operand once. */
  readonly bytes: number;
  /** Inputs that the shader reads as textures; all others are storage buffers. */
  readonly textures?: readonly TextureInput[];
  /** How many of the last buffers are written; one where absent. */
  readonly outputs?: number;
  /** Whether a chain of pointwise operations can stand at its end; see kernels/epilogue.ts. */
  readonly takesEpilogue?: boolean;
  /** Other ways to compute the same; see kernels/variant.ts. */
  readonly tunable?: Tunable;
}

/** A kernel whose result is a sum over `splits` parts, to be added in order by another kernel. */
export interface SplitKernel {
  readonly kernel: Kernel;
  readonly splits: number;
}

/** One of several kernels that compute the same, bit by bit. */
export interface Variant {
  /** Its parameters in words, by which it is known in the tuner's cache. */
  readonly name: string;
  make(): Kernel;
}

/** What a tuner needs to know of a kernel that has variants. */
export interface Tunable {
  /** The operation and its sizes: the key in the tuner's cache. */
  readonly shapeClass: string;
  /** The name of the variant at hand. */
  readonly chosen: string;
  /** All of them; the one that a rule would choose is the first. */
  readonly variants: readonly Variant[];
  /** In how many parts each of them writes the result. */
  readonly splits: number;
  /** A plain kernel for the same operands, against which the variants are checked. */
  reference(): SplitKernel;
}

/**
 * An operand that a kernel reads as a two-dimensional storage texture: its elements in order, in
 * rows of TEXTURE_WIDTH texels of one or four of them. (A CPU adapter loads texels several times
 * faster than elements of buffers.)
 */
export interface TextureInput {
  readonly binding: number;
  readonly format: "r32float" | "rgba32float" | "rgba32uint";
}

/** Texels of a row. */
export const TEXTURE_WIDTH = 4096;

export type Constant = number | boolean;

/**
 * Replaces the values of `const NAME: type = value;` declarations at module level.
 * Every name given must be declared in the shader, so a renamed constant can't go unnoticed.
 */
export function specialize(source: string, constants: Record<string, Constant>): string {
  let text = source;
  for (const [name, value] of Object.entries(constants)) {
    const declaration = new RegExp(`^(const ${name}: (u32|i32|f32|bool) = )[^;]*;`, "m");
    const match = declaration.exec(text);
    if (!match) throw new Error(`the shader declares no constant ${name}`);
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

/** Replaces what stands between the lines `// begin name` and `// end name`. */
export function replaceRegion(source: string, name: string, text: string): string {
  const region = new RegExp(`^([ \\t]*)// begin ${name}\\n[^]*?^[ \\t]*// end ${name}\\n`, "m");
  const match = region.exec(source);
  if (!match) throw new Error(`the shader has no region ${name}`);
  const lines = text.split("\n").map((line) => `${match[1]}${line}\n`).join("");
  return source.replace(region, () => lines);
}

/** Most workgroups WebGPU lets a dispatch have in one dimension. */
const MAX_WORKGROUPS = 65535;

/**
 * Spreads `count` workgroups over x and y. The shader's linear workgroup index is
 * `id.x + id.y * num_workgroups.x`, and it must ignore those past the end.
 */
export function linearWorkgroups(count: number): [number, number, number] {
  if (count <= MAX_WORKGROUPS) return [Math.max(count, 1), 1, 1];
  const y = Math.ceil(count / MAX_WORKGROUPS);
  return [Math.ceil(count / y), y, 1];
}
