/**
 * The door to the GPU: the adapter and a device with everything that the engine can use, and one
 * place where every error of theirs arrives. WebGPU reports most errors to nobody in particular;
 * here the first one waits as a UserError until `check()` throws it, so that nothing is silent.
 */
import { ExitCode, UserError } from "../errors.ts";
import { type AdapterFacts, type AdapterName, computesOnCpu, nameOf } from "./adapter_name.ts";
import { gpuError, lostError, messageOf } from "./gpu_errors.ts";
import { guardDevice, nextTurn } from "./guard.ts";
import type { KernelLog } from "./kernel_log.ts";
import type { TargetName } from "./kernels/target.ts";

export interface Gpu {
  readonly device: GPUDevice;
  readonly adapter: AdapterName;
  /** The features that the device has been made with. */
  readonly features: ReadonlySet<string>;
  /** The device's limits, all of them. */
  readonly limits: Readonly<Record<LimitName, number>>;
  /** The adapter computes on the CPU: kernels for register tiles, small batches. */
  readonly isCpu: boolean;
  /**
   * The processor behind a CPU adapter gathers quickly (Intel's with AVX-512): its loads of buffers,
   * lane by lane, become gathers and cost twice a texture's instead of three to ten times.
   */
  readonly gathers: boolean;
  /** What every shader begins with: directives that this platform wants, or none. */
  readonly directives: string;
  /** Invocations of a subgroup, where subgroups are to be had and all of one size; otherwise 1. */
  readonly subgroupSize: number;
  /** The fastest variants of kernels that were measured on this adapter; see tuning.ts. */
  readonly tuning: ReadonlyMap<string, string>;
  /** The kernels that are wanted, where the device is not to decide. */
  readonly target?: TargetName;
  /** What the machine tells of the adapter, where it tells anything. */
  readonly facts: AdapterFacts;
  /** Who is told of kernels as they are made and run, if anybody. */
  readonly log?: KernelLog;
  /**
   * Throws the first error that the device reported outside of a scope, or its loss. Call it
   * where results are read: errors arrive on a later turn of the event loop than their cause.
   *
   * @throws UserError (gpu)
   */
  check(): void;
  /**
   * Runs `make` (shader modules, pipelines, buffers, a submission) in error scopes.
   *
   * @param label the operation and its shapes, for the message
   * @throws UserError (gpu) with the label and WebGPU's message
   */
  scoped<T>(label: string, make: () => T): Promise<T>;
  /** Resolves with the first error, when there is one: something to race a long wait against. */
  readonly failure: Promise<UserError>;
  /** Waits until nothing that was submitted is under way, whatever became of it. */
  settle(): Promise<void>;
  /** Frees the device and all that it holds. */
  destroy(): void;
}

/** Every limit of WebGPU by name; a mistyped name would be ignored in silence at run time. */
export type LimitName = Exclude<keyof GPUSupportedLimits, "__brand">;

/** The limits that kernels profit from: asked for at the adapter's own values. */
const wantedLimits = [
  "maxBufferSize",
  "maxStorageBufferBindingSize",
  "maxStorageBuffersPerShaderStage",
  "maxUniformBufferBindingSize",
  "maxDynamicUniformBuffersPerPipelineLayout",
  "maxDynamicStorageBuffersPerPipelineLayout",
  "maxBindingsPerBindGroup",
  "maxComputeWorkgroupStorageSize",
  "maxComputeInvocationsPerWorkgroup",
  "maxComputeWorkgroupSizeX",
  "maxComputeWorkgroupSizeY",
  "maxComputeWorkgroupSizeZ",
  "maxComputeWorkgroupsPerDimension",
  "maxTextureDimension2D",
  "minStorageBufferOffsetAlignment",
  "minUniformBufferOffsetAlignment",
] as const satisfies readonly LimitName[];

const wantedFeatures = ["timestamp-query", "shader-f16"] as const;

/**
 * Features that Deno 2.9 grants although `adapter.features` does not list them; whether a device
 * comes with them is found out by asking.
 */
const probedFeatures = ["subgroups"] as const;

/**
 * What browsers want of a shader that uses subgroups. Deno's compiler offers them without, and
 * refuses the line. Kernels use subgroups where a workgroup is one, of which all lanes take one path
 * because they agree on it with `subgroupAny`; an analysis, which knows workgroups only, can't see
 * that.
 */
export const SUBGROUP_DIRECTIVES = "enable subgroups;\ndiagnostic(off, subgroup_uniformity);\n";

/** What the machine around WebGPU knows of the adapter, and what its user wants of it. */
export interface GpuOptions {
  /** Which adapter; the most powerful one if absent. */
  readonly adapter?: GPURequestAdapterOptions;
  /** `AdapterName.backend` */
  readonly backend?: string;
  /** `Gpu.gathers`, should the adapter be a CPU. */
  readonly gathers?: boolean;
  /** `Gpu.facts` of an adapter. */
  readonly facts?: (adapter: AdapterName, isCpu: boolean) => AdapterFacts;
  /** `Gpu.target` */
  readonly target?: TargetName;
  /** `Gpu.log` */
  readonly log?: KernelLog;
  /** `Gpu.tuning` of an adapter; without it rules choose the variants. */
  readonly tuning?: (
    adapter: AdapterName,
    facts: AdapterFacts,
  ) => Promise<ReadonlyMap<string, string>>;
}

/**
 * A device on the most powerful adapter, with the adapter's own limits and the features at hand.
 * It asks nothing but WebGPU, so it works in a browser; host/gpu.ts asks the machine for the rest.
 *
 * @throws UserError (noAdapter); (gpu) where the adapter refuses a device
 */
