/** Which devices there are, which of them is chosen, and why one does not answer. */
import assert from "node:assert/strict";
import { dirname, join } from "node:path";
import { ExitCode, UserError } from "../engine/errors.ts";
import { backendVariables } from "../engine/host/backend.ts";
import { deviceNamed, OtherEnvironment, requireFirst } from "../engine/host/device.ts";
import { type Machine, whyUnanswered } from "../engine/host/drivers.ts";
import { hardwareGpus } from "../engine/host/hardware.ts";
import type { System } from "../engine/host/software.ts";
import { type VulkanDevice, vulkanDevices } from "../engine/host/vulkan.ts";
import { cli } from "./support/cli.ts";
import { testGpu } from "./support/gpu.ts";
import { inFolder } from "./support/io.ts";

const onLinux = { ignore: Deno.build.os !== "linux" };
const lavapipe = "/usr/share/vulkan/icd.d/lvp_icd.x86_64.json";
const onLavapipe = {
  ignore: !(await testGpu()).isCpu || !await Deno.stat(lavapipe).then(() => true, () => false),
};

/** A folder with a machine's files; a path that ends in / is an empty folder. */
const withFiles = (
  files: Readonly<Record<string, string>>,
  test: (root: string) => void | Promise<void>,
) =>
  inFolder(async (root) => {
    for (const [path, text] of Object.entries(files)) {
      await Deno.mkdir(join(root, path.endsWith("/") ? path : dirname(path)), { recursive: true });
      if (!path.endsWith("/")) await Deno.writeTextFile(join(root, path), text);
    }
    await test(root);
  });

const onBus = (address: string, vendor: string, kind = "0x030200") => ({
  [`sys/bus/pci/devices/${address}/vendor`]: `${vendor}\n`,
  [`sys/bus/pci/devices/${address}/class`]: `${kind}\n`,
});
const H100 = {
  ...onBus("0000:0a:00.0", "0x10de"),
  "dev/nvidiactl": "",
  "proc/driver/nvidia/version": "NVRM version: NVIDIA UNIX x86_64 Kernel Module  550.54.14  Thu",
  "proc/driver/nvidia/gpus/0000:0a:00.0/information": "Model: \t\t NVIDIA H100 80GB HBM3\nIRQ: 1\n",
};
const RADEON = {
  ...onBus("0000:03:00.0", "0x1002", "0x030000"),
  "sys/bus/pci/devices/0000:03:00.0/drm/renderD128/": "",
  "sys/bus/pci/devices/0000:03:00.0/drm/card0/": "",
  "dev/dri/renderD128": "",
  "dev/kfd": "",
};
const MANIFEST = { "ICD": { "library_path": "libGLX_nvidia.so.0" } };

Deno.test({
  ...onLinux,
  name: "hardwareGpus: GPUs on the bus and by their files, and nothing else that shows pictures",
  fn: async () => {
    const server = onBus("0000:02:00.0", "0x1a03", "0x030000");
    const network = onBus("0000:05:00.0", "0x8086", "0x020000");
    await withFiles({ ...server, ...network }, (root) => assert.deepEqual(hardwareGpus(root), []));
    await withFiles({ ...H100, ...server, ...RADEON }, (root) =>
      assert.deepEqual(
        hardwareGpus(root).map(({ vendor, name, files }) => [vendor, name, ...files]),
        [
          ["AMD", "AMD 0000:03:00.0", "dev/dri/renderD128"],
          ["NVIDIA", "NVIDIA H100 80GB HBM3", "dev/nvidiactl"],
        ],
      ));
    await withFiles({ "dev/nvidiactl": "" }, (root) =>
      assert.deepEqual(hardwareGpus(root), [
        { vendor: "NVIDIA", vendorId: 0x10de, name: "NVIDIA GPU", files: ["dev/nvidiactl"] },
      ]));
  },
});

const debian: System = {
  ...{ os: "linux", distributions: ["debian"], isRoot: true },
  environment: { DENO_WEBGPU_BACKEND: "vulkan" },
};
const ubuntu: System = { ...debian, distributions: ["ubuntu", "debian"], isRoot: false };

