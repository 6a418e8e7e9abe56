/**
 * Which of a machine's devices is computed on. WebGPU gives the strongest, or the first of Vulkan's
 * loader, and no list: to choose another, the loader must list it first, which it decides once in a
 * process, by variables of its environment.
 */
import { ExitCode, UserError } from "../errors.ts";
import type { VulkanDevice } from "./vulkan.ts";

/** What names the software adapter, whatever it is called. */
export const CPU = "cpu";

/** The device is to be had in a process that is started with these variables. */
export class OtherEnvironment extends UserError {
  constructor(message: string, readonly environment: Readonly<Record<string, string>>) {
    const variables = Object.entries(environment).map(([name, value]) => `${name}=${value}`);
    super(message, ExitCode.noAdapter, `start the program with ${variables.join(" ")}`);
  }
}

/**
 * The device that a text names: by its number in the list, its PCI address, or a part of its name.
 * @throws UserError (usage) where it names none or several
 */
export function deviceNamed(text: string, devices: readonly VulkanDevice[]): VulkanDevice {
  const list = devices.map(({ name }, i) => `${i} (${name})`).join(", ");
  const hint = `the devices are ${list}, and ${CPU}; deno task info --all tells more of each`;
  const named = /^\d+$/.test(text)
    ? devices.slice(Number(text), Number(text) + 1)
    : devices.filter(({ name, pci }) =>
      pci === text || name.toLowerCase().includes(text.toLowerCase())
    );
  if (named.length === 1) return named[0];
  throw new UserError(
    named.length === 0
      ? `there is no device ${text}`
      : `the device ${text} may be any of ${named.map((of) => devices.indexOf(of)).join(", ")}`,
    ExitCode.usage,
    devices.length === 0 ? "Vulkan's loader lists no device at all" : hint,
  );
}

/**
 * The variables by which Vulkan's loader lists the device first: VK_LOADER_DEVICE_SELECT is the
 * loader's own, the others are of the layer that comes with Mesa's drivers and is for every
 * vendor's devices. Those that are alike are told apart by their PCI address.
 * @throws UserError (noAdapter) where nothing tells the device from another
 */
export function listedFirst(
  device: VulkanDevice,
  devices: readonly VulkanDevice[],
): Record<string, string> {
  const hex = (id: number) => id.toString(16).padStart(4, "0");
  const kindOf = ({ vendorId, deviceId }: VulkanDevice) => `${hex(vendorId)}:${hex(deviceId)}`;
  const kind = kindOf(device);
  if (devices.filter((other) => kindOf(other) === kind).length === 1) {
    return { VK_LOADER_DEVICE_SELECT: kind, MESA_VK_DEVICE_SELECT: kind };
  }
  if (device.pci) return { DRI_PRIME: `pci-${device.pci.replace(/[:.]/g, "_")}` };
  throw new UserError(
    `the device ${devices.indexOf(device)}, ${device.name}, can't be told from another: neither ` +
      "has a PCI address",
    ExitCode.noAdapter,
    "let the process see that device alone, for example by what the container is given",
  );
}

/**
 * The device that `text` names, where the loader of this process lists it first.
 * @param environment of this process
 * @throws OtherEnvironment where it would in another process; UserError (usage, noAdapter)
 */
export function requireFirst(
  text: string,
  devices: readonly VulkanDevice[],
  environment: Readonly<Record<string, string | undefined>>,
): VulkanDevice {
  const device = deviceNamed(text, devices);
  if (device.isFirst) return device;
  const what = `the device ${text}, ${device.name}, is not the first that Vulkan's loader lists`;
  const variables = listedFirst(device, devices);
  if (Object.entries(variables).every(([name, value]) => environment[name] === value)) {
    throw new UserError(
      `${what}, although its variables say so`,
      ExitCode.noAdapter,
      "devices that are alike are told apart by a layer of Mesa's: install its Vulkan drivers " +
        "(mesa-vulkan-drivers), or let the process see that device alone",
    );
  }
  throw new OtherEnvironment(what, variables);
}
