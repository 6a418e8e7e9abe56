/**
 * The devices that Vulkan's loader lists, which WebGPU does not: it hands out one, and neither how
 * much memory that has nor how many others there are. The loader's library is asked by FFI, with an
 * instance that lives as long as the question.
 *
 * Offsets and sizes are those of the C structures of vulkan_core.h on 64 bits, which are frozen.
 */

export interface VulkanDevice {
  /** Whether the loader lists it first, and so a program that has no wish takes it. */
  readonly isFirst: boolean;
  readonly name: string;
  readonly kind: "other" | "integrated" | "discrete" | "virtual" | "CPU";
  /** PCI numbers, or those that Khronos gave to a vendor without. */
  readonly vendorId: number;
  readonly deviceId: number;
  /** "0000:01:00.0", where the driver tells. */
  readonly pci?: string;
  /** "NVIDIA 550.54.14", "llvmpipe Mesa 22.3.6" */
  readonly driver: string;
  /** Bytes of the device's own memory, and those that this process may still take, where told. */
  readonly memory: number;
  readonly free?: number;
  /** Multiprocessors, or what the vendor calls so, where the driver tells. */
  readonly processors?: number;
}

const libraries: Partial<Record<typeof Deno.build.os, string>> = {
  linux: "libvulkan.so.1",
  windows: "vulkan-1.dll",
};

const symbols = {
  vkCreateInstance: { parameters: ["buffer", "pointer", "buffer"], result: "i32" },
  vkDestroyInstance: { parameters: ["pointer", "pointer"], result: "void" },
  vkEnumeratePhysicalDevices: { parameters: ["pointer", "buffer", "buffer"], result: "i32" },
  vkEnumerateDeviceExtensionProperties: {
    parameters: ["pointer", "pointer", "buffer", "buffer"],
    result: "i32",
  },
  vkGetPhysicalDeviceProperties2: { parameters: ["pointer", "buffer"], result: "void" },
  vkGetPhysicalDeviceMemoryProperties2: { parameters: ["pointer", "buffer"], result: "void" },
} as const satisfies Deno.ForeignLibraryInterface;
type Library = Deno.DynamicLibrary<typeof symbols>["symbols"];

/**
 * The devices, GPUs of their own first, or undefined where there is no loader to ask. The order is
 * the same whatever the loader's variables put first, so that a place in it can name a device.
 */
export function vulkanDevices(): VulkanDevice[] | undefined {
  const name = libraries[Deno.build.os];
  // Deno would ask on the terminal.
  if (!name || Deno.permissions.querySync({ name: "ffi" }).state !== "granted") return undefined;
  let library: Deno.DynamicLibrary<typeof symbols>;
  try {
    library = Deno.dlopen(name, symbols);
  } catch {
    return undefined;
  }
  try {
    const devices = withInstance(
      library.symbols,
      (instance) =>
        physicalDevices(library.symbols, instance)
          .map((device, place) => describe(library.symbols, device, place === 0)),
    ) ?? [];
    return devices.sort((a, b) => (rankOf(a) < rankOf(b) ? -1 : 1));
  } finally {
    library.close();
  }
}

const SUCCESS = 0;
const VULKAN_1_1 = (1 << 22) | (1 << 12);
const VULKAN_1_2 = (1 << 22) | (2 << 12);

function withInstance<T>(
  library: Library,
  use: (instance: Deno.PointerObject) => T,
): T | undefined {
  const application = structure(0, 48);
  application.setUint32(44, VULKAN_1_1, true);
  const create = structure(1, 64);
  create.setBigUint64(24, addressOf(application), true);
  const handle = new BigUint64Array(1);
  if (library.vkCreateInstance(create.buffer, null, handle.buffer) !== SUCCESS) return undefined;
  const instance = Deno.UnsafePointer.create(handle[0])!;
  try {
    return use(instance);
  } finally {
    library.vkDestroyInstance(instance, null);
  }
}

function physicalDevices(library: Library, instance: Deno.PointerObject): Deno.PointerObject[] {
  const count = new Uint32Array(1);
  // Without a driver this fails.
  const ask = (handles: BigUint64Array<ArrayBuffer> | null) =>
    library.vkEnumeratePhysicalDevices(instance, count.buffer, handles && handles.buffer);
  if (ask(null) !== SUCCESS) return [];
  const handles = new BigUint64Array(count[0]);
  ask(handles);
  return [...handles.subarray(0, count[0])].map((handle) => Deno.UnsafePointer.create(handle)!);
}

const order = ["discrete", "integrated", "virtual", "other", "CPU"];

