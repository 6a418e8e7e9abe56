/**
 * Why a GPU that the system knows of does not answer through Vulkan, as far as can be seen from its
 * files, and what to do: a driver, a part of it, a permission, or something that a container was not
 * given. Computing on the processor instead would be slower by a factor of hundreds, and is not done
 * in silence.
 */
import { join } from "node:path";
import { ExitCode, UserError } from "../errors.ts";
import { entries, type HardwareGpu, text } from "./hardware.ts";
import type { System } from "./software.ts";

/** A machine, as far as it matters here. */
export interface Machine {
  readonly system: System;
  readonly isContainer: boolean;
  /** The folder under which its files are. */
  readonly root: string;
  /** Why a shared library can't be loaded, or undefined where it can. */
  readonly refusal: (library: string) => string | undefined;
}

export interface Diagnosis {
  readonly missing: string;
  readonly fix: string;
  /** The packages that bring a software adapter are what is missing. */
  readonly byMesa?: true;
}

/** A GPU that is there and does not answer. */
export class Unanswered extends UserError {
  constructor(gpu: string, readonly diagnosis: Diagnosis) {
    super(
      `${gpu} is in this machine, but does not answer: ${diagnosis.missing}`,
      ExitCode.noAdapter,
      `${diagnosis.fix}; or compute on the processor, with --device cpu`,
    );
  }
}

export function whyUnanswered(gpu: HardwareGpu, machine: Machine): Diagnosis {
  const { vendor } = gpu;
  if (gpu.files.length === 0) {
    return machine.isContainer
      ? { missing: "the container was not given it", fix: containerGiven[vendor] }
      : { missing: "the kernel has no driver for it", fix: kernelDriver[vendor] };
  }
  const ladder = vendor === "NVIDIA" ? nvidia : mesa;
  return ladder(gpu, machine) ?? {
    missing: "the driver is installed, and gives no device",
    fix: "`vulkaninfo --summary` of the package vulkan-tools says what it complains about",
  };
}

const containerGiven = {
  NVIDIA: "start the container with --gpus all -e NVIDIA_DRIVER_CAPABILITIES=all",
  AMD: "start the container with --device /dev/kfd --device /dev/dri",
  Intel: "start the container with --device /dev/dri",
} as const;

const kernelDriver = {
  NVIDIA: "install NVIDIA's driver (Debian: nvidia-driver, Ubuntu: ubuntu-drivers install), reboot",
  AMD: "load the module amdgpu; a newer kernel or linux-firmware may be needed",
  Intel: "load the module i915 or xe; a newer kernel may be needed",
} as const;

/** Where Vulkan's loader looks for what tells it of drivers, and where containers also have it. */
const manifestFolders = [
  "etc/vulkan/icd.d",
  "usr/share/vulkan/icd.d",
  "usr/local/etc/vulkan/icd.d",
  "usr/local/share/vulkan/icd.d",
];
const otherFolders = [
  "usr/local/nvidia/share/vulkan/icd.d",
  "usr/local/nvidia/vulkan/icd.d",
  "run/opengl-driver/share/vulkan/icd.d",
];

const LOADER = "libvulkan.so.1";