interface Case {
  readonly name: string;
  readonly files: Readonly<Record<string, string>>;
  readonly machine?: Partial<Machine>;
  readonly missing: RegExp;
  readonly fix: RegExp;
}

const manifest = JSON.stringify(MANIFEST);
const cannotOpen = (library: string) => () => `${library}: cannot open shared object file: No such`;
const cases: readonly Case[] = [
  {
    name: "a container with CUDA alone",
    files: H100,
    machine: { isContainer: true },
    missing: /CUDA alone, without the capability graphics/,
    fix: /-e NVIDIA_DRIVER_CAPABILITIES=all/,
  },
  {
    name: "a container that was given no GPU",
    files: onBus("0000:0a:00.0", "0x10de"),
    machine: { isContainer: true },
    missing: /was not given it/,
    fix: /--gpus all/,
  },
  {
    name: "no kernel driver",
    files: onBus("0000:0a:00.0", "0x10de"),
    missing: /kernel has no driver/,
    fix: /nvidia-driver/,
  },
  {
    name: "a headless driver of Ubuntu",
    files: H100,
    machine: { system: ubuntu },
    missing: /Vulkan part is not installed/,
    fix: /^sudo apt-get install -y libnvidia-gl-550$/,
  },
  {
    name: "a headless driver of another system",
    files: H100,
    machine: { system: { ...debian, distributions: ["arch"] } },
    missing: /Vulkan part/,
    fix: /version 550\.54\.14$/,
  },
  {
    name: "a GPU that is divided",
    files: { ...H100, "proc/driver/nvidia/capabilities/gpu0/mig/gi1/": "" },
    missing: /divided \(MIG\)/,
    fix: /nvidia-smi -mig 0/,
  },
  {
    name: "no loader",
    files: { ...H100, "etc/vulkan/icd.d/nvidia_icd.json": manifest },
    machine: { system: ubuntu, refusal: cannotOpen("libvulkan.so.1") },
    missing: /loader .*not installed/,
    fix: /^sudo apt-get install -y libvulkan1$/,
  },
  {
    name: "a driver elsewhere",
    files: { ...H100, "usr/local/nvidia/share/vulkan/icd.d/nvidia_icd.json": manifest },
    missing: /^its manifest is not where the loader looks/,
    fix: /VK_DRIVER_FILES=\/usr\/local\/nvidia\/share\/vulkan\/icd\.d\/nvidia_icd\.json$/,
  },
  {
    name: "a driver elsewhere, and no loader",
    files: { ...H100, "usr/local/nvidia/vulkan/icd.d/nvidia_icd.json": manifest },
    machine: { refusal: cannotOpen("libvulkan.so.1") },
    missing: /loader .* not installed, and its manifest/,
    fix: /^apt-get install -y libvulkan1, and set VK_DRIVER_FILES=/,
  },
  {
    name: "a driver without X's library",
    files: { ...H100, "etc/vulkan/icd.d/nvidia_icd.json": manifest },
    machine: {
      refusal: (library) => library.includes("vulkan") ? undefined : cannotOpen("libX11.so.6")(),
    },
    missing: /libGLX_nvidia\.so\.0 needs libX11\.so\.6/,
    fix: /libx11-6/,
  },
  {
    name: "a manifest without its driver",
    files: { ...H100, "etc/vulkan/icd.d/nvidia_icd.json": manifest },
    machine: {
      system: ubuntu,
      refusal: (library) => library.includes("vulkan") ? undefined : cannotOpen(library)(),
    },
    missing: /libGLX_nvidia\.so\.0 can't be loaded/,
    fix: /libnvidia-gl-550/,
  },
  {
    name: "a whole driver that gives nothing",
    files: { ...H100, "etc/vulkan/icd.d/nvidia_icd.json": manifest },
    missing: /installed, and gives no device/,
    fix: /vulkaninfo/,
  },
  {
    name: "AMD without Mesa",
    files: RADEON,
    missing: /Mesa's Vulkan driver is not installed/,
    fix: /mesa-vulkan-drivers/,
  },
  {
    name: "AMD with a Mesa that is too old",
    files: { ...RADEON, "usr/share/vulkan/icd.d/radeon_icd.x86_64.json": "{}" },
    missing: /does not take it/,
    fix: /newer Mesa/,
  },
  {
    name: "AMD's compute alone in a container",
    files: { "dev/kfd": "" },
    machine: { isContainer: true },
    missing: /no \/dev\/dri/,
    fix: /--device \/dev\/dri/,
  },
];

