/**
 * What a tile kernel may count on. The tile shaders are written once, for storage buffers read as
 * vec4s and lanes that share; for another target some of their declarations are replaced.
 *
 * Loads decide the speed on a CPU adapter. lavapipe loads storage buffers lane by lane; on a
 * processor without AVX-512 a vec4 costs as much there as 130 vec4 multiply-adds, from a texture as
 * much as 12. Lanes of a subgroup that need the same values share their loads by broadcasts.
 */
import { replaceRegion, TEXTURE_WIDTH } from "../kernel.ts";

export interface Target {
  /** Lanes of every subgroup, if the device has "subgroups" and one size only; otherwise 1. */
  readonly lanes: number;
  /** Whether inputs are read as textures (`Kernel.textures`). */
  readonly textures: boolean;
}

/** The target that every device offers: storage buffers, nothing shared. */
export const PLAIN: Target = { lanes: 1, textures: false };

/** Threads of a workgroup: one subgroup where lanes share, so that all of them are in step. */
export function workgroupSize(target: Target): number {
  return target.lanes > 1 ? target.lanes : 64;
}

/** Whether the channels of a tile's operands are whole vec4s. */
interface Operands {
  readonly own: "vectors" | "scalars";
  readonly result: "vectors" | "scalars";
}

/** The tile shader for a target, and which of its inputs are textures. */
export function retarget(
  shader: string,
  target: Target,
  operands: Operands,
): { source: string; textures: number[] } {
  let source = shader;
  const textures: number[] = [];
  if (operands.own === "scalars") {
    source = replaceRegion(source, "own", OWN_SCALARS);
  } else if (target.textures) {
    source = replaceRegion(source, "own", OWN_TEXTURE);
    textures.push(0);
  }
  if (target.textures) {
    source = replaceRegion(source, "joint", JOINT_TEXTURE);
    textures.push(1);
  }
  if (operands.result === "scalars") source = replaceRegion(source, "result", RESULT_SCALARS);
  if (target.lanes === 1) source = replaceRegion(source, "lanes", ALONE);
  return { source, textures };
}

/** A subgroup of one. */
const ALONE = `
fn subgroupBroadcast(value: vec4<f32>, lane: u32) -> vec4<f32> {
  return value;
}

fn subgroupAny(value: bool) -> bool {
  return value;
}`;

/** Pixels whose channels are no whole vec4s: zeros stand in for what is missing. */
const OWN_SCALARS = `
@group(0) @binding(0) var<storage, read> own: array<f32>;

fn load_own(pixel: u32, vector: u32) -> vec4<f32> {
  let at = pixel * IN_CHANNELS + 4u * vector;
  var value = vec4<f32>(own[at], 0.0, 0.0, 0.0);
  if (IN_CHANNELS > 1u) {
    value.y = select(0.0, own[at + 1u], 4u * vector + 1u < IN_CHANNELS);
  }
  if (IN_CHANNELS > 2u) {
    value.z = select(0.0, own[at + 2u], 4u * vector + 2u < IN_CHANNELS);
  }
  if (IN_CHANNELS > 3u) {
    value.w = select(0.0, own[at + 3u], 4u * vector + 3u < IN_CHANNELS);
  }
  return value;
}`;

const RESULT_SCALARS = `
@group(0) @binding(2) var<storage, read_write> result: array<f32>;

fn store(pixel: u32, vector: u32, value: vec4<f32>) {
  let channel = 4u * vector;
  // @unroll
  for (var i = 0u; i < 4u; i++) {
    if (channel + i < OUT_CHANNELS) {
      result[pixel * OUT_CHANNELS + channel + i] = value[i];
    }
  }
}`;

const OWN_TEXTURE = `
@group(0) @binding(0) var own: texture_2d<f32>;

fn load_own(pixel: u32, vector: u32) -> vec4<f32> {
  let at = pixel * IN_VECTORS + vector;
  return textureLoad(own, vec2<u32>(at % ${TEXTURE_WIDTH}u, at / ${TEXTURE_WIDTH}u), 0);
}`;

const JOINT_TEXTURE = `
@group(0) @binding(1) var joint: texture_2d<f32>;

fn load_joint(index: u32) -> vec4<f32> {
  return textureLoad(joint, vec2<u32>(index % ${TEXTURE_WIDTH}u, index / ${TEXTURE_WIDTH}u), 0);
}`;