const rankOf = ({ kind, pci = "", vendorId, deviceId, name }: VulkanDevice): string =>
  [order.indexOf(kind), pci, vendorId, deviceId, name].join(" ");

const kinds = ["other", "integrated", "discrete", "virtual", "CPU"] as const;

function describe(
  library: Library,
  device: Deno.PointerObject,
  isFirst: boolean,
): VulkanDevice {
  const extensions = extensionsOf(library, device);
  const properties = structure(1000059001, 16 + 824);
  library.vkGetPhysicalDeviceProperties2(device, properties.buffer);
  const isRecent = properties.getUint32(16, true) >= VULKAN_1_2;

  /** What an extension adds to the properties. */
  const further = (extension: string, type: number, size: number) => {
    if (!extensions.has(extension)) return undefined;
    const part = structure(type, size);
    const whole = structure(1000059001, 16 + 824);
    whole.setBigUint64(8, addressOf(part), true);
    library.vkGetPhysicalDeviceProperties2(device, whole.buffer);
    return part;
  };
  if (isRecent) extensions.add("VK_KHR_driver_properties");
  const driver = further("VK_KHR_driver_properties", 1000196000, 536);
  const pci = further("VK_EXT_pci_bus_info", 1000212000, 32);
  const nvidia = further("VK_NV_shader_sm_builtins", 1000154001, 24);
  const amd = further("VK_AMD_shader_core_properties2", 1000227000, 24);
  return {
    isFirst,
    name: textAt(properties, 16 + 20),
    kind: kinds[properties.getUint32(16 + 16, true)] ?? "other",
    vendorId: properties.getUint32(16 + 8, true),
    deviceId: properties.getUint32(16 + 12, true),
    ...pci && { pci: pciAddress(pci) },
    driver: driver ? `${textAt(driver, 20)} ${textAt(driver, 276)}`.trim() : "",
    ...memoryOf(library, device, extensions.has("VK_EXT_memory_budget")),
    processors: nvidia?.getUint32(16, true) ?? amd?.getUint32(20, true),
  };
}

function extensionsOf(library: Library, device: Deno.PointerObject): Set<string> {
  const count = new Uint32Array(1);
  const ask = (properties: ArrayBuffer | null) =>
    library.vkEnumerateDeviceExtensionProperties(device, null, count.buffer, properties);
  if (ask(null) !== SUCCESS) return new Set();
  const size = 260;
  const properties = new DataView(new ArrayBuffer(size * count[0]));
  ask(properties.buffer);
  return new Set(Array.from({ length: count[0] }, (_, i) => textAt(properties, size * i)));
}

const DEVICE_LOCAL = 1;

function memoryOf(library: Library, device: Deno.PointerObject, hasBudget: boolean) {
  const properties = structure(1000059006, 16 + 520);
  const budget = structure(1000237000, 16 + 256);
  if (hasBudget) properties.setBigUint64(8, addressOf(budget), true);
  library.vkGetPhysicalDeviceMemoryProperties2(device, properties.buffer);
  const heaps = Array.from({ length: properties.getUint32(16 + 260, true) }, (_, i) => ({
    size: Number(properties.getBigUint64(16 + 264 + 16 * i, true)),
    isLocal: (properties.getUint32(16 + 264 + 16 * i + 8, true) & DEVICE_LOCAL) !== 0,
    free: Number(
      budget.getBigUint64(16 + 8 * i, true) - budget.getBigUint64(16 + 128 + 8 * i, true),
    ),
  }));
  // A part of it that the host sees may be a heap of its own.
  const local = heaps.filter(({ isLocal }) => isLocal);
  const largest = local.reduce((a, b) => (b.size > a.size ? b : a), { size: 0, free: 0 });
  return { memory: largest.size, ...hasBudget && { free: Math.max(0, largest.free) } };
}

/** A structure of Vulkan's that is all zeros but for its type. */
function structure(type: number, bytes: number): DataView<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(bytes));
  view.setUint32(0, type, true);
  return view;
}

const addressOf = (view: DataView<ArrayBuffer>): bigint =>
  BigInt(Deno.UnsafePointer.value(Deno.UnsafePointer.of(view)));

function textAt(view: DataView<ArrayBuffer>, offset: number): string {
  const bytes = new Uint8Array(view.buffer, offset, 256);
  return new TextDecoder().decode(bytes.subarray(0, bytes.indexOf(0)));
}

function pciAddress(view: DataView<ArrayBuffer>): string {
  const hex = (offset: number, digits: number) =>
    view.getUint32(offset, true).toString(16).padStart(digits, "0");
  return `${hex(16, 4)}:${hex(20, 2)}:${hex(24, 2)}.${hex(28, 1)}`;
}
