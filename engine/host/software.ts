/**
 * A software adapter for machines without a GPU: Mesa's lavapipe, a Vulkan driver that computes
 * on the CPU. Which packages bring it, how they are installed, and whether that may be done here.
 */
import { ExitCode, UserError } from "../errors.ts";

/** The system, as far as it matters for installing a driver. */
export interface System {
  /** Deno.build.os */
  readonly os: string;
  /** ID and ID_LIKE of /etc/os-release: ["ubuntu", "debian"]; [] where there is none. */
  readonly distributions: readonly string[];
  readonly isRoot: boolean;
  /** Variables that decide which drivers are asked at all. */
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/** The system at hand. */
export function thisSystem(): System {
  let release = "";
  try {
    release = Deno.readTextFileSync("/etc/os-release");
  } catch { /* a system without: no distribution is known */ }
  return {
    os: Deno.build.os,
    distributions: distributionsOf(release),
    isRoot: Deno.uid() === 0,
    environment: Deno.env.toObject(),
  };
}

/** The values of ID and ID_LIKE in the text of an os-release file, the own name first. */
export function distributionsOf(release: string): string[] {
  const value = (key: string) =>
    release.match(new RegExp(`^${key}=["']?([^"'\n]*)`, "m"))?.[1].split(/\s+/) ?? [];
  return [...value("ID"), ...value("ID_LIKE")].filter((name) => name !== "");
}

const isDebian = ({ os, distributions }: System): boolean =>
  os === "linux" && distributions.some((name) => name === "debian" || name === "ubuntu");

const debianPackages = ["mesa-vulkan-drivers", "libvulkan1"];

/** The commands that install the driver on Debian and its descendants, as root. */
const debianCommands: readonly (readonly string[])[] = [
  ["apt-get", "update"],
  ["apt-get", "install", "-y", "--no-install-recommends", ...debianPackages],
];

/** The same for other distributions, with `sudo` where it is needed. */
const otherCommands: readonly (readonly [names: string, command: string])[] = [
  ["fedora rhel centos", "dnf install -y mesa-vulkan-drivers vulkan-loader"],
  ["arch", "pacman -S --needed vulkan-swrast vulkan-icd-loader"],
  ["alpine", "apk add mesa-vulkan-swrast vulkan-loader"],
  ["opensuse suse", "zypper install -y libvulkan_lvp libvulkan1"],
];

/** The command that brings a software adapter to a Linux system, or undefined where unknown. */
export function installCommand(system: System): string | undefined {
  if (system.os !== "linux") return undefined;
  const sudo = system.isRoot ? "" : "sudo ";
  if (isDebian(system)) {
    return debianCommands.map((command) => sudo + command.join(" ")).join(" && ");
  }
  const known = otherCommands.find(([names]) =>
    names.split(" ").some((name) => system.distributions.includes(name))
  );
  return known && sudo + known[1];
}

/** What to do where no adapter answers. */
export function adapterHint(system: System = thisSystem()): string {
  const choice = driverChoice(system);
  if (choice) return `${choice} decides which drivers are asked: unset it`;
  if (system.os === "darwin") {
    return "Metal is a part of macOS; in a virtual machine, give it a graphics device";
  }
  if (system.os === "windows") {
    return "Direct3D 12 is a part of Windows 10 and later and has a software adapter (WARP); " +
      "update Windows or the graphics driver";
  }
  const command = installCommand(system);
  return command
    ? `install a software adapter: ${command}`
    : "install Mesa's software Vulkan driver (lavapipe) and the Vulkan loader (libvulkan.so.1)";
}

/** "NAME=value" of the variable by which the user chose other drivers than all of Vulkan's. */
export function driverChoice({ os, environment }: System): string | undefined {
  const named = (name: string) => environment[name] ? `${name}=${environment[name]}` : undefined;
  const backends = environment.DENO_WEBGPU_BACKEND?.split(",") ?? [];
  const installable = os === "linux" && backends.includes("vulkan");
  return (installable ? undefined : named("DENO_WEBGPU_BACKEND")) ??
    named("VK_DRIVER_FILES") ?? named("VK_ICD_FILENAMES");
}

/**
 * Whether the driver can be installed here: a Debian-like Linux, as root, where neither drivers
 * were chosen by a variable nor MODEL_DOCTOR_NO_INSTALL is set.
 */
export const canInstall = (system: System = thisSystem()): boolean =>
  isDebian(system) && system.isRoot && driverChoice(system) === undefined &&
  !system.environment.MODEL_DOCTOR_NO_INSTALL;

/**
 * Installs the driver by apt-get, telling each command before it runs. Deno looks for drivers
 * once in a process: only a new process sees the adapter.
 *
 * @param tell is given each line for the user
 * @throws UserError (noAdapter) with what apt-get complained of
 */
export async function installSoftwareAdapter(tell: (line: string) => void): Promise<void> {
  const outcomes: Outcome[] = [];
  for (const command of debianCommands) {
    tell(`$ ${command.join(" ")}`);
    outcomes.push(await run(command));
  }
  // `update` also fails when one of many sources does: only the last command decides.
  const last = outcomes.at(-1)!;
  if (last.success) return;
  throw new UserError(
    `no software adapter could be installed: "${last.command}" failed\n` +
      complaints(outcomes.map(({ output }) => output).join("\n")),
    ExitCode.noAdapter,
    "apt-get needs the network and a writable system; once it works, give the same command again",
  );
}

interface Outcome {
  readonly command: string;
  readonly success: boolean;
  readonly output: string;
}

async function run([program, ...args]: readonly string[]): Promise<Outcome> {
  const command = [program, ...args].join(" ");
  try {
    const { success, stdout, stderr } = await new Deno.Command(program, {
      args,
      stdin: "null",
      env: { DEBIAN_FRONTEND: "noninteractive", LC_ALL: "C.UTF-8" },
    }).output();
    const decoder = new TextDecoder();
    return { command, success, output: decoder.decode(stdout) + decoder.decode(stderr) };
  } catch (error) {
    return { command, success: false, output: String(error) };
  }
}

/** What apt-get complained of ("E: ...", "W: ..."), or else its last lines. */
function complaints(output: string): string {
  const lines = output.split("\n").filter((line) => line.trim() !== "");
  const complaining = lines.filter((line) => /^[EW]: /.test(line));
  return (complaining.length > 0 ? complaining : lines).slice(-8).map((line) => `  ${line}`).join(
    "\n",
  );
}