export async function requestGpu(options: GpuOptions = {}): Promise<Gpu> {
  // Without a preference the first adapter in the system's order comes, be it the slowest.
  const wish = options.adapter ?? { powerPreference: "high-performance" };
  const adapter = await requestAdapter(wish);
  if (!adapter) {
    throw new UserError(
      "no GPU adapter answers",
      ExitCode.noAdapter,
      "see that WebGPU is switched on and that the graphics driver is a recent one",
    );
  }
  const name = nameOf(adapter.info, options.backend);
  const isCpu = computesOnCpu(adapter.info);
  const facts = options.facts?.(name, isCpu) ?? {};
  const tuning = await options.tuning?.(name, facts) ?? new Map();
  const device = await requestDevice(adapter);
  const directives = await directivesOf(device);
  return new OpenGpu(adapter.info, name, isCpu, facts, tuning, options, device, directives);
}

async function requestAdapter(options: GPURequestAdapterOptions) {
  try {
    return await navigator.gpu?.requestAdapter(options);
  } catch (error) {
    throw gpuError(error, "requestAdapter");
  }
}

async function requestDevice(adapter: GPUAdapter): Promise<GPUDevice> {
  const requiredLimits = Object.fromEntries(
    wantedLimits.map((name) => [name, adapter.limits[name]]),
  );
  const present = wantedFeatures.filter((name) => adapter.features.has(name));
  let refusal: unknown;
  for (const requiredFeatures of [[...present, ...probedFeatures], present]) {
    try {
      return await adapter.requestDevice({
        requiredFeatures: requiredFeatures as GPUFeatureName[],
        requiredLimits,
      });
    } catch (error) {
      refusal = error;
    }
  }
  throw new UserError(
    `the adapter "${adapter.info.description}" refuses a device: ${messageOf(refusal)}`,
    ExitCode.gpu,
    "a reboot or a newer graphics driver often helps",
  );
}

/** The directives that the device's compiler takes, found out by asking. */
async function directivesOf(device: GPUDevice): Promise<string> {
  if (!device.features.has("subgroups" as GPUFeatureName)) return "";
  const code = `${SUBGROUP_DIRECTIVES}@compute @workgroup_size(1) fn main() {}`;
  device.pushErrorScope("validation");
  device.createShaderModule({ label: "directives", code });
  return await device.popErrorScope() === null ? SUBGROUP_DIRECTIVES : "";
}

class OpenGpu implements Gpu {
  readonly features: ReadonlySet<string>;
  readonly limits: Readonly<Record<LimitName, number>>;
  readonly gathers: boolean;
  readonly target?: TargetName;
  readonly log?: KernelLog;
  readonly subgroupSize: number;
  readonly failure: Promise<UserError>;
  #lost: UserError | undefined;
  #error: UserError | undefined;
  #destroyed = false;
  readonly #report: (error: UserError) => void;

  constructor(
    info: GPUAdapterInfo,
    readonly adapter: AdapterName,
    readonly isCpu: boolean,
    readonly facts: AdapterFacts,
    readonly tuning: ReadonlyMap<string, string>,
    { gathers = false, target, log }: GpuOptions,
    readonly device: GPUDevice,
    readonly directives: string,
  ) {
    this.gathers = isCpu && gathers;
    this.target = target;
    this.log = log;
    this.features = new Set(device.features);
    this.limits = readLimits(device.limits);
    const uniform = this.features.has("subgroups") && info.subgroupMinSize === info.subgroupMaxSize;
    this.subgroupSize = uniform ? info.subgroupMinSize : 1;

    const { promise, resolve } = Promise.withResolvers<UserError>();
    this.failure = promise;
    this.#report = (error) => {
      if (this.#destroyed) return;
      this.#error ??= error;
      resolve(this.#error);
    };
    guardDevice(device, (error, call) => this.#cause ?? gpuError(error, call));
    device.addEventListener("uncapturederror", (event) => {
      this.#report(gpuError((event as GPUUncapturedErrorEvent).error));
    });
    device.lost.then(({ message }) => {
      // What this program destroyed itself is not lost.
      if (!this.#destroyed) this.#report(this.#lost = lostError(message));
    });
  }

  /** What went wrong before, and is likely why something goes wrong now: the loss first of all. */
  get #cause(): UserError | undefined {
    return this.#lost ?? this.#error;
  }

  check(): void {
    if (this.#cause) throw this.#cause;
  }

  async scoped<T>(label: string, make: () => T): Promise<T> {
    // "internal" is what a driver's shader compiler reports.
    const filters: GPUErrorFilter[] = ["validation", "out-of-memory", "internal"];
    for (const filter of filters) this.device.pushErrorScope(filter);
    let made: T | undefined, thrown: unknown, threw = false;
    try {
      made = make();
    } catch (error) {
      [thrown, threw] = [error, true];
    }
    // The scopes must be popped even so, and all before anything is awaited: other work may open
    // its own in between.
    const errors = await Promise.all(filters.map(() => this.device.popErrorScope()));
    const error = errors.find((error) => error !== null);
    if (!error && !threw) return made as T;
    await nextTurn();
    throw this.#cause ?? gpuError(error ?? thrown, label);
  }

  async settle(): Promise<void> {
    if (this.#lost || this.#destroyed) return;
    await this.device.queue.onSubmittedWorkDone().catch(() => {});
  }

  destroy(): void {
    this.#destroyed = true;
    this.device.destroy();
  }
}

function readLimits(limits: GPUSupportedLimits): Record<LimitName, number> {
  const values: Record<string, number> = {};
  // They are getters of the prototype: neither spread nor Object.keys sees them.
  for (const name in limits) {
    const value = limits[name as LimitName];
    if (typeof value === "number") values[name] = value;
  }
  return values as Record<LimitName, number>;
}