for (const { name, files, machine, missing, fix } of cases) {
  Deno.test({
    ...onLinux,
    name: `whyUnanswered: ${name}`,
    fn: () =>
      withFiles(files, (root) => {
        const given = { system: debian, isContainer: false, refusal: () => undefined, ...machine };
        const [gpu] = hardwareGpus(root);
        const found = whyUnanswered(gpu, { root, ...given });
        assert.match(found.missing, missing);
        assert.match(found.fix, fix);
      }),
  });
}

Deno.test({
  ...onLavapipe,
  name: "a GPU whose driver does not answer is not replaced by the processor in silence",
  fn: async () => {
    const preload = new URL("support/posed_machine.ts", import.meta.url);
    const setup = (root: string, args: readonly string[] = []) =>
      cli(["setup", ...args], { preload, env: { POSED_MACHINE: root } });
    await withFiles({ ...H100, ".dockerenv": "" }, async (root) => {
      const { code, stderr, stdout } = await setup(root);
      assert.equal(code, ExitCode.noAdapter, stdout + stderr);
      assert.match(
        stderr,
        /^error: NVIDIA H100 80GB HBM3 is in this machine, but does not answer: /,
      );
      assert.match(stderr, /^hint: .*NVIDIA_DRIVER_CAPABILITIES=all; or .* --device cpu$/m);
      const chosen = await setup(root, ["--device", "cpu"]);
      assert.equal(chosen.code, 0, chosen.stderr);
      assert.match(chosen.stdout, /on the CPU/);
      assert.equal(chosen.stderr, "");
      const { stdout: list } = await cli(["info", "--all"], {
        preload,
        env: { POSED_MACHINE: root },
      });
      assert.match(list, /NVIDIA H100 80GB HBM3 does not answer: .* To mend it: /);
    });
    // The host's GPU, of which the container has nothing, is no hindrance.
    await withFiles({ ...onBus("0000:0a:00.0", "0x10de"), ".dockerenv": "" }, async (root) => {
      const { code, stdout, stderr } = await setup(root);
      assert.equal(code, 0, stderr);
      assert.equal(stderr, "");
      assert.match(stdout, /^NVIDIA 0000:0a:00.0 does not answer: .* not given it. To mend it: /m);
    });
  },
});

const card = (i: number, changes: Partial<VulkanDevice> = {}): VulkanDevice => ({
  ...{ isFirst: i === 0, name: "NVIDIA H100 80GB HBM3", kind: "discrete" },
  ...{ vendorId: 0x10de, deviceId: 0x2330, driver: "NVIDIA 550.54.14", memory: 2 ** 36 },
  pci: `0000:${i + 1}a:00.0`,
  ...changes,
});
const intel = card(8, { name: "Intel(R) UHD Graphics 770", vendorId: 0x8086, deviceId: 0x4680 });
const eight = [...Array.from({ length: 8 }, (_, i) => card(i)), intel];
const isUsage = (message: RegExp, hint: RegExp) => (error: unknown) => {
  assert.ok(error instanceof UserError && error.exitCode === ExitCode.usage);
  assert.match(error.message, message);
  assert.match(error.hint!, hint);
  return true;
};

Deno.test("deviceNamed: by number, address or a part of the name", () => {
  assert.equal(deviceNamed("3", eight), eight[3]);
  assert.equal(deviceNamed("0000:6a:00.0", eight), eight[5]);
  assert.equal(deviceNamed("uhd", eight), intel);
  assert.throws(() => deviceNamed("9", eight), isUsage(/no device 9/, /8 \(Intel.*\), and cpu/));
  assert.throws(() => deviceNamed("h100", eight), isUsage(/any of 0, 1, .*7/, /info --all/));
  assert.throws(() => deviceNamed("0", []), isUsage(/no device 0/, /lists no device/));
});