function nvidia(_: HardwareGpu, machine: Machine): Diagnosis | undefined {
  const { root, system, refusal, isContainer } = machine;
  const [instance] = entries(root, "proc/driver/nvidia/capabilities")
    .flatMap((gpu) => entries(root, `proc/driver/nvidia/capabilities/${gpu}/mig`))
    .filter((name) => /^gi\d+$/.test(name));
  if (instance) {
    return {
      missing: "it is divided (MIG), and NVIDIA has no Vulkan for divided GPUs",
      fix: "undivide it (nvidia-smi -mig 0), or take another GPU",
    };
  }
  const loader = refusal(LOADER) ? noLoader(system) : undefined;
  const manifest = manifestOf(root, manifestFolders, /nvidia/i);
  if (!manifest) {
    const other = manifestOf(root, otherFolders, /nvidia/i);
    if (other) {
      const [missing, fix] = [
        "its manifest is not where the loader looks",
        `set VK_DRIVER_FILES=/${other}`,
      ];
      return loader
        ? { missing: `${loader.missing}, and ${missing}`, fix: `${loader.fix}, and ${fix}` }
        : { missing, fix };
    }
    return isContainer
      ? {
        missing: "the container was given it for CUDA alone, without the capability graphics",
        fix: containerGiven.NVIDIA,
      }
      : { missing: "the driver's Vulkan part is not installed", fix: nvidiaVulkan(machine) };
  }
  if (loader) return loader;
  const library = libraryOf(root, manifest);
  const reason = refusal(library);
  if (!reason) return undefined;
  // "libX11.so.6: cannot open shared object file"; its own name, where it is itself missing.
  const lacking = /([\w.+-]+\.so[\w.]*): cannot open/.exec(reason)?.[1];
  return lacking && lacking !== library
    ? {
      missing: `its library ${library} needs ${lacking}, which is not there`,
      fix: system.distributions.some((name) => /debian|ubuntu/.test(name))
        ? "install what it needs: apt-get install -y libx11-6 libxext6 libegl1"
        : `install the library ${lacking}`,
    }
    : { missing: `its library ${library} can't be loaded`, fix: nvidiaVulkan(machine) };
}

/** The command that installs NVIDIA's Vulkan driver, of the kernel module's version. */
function nvidiaVulkan({ root, system }: Machine): string {
  const version = /\b(\d+)(\.\d+)+\b/.exec(text(root, "proc/driver/nvidia/version"));
  const sudo = system.isRoot ? "" : "sudo ";
  const [first] = system.distributions;
  if (first === "ubuntu" && version) return `${sudo}apt-get install -y libnvidia-gl-${version[1]}`;
  if (first === "debian") return `${sudo}apt-get install -y nvidia-vulkan-icd`;
  return `install the graphics part of NVIDIA's driver${version ? `, version ${version[0]}` : ""}`;
}

function mesa(gpu: HardwareGpu, { root, system, refusal }: Machine): Diagnosis | undefined {
  const node = gpu.files.find((file) => file.startsWith("dev/dri/"));
  if (!node) {
    return { missing: "the container was given no /dev/dri of it", fix: containerGiven.AMD };
  }
  if (!isReadable(join(root, node))) {
    return {
      missing: `you may not open /${node}`,
      fix: "become a member of the group render (usermod -aG render,video $USER; in a container " +
        "--group-add render)",
    };
  }
  if (refusal(LOADER)) return { ...noLoader(system), byMesa: true };
  const names = gpu.vendor === "AMD" ? /radeon|amd/i : /intel/i;
  if (!manifestOf(root, manifestFolders, names)) {
    return {
      missing: "Mesa's Vulkan driver is not installed",
      fix: "install mesa-vulkan-drivers (Arch: vulkan-radeon or vulkan-intel)",
      byMesa: true,
    };
  }
  return {
    missing: "Mesa's Vulkan driver is installed, and does not take it",
    fix: "install a newer Mesa; `vulkaninfo --summary` says what the driver complains about",
  };
}

const noLoader = ({ distributions, isRoot }: System): Diagnosis => ({
  missing: "Vulkan's loader (libvulkan.so.1) is not installed",
  fix: distributions.some((name) => name === "debian" || name === "ubuntu")
    ? `${isRoot ? "" : "sudo "}apt-get install -y libvulkan1`
    : "install it: the package is called vulkan-loader or vulkan-icd-loader",
});

function manifestOf(root: string, folders: readonly string[], name: RegExp): string | undefined {
  return folders.flatMap((folder) => entries(root, folder).map((file) => `${folder}/${file}`))
    .find((path) => /\.json$/.test(path) && name.test(path.slice(path.lastIndexOf("/"))));
}

function libraryOf(root: string, manifest: string): string {
  const found = /"library_path"\s*:\s*"([^"]+)"/.exec(text(root, manifest));
  return found?.[1] ?? "libGLX_nvidia.so.0";
}

function isReadable(path: string): boolean {
  try {
    Deno.openSync(path, { read: true, write: true }).close();
    return true;
  } catch (error) {
    return !(error instanceof Deno.errors.PermissionDenied);
  }
}

/** Why the system's linker does not load a library. */
export function loadingError(library: string): string | undefined {
  try {
    Deno.dlopen(library, {}).close();
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
