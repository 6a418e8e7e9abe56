/**
 * What a tile kernel may count on. The tile shaders are written once, for storage buffers read as
 * vec4s and lanes that share; for another target some of their declarations are replaced.
 *
 * There are two families of the kernels that compute most: register tiles with direct loads, and
 * blocks in workgroup memory (block.ts), which are for GPUs.
 *
 * Loads decide the speed on a CPU adapter. lavapipe loads storage buffers lane by lane; on a
 * processor without AVX-512 a vec4 costs as much there as 130 vec4 multiply-adds, from a texture as
 * much as 12. Lanes of a subgroup that need the same values share their loads by broadcasts.
 */
import { replaceRegion, type TextureInput } from "../kernel.ts";
import { texel, textureOf } from "./operands.ts";

export interface Target {
  /** Lanes of every subgroup, if the device has "subgroups" and one size only; otherwise 1. */
  readonly lanes: number;
  /** Whether inputs of products and pooling are read as textures (`Kernel.textures`). */
  readonly textures: boolean;
  /** Whether large operands of pointwise chains and reductions, read once, are too. */
  readonly chainTextures: boolean;
  /** Invocations that keep the adapter busy; beyond them each can do more. */
  readonly threads: number;
  /** Bytes of workgroup memory that kernels may use; 0 where it is no faster than buffers. */
  readonly workgroupMemory: number;
  /** Most invocations of a workgroup. */
  readonly workgroupThreads: number;
  /** The fastest variants that were measured on this adapter, by shape class; see variant.ts. */
  readonly tuning?: ReadonlyMap<string, string>;
}

/** The target that every device offers: storage buffers, nothing shared. */
export const PLAIN: Target = {
  lanes: 1,
  textures: false,
  chainTextures: false,
  threads: 1 << 16,
  workgroupMemory: 0,
  workgroupThreads: 256,
};

/** A large GPU (132 multiprocessors of 2048 threads) with the limits that every device has. */
export const BLOCKS: Target = { ...PLAIN, threads: 1 << 18, workgroupMemory: 1 << 14 };

/** The targets that can be asked for by name, whatever the device is. */
export const namedTargets = { plain: PLAIN, gpu: BLOCKS } as const;
export type TargetName = keyof typeof namedTargets;

/** What of a device decides its target. */
export interface TargetDevice {
  /** Where the device is not to decide. */
  readonly target?: TargetName;
  readonly isCpu: boolean;
  readonly gathers: boolean;
  readonly subgroupSize: number;
  readonly tuning: ReadonlyMap<string, string>;
  readonly limits: {
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxComputeInvocationsPerWorkgroup: number;
  };
}

/** A CPU adapter: textures and shared loads. */
export function cpuTarget(lanes: number, gathers = false): Target {
  return { ...PLAIN, lanes, textures: true, chainTextures: !gathers, threads: 1 << 12 };
}

/** The target that suits the device, or that is asked for by name. */
export function targetFor(device: TargetDevice): Target {
  const { target, isCpu, gathers, subgroupSize, tuning, limits } = device;
  if (target) return namedTargets[target];
  if (isCpu) return { ...cpuTarget(subgroupSize, gathers), tuning };
  return {
    ...BLOCKS,
    workgroupMemory: limits.maxComputeWorkgroupStorageSize,
    workgroupThreads: limits.maxComputeInvocationsPerWorkgroup,
    tuning,
  };
}

/** Threads of a workgroup: one subgroup where lanes share, so that all of them are in step. */
export function workgroupSize(target: Target): number {
  return target.lanes > 1 ? target.lanes : 64;
}

/**
 * Threads of a workgroup of a kernel that streams through memory: on a GPU so many that starting
 * workgroups does not take longer than their work, an element or a few each.
 */
export function streamThreads(target: Target): number {
  return target.workgroupMemory > 0 ? Math.min(256, target.workgroupThreads) : 64;
}

/** How the channels of a tile's operands lie in vec4s. */
interface Operands {
  /** Whole vec4s, single values, or fewer than four channels in pixels packed into vec4s. */
  readonly own: "vectors" | "scalars" | "packed";
  readonly result: "vectors" | "scalars";
}

