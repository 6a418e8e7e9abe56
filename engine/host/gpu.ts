/**
 * The GPU as this machine has it: `requestGpu` with what only Deno can tell, environment variables,
 * the devices and their memory, the processor, the tuned kernels on disk. A page in a browser calls
 * `requestGpu` itself.
 *
 * MODEL_DOCTOR_DEVICE names the device, where the program does not; MODEL_DOCTOR_TARGET=gpu or plain
 * takes the kernels for GPUs, or those for any device, whatever the adapter is; `adapter` lets it
 * decide, as does an unset variable. MODEL_DOCTOR_DEBUG prints kernels: kernel_log.ts.
 */
import { ExitCode, UserError } from "../errors.ts";
import { type Gpu, type GpuOptions, requestGpu } from "../gpu/adapter.ts";
import type { AdapterFacts, AdapterName } from "../gpu/adapter_name.ts";
import { namedTargets, type TargetName } from "../gpu/kernels/target.ts";
import { variantsOf } from "../gpu/tuning.ts";
import { printable } from "../printable.ts";
import { backendVariables } from "./backend.ts";
import { CPU, requireFirst } from "./device.ts";
import { type Diagnosis, loadingError, Unanswered, whyUnanswered } from "./drivers.ts";
import { debugLevel, kernelLog } from "./kernel_log.ts";
import { type HardwareGpu, hardwareGpus, isContainer } from "./hardware.ts";
import { gathersQuickly, softwareVariables, thisProcessor } from "./processor.ts";
import { adapterHint, driverChoice, thisSystem } from "./software.ts";
import { readTuning, tuningKey } from "./tuning.ts";
import { type VulkanDevice, vulkanDevices } from "./vulkan.ts";

/**
 * A device on the adapter that is named, or on the most powerful one of this machine.
 *
 * @param named "cpu" for the software adapter, or a device's number, PCI address or a part of its
 * name; see device.ts
 * @throws UserError (noAdapter) with what to install on the system at hand; Unanswered (noAdapter)
 * where there is a GPU whose driver does not answer, and none was named; OtherEnvironment (noAdapter)
 * where the device is to be had by another process; (gpu) where the adapter refuses a device; (usage)
 * where there is no such device, or a variable has a value that means nothing
 */
export async function openGpu(
  named: string | undefined = Deno.env.get("MODEL_DOCTOR_DEVICE"),
): Promise<Gpu> {
  prepareEnvironment();
  const target = targetByName(Deno.env.get("MODEL_DOCTOR_TARGET"));
  const devices = once(vulkanDevices);
  const chosen = named && named !== CPU ? chosenDevice(named, devices()) : undefined;
  const gpu = await request({
    ...named && { adapter: { forceFallbackAdapter: named === CPU } },
    ...{
      backend: Deno.env.get("DENO_WEBGPU_BACKEND"),
      gathers: gathersQuickly(processor()),
      target,
      log: kernelLog(debugLevel(Deno.env.get("MODEL_DOCTOR_DEBUG"))),
    },
    tuning: tunedVariants,
    facts: ({ name }, isCpu) =>
      isCpu
        ? { memory: Deno.systemMemoryInfo().available }
        : factsOf(chosen ?? devices()?.find((device) => device.name === name)),
  }, named);
  if (!named) {
    try {
      reportSilent(silentGpus(devices), gpu);
    } catch (error) {
      gpu.destroy();
      throw error;
    }
  }
  return gpu;
}

/** What is asked at most once. */
function once<T>(ask: () => T): () => T {
  let asked: { readonly answer: T } | undefined;
  return () => (asked ??= { answer: ask() }).answer;
}

/** `requestGpu`, which says what to do on this system where no adapter answers. */
async function request(options: GpuOptions, named: string | undefined): Promise<Gpu> {
  try {
    return await requestGpu(options);
  } catch (error) {
    if (!(error instanceof UserError) || error.exitCode !== ExitCode.noAdapter) throw error;
    if (!named) reportSilent(silentGpus(() => []));
    throw new UserError(error.message, error.exitCode, adapterHint());
  }
}

