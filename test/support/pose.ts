/**
 * `navigator.gpu` as it would be on another machine: what its adapter tells of itself, its limits and
 * its clock are a pose; what is computed runs on the adapter at hand.
 */
import type { LimitName } from "../../engine/gpu/adapter.ts";
import { testGpu } from "./gpu.ts";

export interface Pose {
  readonly info: Partial<Omit<GPUAdapterInfo, "__brand">>;
  /** Those that differ from the least that every device has. */
  readonly limits?: Partial<Record<LimitName, number>>;
  readonly features?: readonly string[];
  /** Nanoseconds a tick of its clock. */
  readonly tick?: number;
}

/** WebGPU's least limits, as far as they are asked for. */
const LEAST: Partial<Record<LimitName, number>> = {
  maxBufferSize: 2 ** 28,
  maxStorageBufferBindingSize: 2 ** 27,
  maxStorageBuffersPerShaderStage: 8,
  maxUniformBufferBindingSize: 2 ** 16,
  maxDynamicUniformBuffersPerPipelineLayout: 8,
  maxDynamicStorageBuffersPerPipelineLayout: 4,
  maxBindingsPerBindGroup: 1000,
  maxComputeWorkgroupStorageSize: 2 ** 14,
  maxComputeInvocationsPerWorkgroup: 256,
  maxComputeWorkgroupSizeX: 256,
  maxComputeWorkgroupSizeY: 256,
  maxComputeWorkgroupSizeZ: 64,
  maxComputeWorkgroupsPerDimension: 65535,
  maxTextureDimension2D: 8192,
  minStorageBufferOffsetAlignment: 256,
  minUniformBufferOffsetAlignment: 256,
};

const NO_INFO = {
  ...{ vendor: "", architecture: "", device: "", description: "" },
  ...{ subgroupMinSize: 4, subgroupMaxSize: 128, isFallbackAdapter: false },
};

/** What the adapter was asked for. */
export interface Asked {
  options?: GPURequestAdapterOptions;
  descriptor?: GPUDeviceDescriptor;
}

/** Runs `test` where WebGPU poses; no others may run meanwhile. */
export async function posing<T>(pose: Pose, test: (asked: Asked) => Promise<T>): Promise<T> {
  // The first device of the process prepares its environment.
  await testGpu();
  const { gpu } = navigator;
  const real = (await gpu.requestAdapter())!;
  const asked: Asked = {};
  const limits = { ...LEAST, ...pose.limits };
  const adapter = {
    info: { ...NO_INFO, ...pose.info },
    features: new Set(pose.features),
    limits,
    requestDevice: async (descriptor: GPUDeviceDescriptor) => {
      asked.descriptor = descriptor;
      const device = await real.requestDevice({
        requiredFeatures: checkedFeatures(descriptor, pose),
        requiredLimits: attainable(checkedLimits(descriptor, limits), real.limits),
      });
      const own = { limits: descriptor.requiredLimits, features: new Set(pose.features) };
      for (const [name, value] of Object.entries(own)) {
        Object.defineProperty(device, name, { value });
      }
      return device;
    },
  };
  const requestAdapter = (options?: GPURequestAdapterOptions) => {
    asked.options = options;
    return Promise.resolve(adapter);
  };
  const { getMappedRange } = GPUBuffer.prototype;
  GPUBuffer.prototype.getMappedRange = function (...range) {
    const bytes = getMappedRange.apply(this, range);
    return this.label === "ticks" ? inTicks(bytes, pose.tick ?? 1) : bytes;
  };
  Object.defineProperty(navigator, "gpu", { value: { requestAdapter }, configurable: true });
  try {
    return await test(asked);
  } finally {
    Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
    GPUBuffer.prototype.getMappedRange = getMappedRange;
  }
}

function checkedFeatures({ requiredFeatures = [] }: GPUDeviceDescriptor, pose: Pose) {
  for (const feature of requiredFeatures) {
    if (!pose.features?.includes(feature)) throw new TypeError(`there is no feature ${feature}`);
  }
  return requiredFeatures;
}

/** As WebGPU does, it refuses what is better than the adapter's own. */
function checkedLimits(
  { requiredLimits = {} }: GPUDeviceDescriptor,
  limits: Partial<Record<string, number>>,
): Record<string, number> {
  for (const [name, wanted] of Object.entries(requiredLimits as Record<string, number>)) {
    const has = limits[name]!;
    if (name.startsWith("min") ? wanted >= has : wanted <= has) continue;
    throw new DOMException(`${name} is ${has}, not ${wanted}`, "OperationError");
  }
  return requiredLimits as Record<string, number>;
}

/** The nearest that the adapter at hand has. */
const attainable = (wanted: Record<string, number>, real: GPUSupportedLimits) =>
  Object.fromEntries(
    Object.entries(wanted).map(([name, value]) => {
      const has = real[name as LimitName] as number;
      return [name, name.startsWith("min") ? Math.max(value, has) : Math.min(value, has)];
    }),
  );

/** A clock's nanoseconds in ticks. */
function inTicks(bytes: ArrayBuffer, tick: number): ArrayBuffer {
  const ticks = new BigUint64Array(bytes.slice(0));
  return ticks.map((nanoseconds) => BigInt(Math.round(Number(nanoseconds) / tick))).buffer;
}