/** The tile shader for a target, and which of its inputs are textures. */
export function retarget(
  shader: string,
  target: Target,
  operands: Operands,
): { source: string; textures: TextureInput[] } {
  const scalars = operands.own === "scalars";
  let source = shader;
  if (operands.own === "packed") source = replaceRegion(source, "run", PACKED_RUN);
  if (operands.result === "scalars") source = replaceRegion(source, "result", RESULT_SCALARS);
  if (target.lanes === 1) source = replaceRegion(source, "lanes", ALONE);
  if (!target.textures) {
    return { source: scalars ? replaceRegion(source, "own", OWN_SCALARS) : source, textures: [] };
  }
  source = replaceRegion(source, "own", scalars ? OWN_SCALAR_TEXTURE : OWN_TEXTURE);
  source = replaceRegion(source, "joint", JOINT_TEXTURE);
  const own = { binding: 0, format: scalars ? "r32float" : "rgba32float" } as const;
  return { source, textures: [own, { binding: 1, format: "rgba32float" }] };
}

/** A subgroup of one. */
const ALONE = `
fn subgroupBroadcast(value: vec4<f32>, lane: u32) -> vec4<f32> {
  return value;
}

fn subgroupAny(value: bool) -> bool {
  return value;
}`;

/** The four channels from 4 vector on, where `element` reads one; zeros stand in for missing ones. */
function gatherChannels(element: (at: string) => string): string {
  const rest = ["y", "z", "w"].map((name, i) => `
  if (IN_CHANNELS > ${i + 1}u) {
    value.${name} = select(0.0, ${element(`at + ${i + 1}u`)}, 4u * vector + ${
    i + 1
  }u < IN_CHANNELS);
  }`);
  return `
fn load_own(pixel: u32, vector: u32) -> vec4<f32> {
  let at = pixel * IN_CHANNELS + 4u * vector;
  var value = vec4<f32>(${element("at")}, 0.0, 0.0, 0.0);${rest.join("")}
  return value;
}`;
}

/** Pixels whose channels are no whole vec4s. */
const OWN_SCALARS = `
@group(0) @binding(0) var<storage, read> own: array<f32>;
${gatherChannels((at) => `own[${at}]`)}`;

const OWN_SCALAR_TEXTURE = `
@group(0) @binding(0) ${textureOf("own", "r32float")}
${gatherChannels((at) => `${texel("own", at)}.x`)}`;

/** A result whose channels are no whole vec4s. */
export const RESULT_SCALARS = `
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

struct Column {
  vector: u32,
}

fn load_column(vector: u32) -> Column {
  return Column(vector);
}

fn store(pixel: u32, column: Column, value: vec4<f32>) {
  let channel = 4u * column.vector;
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    if (channel + i < OUT_CHANNELS) {
      result[pixel * OUT_CHANNELS + channel + i] = value[i];
    }
  }
}`;

/** The pixels of a run, cut from the vec4s that hold them. */
const PACKED_RUN = `
// @registers
var word: array<vec4<f32>, IMAGES * WORDS>;
// @registers
var pixel: array<vec4<f32>, IMAGES * SPAN>;
// @unroll
for (var j = 0u; j < IMAGES; j++) {
  let start = (line + i32(j * IN_HEIGHT * IN_WIDTH)) * i32(IN_CHANNELS) - i32(SKEW);
  // @unroll
  for (var k = 0u; k < WORDS; k++) {
    word[j * WORDS + k] = load_own(u32(start / 4i + i32(k)), 0u);
  }
  // @unroll
  for (var i = 0u; i < SPAN; i++) {
    var value = vec4<f32>();
    // @unroll
    for (var c = 0u; c < IN_CHANNELS; c++) {
      value[c] = word[j * WORDS + (SKEW + i * IN_CHANNELS + c) / 4u][(SKEW + i * IN_CHANNELS + c) % 4u];
    }
    let w = left + i32(i);
    let inside = row_inside && w >= 0 && w < i32(IN_WIDTH);
    pixel[j * SPAN + i] = select(vec4<f32>(), value, inside);
  }
}`;

const OWN_TEXTURE = `
@group(0) @binding(0) ${textureOf("own", "rgba32float")}

fn load_own(pixel: u32, vector: u32) -> vec4<f32> {
  return ${texel("own", "pixel * IN_VECTORS + vector")};
}`;

const JOINT_TEXTURE = `
@group(0) @binding(1) ${textureOf("joint", "rgba32float")}

fn load_joint(index: u32) -> vec4<f32> {
  return ${texel("joint", "index")};
}`;
