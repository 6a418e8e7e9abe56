/**
 * The GPUs that a Linux system knows of, whether their Vulkan driver answers or not: on the PCI bus,
 * and as files of the kernel's drivers, which are all that a container is given of them.
 */
import { join } from "node:path";

export type GpuVendor = "NVIDIA" | "AMD" | "Intel";

export interface HardwareGpu {
  readonly vendor: GpuVendor;
  /** Its number on the PCI bus, by which Vulkan names it too. */
  readonly vendorId: number;
  /** "NVIDIA H100 80GB HBM3", or the PCI address where the driver tells no name. */
  readonly name: string;
  /** The files by which a process reaches it; none where the kernel's driver or the container has none. */
  readonly files: readonly string[];
}

const vendorIds = { NVIDIA: 0x10de, AMD: 0x1002, Intel: 0x8086 } as const;

const vendorOf = (id: number) =>
  (Object.keys(vendorIds) as GpuVendor[]).find((vendor) => vendorIds[vendor] === id);

/** PCI classes of display controllers and of processing accelerators. */
const GPU_CLASSES = /^0x(03|12)/;

/** @param root under which the system's folders are looked for */
export function hardwareGpus(root = "/"): HardwareGpu[] {
  if (Deno.build.os !== "linux") return [];
  const onBus = entries(root, "sys/bus/pci/devices").flatMap((address): HardwareGpu[] => {
    const fact = (name: string) => text(root, `sys/bus/pci/devices/${address}/${name}`);
    const vendorId = Number(fact("vendor"));
    const vendor = vendorOf(vendorId);
    if (!vendor || !GPU_CLASSES.test(fact("class"))) return [];
    const model = /^Model:\s*(.*)$/m.exec(
      text(root, `proc/driver/nvidia/gpus/${address}/information`),
    )?.[1];
    const nodes = entries(root, `sys/bus/pci/devices/${address}/drm`)
      .filter((name) => name.startsWith("renderD")).map((name) => `dev/dri/${name}`);
    const own = vendor === "NVIDIA" ? ["dev/nvidiactl"] : nodes;
    return [{
      vendor,
      vendorId,
      name: model ?? `${vendor} ${address}`,
      files: existing(root, own),
    }];
  });
  const known = new Set(onBus.map(({ vendor }) => vendor));
  // A sandbox may hide the bus and yet hand out the files.
  const bare = ([["NVIDIA", "dev/nvidiactl"], ["AMD", "dev/kfd"]] as const)
    .filter(([vendor]) => !known.has(vendor))
    .map(([vendor, file]): HardwareGpu => ({
      ...{ vendor, vendorId: vendorIds[vendor], name: `${vendor} GPU` },
      files: existing(root, [file]),
    }));
  return [...onBus, ...bare.filter(({ files }) => files.length > 0)];
}

/** Whether this process lives in a container, where a device may be the host's alone. */
export const isContainer = (root = "/"): boolean =>
  existing(root, [".dockerenv", "run/.containerenv"]).length > 0 ||
  Deno.env.has("container") || Deno.env.has("KUBERNETES_SERVICE_HOST");

/** The names in a folder; none where it can't be read. */
export function entries(root: string, path: string): string[] {
  try {
    return [...Deno.readDirSync(join(root, path))].map(({ name }) => name).sort();
  } catch {
    return [];
  }
}

/** A file's text without space around it; "" where it can't be read. */
export function text(root: string, path: string): string {
  try {
    return Deno.readTextFileSync(join(root, path)).trim();
  } catch {
    return "";
  }
}

export const existing = (root: string, paths: readonly string[]): string[] =>
  paths.filter((path) => {
    try {
      Deno.statSync(join(root, path));
      return true;
    } catch {
      return false;
    }
  });