/** @throws what `requireFirst` does; UserError (usage) where the system has no list of devices */
function chosenDevice(named: string, devices: readonly VulkanDevice[] | undefined): VulkanDevice {
  if (devices) return requireFirst(named, devices, environment());
  throw new UserError(
    `the device ${named} can't be chosen: there is no loader of Vulkan's that lists the devices`,
    ExitCode.usage,
    `without a choice the strongest is taken; "${CPU}" is the software adapter`,
  );
}

const factsOf = (device?: VulkanDevice): AdapterFacts =>
  device
    ? {
      memory: device.free ?? device.memory,
      processors: device.processors,
      driver: device.driver,
      pci: device.pci,
    }
    : {};

/** A GPU that is in this machine, of which no driver answers, and why. */
export interface SilentGpu {
  readonly gpu: HardwareGpu;
  readonly diagnosis: Diagnosis;
  /** The machine has it, and this container was not given it. */
  readonly isOthers: boolean;
}

/** What there is to compute on: what Vulkan lists, if anything does, and what it should list. */
export function machineDevices() {
  prepareEnvironment();
  const devices = vulkanDevices();
  return { devices, silent: silentGpus(() => devices) };
}

function silentGpus(devices: () => readonly VulkanDevice[] | undefined): SilentGpu[] {
  const system = thisSystem();
  const hardware = driverChoice(system) ? [] : hardwareGpus();
  if (hardware.length === 0) return [];
  const answering = new Set(devices()?.map(({ vendorId }) => vendorId));
  const machine = {
    ...{ system, root: "/", refusal: loadingError },
    isContainer: isContainer(),
  };
  return hardware.filter(({ vendorId }) => !answering.has(vendorId)).map((gpu) => ({
    gpu,
    diagnosis: whyUnanswered(gpu, machine),
    isOthers: machine.isContainer && gpu.files.length === 0,
  }));
}

/**
 * Tells of GPUs of which no driver answers, though they are this process's.
 * @param gpu what is computed on, if anything answers
 * @throws Unanswered (noAdapter) where that is the processor
 */
function reportSilent(silent: readonly SilentGpu[], gpu?: Gpu): void {
  for (const of of silent.filter(({ isOthers }) => !isOthers)) {
    if (gpu === undefined || gpu.isCpu) throw new Unanswered(of.gpu.name, of.diagnosis);
    warn(describeSilent(of));
  }
}

export const describeSilent = ({ gpu, diagnosis: { missing, fix } }: SilentGpu): string =>
  `${gpu.name} does not answer: ${missing}. To mend it: ${fix}.`;

const warn = (message: string): void => console.warn(`warning: ${printable(message)}`);

const processor = once(thisProcessor);

function prepareEnvironment(): void {
  const variables = {
    ...backendVariables(Deno.build.os, environment(), warn),
    ...softwareVariables(processor(), environment()),
  };
  for (const [name, value] of Object.entries(variables)) Deno.env.set(name, value);
  // Mesa's drivers look for a display even for computing, and complain on stderr where they are
  // not told where to look. This is where systemd puts it; there need be nothing there.
  if (Deno.build.os === "linux" && !Deno.env.get("XDG_RUNTIME_DIR")) {
    Deno.env.set("XDG_RUNTIME_DIR", `/run/user/${Deno.uid()}`);
  }
}

const environment = () => Deno.env.toObject();

function targetByName(name: string | undefined): TargetName | undefined {
  if (!name || name === "adapter") return undefined;
  if (Object.hasOwn(namedTargets, name)) return name as TargetName;
  throw new UserError(
    `MODEL_DOCTOR_TARGET is "${name}", and there are no such kernels`,
    ExitCode.usage,
    `set it to ${Object.keys(namedTargets).join(" or ")}, or to adapter to let the adapter decide`,
  );
}

const tunedVariants = async (adapter: AdapterName, facts: AdapterFacts) =>
  variantsOf(await readTuning(await tuningKey({ adapter, facts })));
