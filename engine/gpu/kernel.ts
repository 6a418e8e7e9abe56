/**
 * A kernel is data until it is dispatched: a shader of shaders/, the operands it is bound to, text
 * for the shader's slots, values for its constants. What runs (a plan) may join a chain of
 * operations to it by adding operands and filling a slot (kernels/epilogue.ts); text is made of it
 * once, when that is decided (render.ts).
 *
 * Every size is a constant of the text, so the driver's compiler folds the index arithmetic and no
 * uniform buffer is needed. Operands are bound in group 0 in order, those that are read first.
 */

/** A specialised shader with the size of its dispatch and what that dispatch costs. */
export interface Kernel {
  /** The operation and its shapes, for error messages and profiles. */
  readonly label: string;
  /** WGSL with an entry point `main`, legal as it stands; see render.ts. */
  readonly shader: string;
  /** Where that comes from, if it is none of this program's own. */
  readonly file?: string;
  /** In binding order. */
  readonly operands: readonly Operand[];
  /** What stands in the place of the shader's examples, by the slot's name. */
  readonly slots?: Slots;
  /** Values of the shader's module constants. */
  readonly constants?: Constants;
  /** Number of workgroups; see `spread`. */
  readonly workgroups: number;
  /** Floating-point operations of one dispatch. */
  readonly flops: number;
  /** Bytes that one dispatch has to move at least: every operand once. */
  readonly bytes: number;
  /** Whether a chain of pointwise operations can stand at its end; see kernels/epilogue.ts. */
  readonly takesEpilogue?: boolean;
  /** Whether it stores sums by a slot `result`, where a tail may go on from them; see reduce.ts. */
  readonly takesTail?: boolean;
  /** Other ways to compute the same; see kernels/variant.ts. */
  readonly tunable?: Tunable;
}

export type Constant = number | boolean;
export type Constants = Readonly<Record<string, Constant>>;
export type Slots = Readonly<Record<string, string>>;

/** What one index of an operand means: a WGSL type. */
export type Element = Scalar | `vec4<${Scalar}>` | "atomic<u32>";

/** The types of numbers. */
export type Scalar = "f32" | "u32";

/** One number or four as an element. */
export function elementOf(scalar: Scalar, width: 1 | 4): Element {
  return width === 4 ? `vec4<${scalar}>` : scalar;
}

/** A buffer or texture that a kernel is bound to. */
export interface Operand {
  readonly name: string;
  readonly element: Element;
  readonly storage: Storage;
  readonly role: "read" | "written";
}

/**
 * Where an operand lies: in a storage buffer or, if it is read, in a two-dimensional storage texture,
 * its elements in order, one a texel, in rows of TEXTURE_WIDTH. (A CPU adapter loads texels several
 * times faster than elements of buffers.) The target decides it: kernels/target.ts.
 */
export type Storage = "buffer" | "texture";

/** Texels of a row. */
export const TEXTURE_WIDTH = 4096;

/** The textures' formats; other elements lie in buffers. */
export const TEXTURE_FORMATS = {
  "f32": "r32float",
  "vec4<f32>": "rgba32float",
  "vec4<u32>": "rgba32uint",
} as const satisfies Partial<Record<Element, GPUTextureFormat>>;

export type TextureFormat = (typeof TEXTURE_FORMATS)[keyof typeof TEXTURE_FORMATS];

/** The format of an element's texture, if there is one. */
export function textureFormat(element: Element): TextureFormat | undefined {
  return (TEXTURE_FORMATS as Partial<Record<Element, TextureFormat>>)[element];
}

/** An operand that is read, from a buffer unless `storage` says something else. */
export function read(name: string, element: Element, storage: Storage = "buffer"): Operand {
  return { name, element, storage, role: "read" };
}

/** An operand that is written. */
export function written(name: string, element: Element): Operand {
  return { name, element, storage: "buffer", role: "written" };
}

/** How many operands the kernel writes; they are the last. */
export function outputCount({ operands }: Kernel): number {
  return operands.filter(({ role }) => role === "written").length;
}

/** An operand that is read as a texture. */
export interface TextureInput {
  readonly binding: number;
  readonly format: TextureFormat;
}

/** The operands that the kernel reads as textures; all others are storage buffers. */
export function textureInputs({ operands }: Kernel): TextureInput[] {
  return operands.flatMap(({ storage, element }, binding) =>
    storage === "texture" ? [{ binding, format: textureFormat(element)! }] : []
  );
}

/** Memory that kernels need besides an operation's operands and its result. */
export class Scratch {
  constructor(readonly shape: readonly number[]) {}
}

/** One of the kernels that compute an operation one after the other, and where its operands lie. */
export interface Stage {
  readonly kernel: Kernel;
  /** In binding order. */
  readonly places: readonly Place[];
}

/** The operation's operand of that number, its result, or what one stage leaves to another. */
export type Place = number | "result" | Scratch;

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

/** Most workgroups that every device lets a dispatch have in one dimension. */
export const WORKGROUPS_PER_DIMENSION = 65535;

/**
 * A dispatch of at least `count` workgroups over x and y, at most `limit` of them in each. Shaders
 * number them by their `workgroup_number` and ignore those past the end.
 */
export function spread(
  count: number,
  limit = WORKGROUPS_PER_DIMENSION,
): [x: number, y: number, z: 1] {
  const y = Math.max(1, Math.ceil(count / limit));
  if (y > limit) throw new Error(`${count} workgroups don't fit ${limit} x ${limit}`);
  return [Math.max(1, Math.ceil(count / y)), y, 1];
}