Deno.test("requireFirst: the variables by which another process lists the device first", () => {
  const environmentFor = (name: string, devices = eight, environment = {}) => {
    try {
      requireFirst(name, devices, environment);
    } catch (error) {
      assert.ok(error instanceof OtherEnvironment, String(error));
      return error.environment;
    }
  };
  assert.equal(environmentFor("0"), undefined);
  assert.deepEqual(environmentFor("3"), { DRI_PRIME: "pci-0000_4a_00_0" });
  const kind = "8086:4680";
  const variables = { VK_LOADER_DEVICE_SELECT: kind, MESA_VK_DEVICE_SELECT: kind };
  assert.deepEqual(environmentFor("uhd"), variables);
  // Where that was tried in vain, it is not tried again.
  assert.throws(
    () => requireFirst("uhd", eight, variables),
    (error) => error instanceof UserError && /although its variables say so/.test(error.message),
  );
  const alike = eight.map((device) => ({ ...device, pci: undefined }));
  assert.throws(() => requireFirst("3", alike, {}), /can't be told from another/);
});

Deno.test({
  ignore: (await testGpu()).adapter.backend !== "vulkan",
  name: "vulkanDevices lists what WebGPU gives",
  fn: async () => {
    const { adapter } = await testGpu();
    const found = vulkanDevices()!.find(({ name }) => name === adapter.name)!;
    assert.ok(found.driver.length > 0 && found.memory > 0);
  },
});

Deno.test({
  ...onLavapipe,
  name: "info --all lists every driver's device, and --device says which there are",
  fn: () =>
    inFolder(async (root) => {
      const { adapter } = await testGpu();
      // The same driver under another name is another driver's device to the loader.
      const { ICD } = JSON.parse(await Deno.readTextFile(lavapipe));
      await Deno.copyFile(ICD.library_path, join(root, "copy.so"));
      const copied = { file_format_version: "1.0.0", ICD: { ...ICD, library_path: "./copy.so" } };
      await Deno.writeTextFile(join(root, "copy.json"), JSON.stringify(copied));
      const env = { VK_DRIVER_FILES: `${lavapipe}:${join(root, "copy.json")}` };
      const { stdout } = await cli(["info", "--all", "--json"], { env });
      const names = JSON.parse(stdout).devices.map(({ name }: VulkanDevice) => name);
      assert.deepEqual(names, [adapter.name, adapter.name]);
      const { code, stderr } = await cli(["setup", "--device", "1"], { env });
      assert.equal(code, ExitCode.noAdapter);
      assert.match(stderr, /can't be told from another/);
      assert.equal((await cli(["setup", "--device", "0"], { env })).code, 0);
      const unknown = await cli(["setup", "--device", "geforce"], { env });
      assert.equal(unknown.code, ExitCode.usage);
      assert.match(
        unknown.stderr,
        /^error: there is no device geforce\nhint: the devices are 0 \(/,
      );
    }),
});

Deno.test("backendVariables: Vulkan, and Direct3D only with a compiler that is fit for it", () => {
  const warnings: string[] = [];
  const on = (os: string, environment: Record<string, string> = {}) =>
    backendVariables(os, environment, (message) => warnings.push(message));
  const vulkan = { DENO_WEBGPU_BACKEND: "vulkan" };
  assert.deepEqual([on("linux"), on("windows"), on("darwin")], [vulkan, vulkan, {}]);
  const dx12 = { DENO_WEBGPU_BACKEND: "dx12" };
  assert.throws(() => on("windows", dx12), isUsage(/FXC/, /DX12_COMPILER=dxc/));
  assert.deepEqual(on("windows", { ...dx12, DENO_WEBGPU_DX12_COMPILER: "dxc" }), {});
  assert.deepEqual(warnings, []);
  assert.deepEqual(on("windows", { ...dx12, DENO_WEBGPU_DX12_COMPILER: "fxc" }), {});
  assert.match(warnings[0], /FXC takes minutes/);
});
