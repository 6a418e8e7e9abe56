/**
 * What kernels may count on: a description of an adapter in what matters to them. Kernels are made
 * for any target, on any machine; so a test can plan for a GPU, or for one with lower limits.
 *
 * There are two families of the kernels that compute most: register tiles with direct loads, and
 * blocks in workgroup memory (block.ts), which are for GPUs.
 *
 * Loads decide the speed on a CPU adapter. lavapipe loads storage buffers lane by lane; on a
 * processor without AVX-512 a vec4 costs as much there as 130 vec4 multiply-adds, from a texture as
 * much as 12. (AVX-512 makes gathers of such loads, which only Intel's processors do quickly.) Lanes of a subgroup that need the same values share their loads by broadcasts.
 */
import {
  type Element,
  type Storage,
  TEXTURE_WIDTH,
  textureFormat,
  WORKGROUPS_PER_DIMENSION,
} from "../kernel.ts";
import {
  GPU_KINDS,
  type GpuKind,
  gpuKind,
  type Looks,
  moveCost,
  type Processor,
} from "./processors.ts";

export interface Target {
  /** Lanes of every subgroup, if the device has "subgroups" and one size only; otherwise 1. */
  readonly lanes: number;
  /** Whether inputs of products and pooling are read as textures. */
  readonly textures: boolean;
  /** Whether large operands of pointwise chains and reductions, read once, are too. */
  readonly chainTextures: boolean;
  /** Most rows of a texture. */
  readonly textureRows: number;
  /** Invocations that keep the adapter busy; beyond them each can do more. */
  readonly threads: number;
  /** Of which each has so much. Only the kernels for GPUs ask. */
  readonly processor: Processor;
  /** Bytes of workgroup memory that kernels may use; 0 where it is no faster than buffers. */
  readonly workgroupMemory: number;
  /** Most invocations of a workgroup. */
  readonly workgroupThreads: number;
  /** Most workgroups of a dispatch in one dimension. */
  readonly workgroupsPerDimension: number;
  /** Most buffers of a kernel. */
  readonly bindings: number;
  /** Most bytes of an operand. */
  readonly operandBytes: number;
  /**
   * What it costs to write a value and read it again, in multiply-adds, where convolutions may go
   * Winograd's way, which saves these and moves more; infinite where they may not.
   */
  readonly moveCost: number;
  /** Whether plans keep activations for their gradients as halves (f16); see plan/halves.ts. */
  readonly halves?: boolean;
  /** The fastest variants that were measured on this adapter, by shape class; see variant.ts. */
  readonly tuning?: ReadonlyMap<string, string>;
}

/** The target that every device offers: storage buffers, nothing shared. */
export const PLAIN: Target = {
  lanes: 1,
  textures: false,
  chainTextures: false,
  textureRows: 8192,
  threads: 1 << 16,
  processor: sizeOf(GPU_KINDS[0]).processor,
  workgroupMemory: 0,
  workgroupThreads: 256,
  workgroupsPerDimension: WORKGROUPS_PER_DIMENSION,
  bindings: 8,
  operandBytes: 1 << 27,
  moveCost: Infinity,
};

/** The largest GPU of the table, with the limits that every device has. */
export const BLOCKS: Target = { ...PLAIN, ...sizeOf(GPU_KINDS[0]), workgroupMemory: 1 << 14 };

/** What of a target follows from the GPU's kind. @param processors where that is known better */
function sizeOf(kind: GpuKind, processors: number = kind.processors) {
  const { threads, registers, threadRegisters } = kind;
  return {
    threads: processors * threads,
    processor: { threads, registers, threadRegisters },
    moveCost: moveCost(kind),
  };
}

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
  readonly adapter: Looks;
  readonly facts: { readonly processors?: number };
  readonly limits: {
    readonly maxComputeWorkgroupStorageSize: number;
    readonly maxComputeInvocationsPerWorkgroup: number;
    readonly maxComputeWorkgroupsPerDimension: number;
    readonly maxTextureDimension2D: number;
    readonly maxStorageBufferBindingSize: number;
    readonly maxStorageBuffersPerShaderStage: number;
  };
}

/**
 * A CPU adapter: textures and shared loads. Winograd's way saves processor time there but, with its
 * further kernels to wait for, none on the clock; see conv_winograd.ts.
 */
export function cpuTarget(lanes: number, gathers = false): Target {
  const own = { textures: true, chainTextures: !gathers, threads: 1 << 12 };
  return { ...PLAIN, lanes, ...own };
}

/** The target without Winograd's way: every sum is of the products that its formula names. */
export function exact(target: Target): Target {
  return { ...target, moveCost: Infinity };
}

/** The target with activations kept as halves between the forward pass and their gradients. */
export function halved(target: Target): Target {
  return { ...target, halves: true };
}

/** The target that suits the device, or that is asked for by name. */
export function targetFor(device: TargetDevice): Target {
  const { target, isCpu, gathers, subgroupSize, tuning, adapter, facts, limits } = device;
  if (target) return namedTargets[target];
  const own = {
    bindings: limits.maxStorageBuffersPerShaderStage,
    operandBytes: limits.maxStorageBufferBindingSize,
    textureRows: limits.maxTextureDimension2D,
    workgroupsPerDimension: limits.maxComputeWorkgroupsPerDimension,
    tuning,
  };
  if (isCpu) return { ...cpuTarget(subgroupSize, gathers), ...own };
  return {
    ...PLAIN,
    ...sizeOf(gpuKind(adapter), facts.processors),
    ...own,
    workgroupMemory: limits.maxComputeWorkgroupStorageSize,
    workgroupThreads: limits.maxComputeInvocationsPerWorkgroup,
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

/** Elements from which a copy to a texture costs less than it saves where each is read once. */
const MIN_TEXTURE = 1 << 12;

/**
 * Where an operand of `length` elements is read from. A texture is a copy, made before the dispatch:
 * it pays for what is read again and again, and for vec4s more than for single values.
 * @param reads how often an element is read: by many threads (products), by a few (windows of
 *   pooling), by one (chains of pointwise operations)
 */
export function storageOf(
  element: Element,
  length: number,
  reads: "many" | "few" | "one",
  target: Target,
): Storage {
  const vector = element.startsWith("vec4");
  const pays = {
    many: target.textures,
    few: target.textures && vector,
    one: target.chainTextures && element === "vec4<f32>" && length >= MIN_TEXTURE,
  };
  const fits = textureFormat(element) && Math.ceil(length / TEXTURE_WIDTH) <= target.textureRows;
  return pays[reads] && fits ? "texture" : "buffer";
}
